"""A virtual machine in the simulated host: QEMU under software emulation, with a channel for commands to its guest."""
import itertools
import os
import re
import shlex
import signal
import socket
import subprocess
import time

import cleanup
from hosts import USER

_serial = itertools.count()
QEMU = "qemu-system-x86_64"
MAC = "52:54:00:12:34:56"


class Died(RuntimeError):
    """The machine ended while an answer was due."""


def versioned_machine():
    """The full name of QEMU's default machine type, as management programs write it: pc-i440fx-7.2."""
    listed = subprocess.run([QEMU, "-machine", "help"], capture_output=True, text=True, check=True).stdout
    return re.search(r"alias of (pc-i440fx-[\d.]+)", listed)[1]


class Done:
    def __init__(self, status, output):
        self.status, self.output = status, output


class Machine:
    """network: the arguments that make the card and connect it; program: QEMU, or what finds and starts it; memory: in MiB."""

    def __init__(self, host, kernel, initramfs, network, *, program=(QEMU,), machine="pc", memory=192, environment=None, pass_fds=()):
        base = self._prepare(host)
        # A small translation cache: after a reboot the kernel is unpacked over translated code, and each such write costs a walk.
        # A busy host starves emulated timers: the kernel's check of them would panic, and one device less has to be emulated.
        argv = [*program, "-accel", "tcg,tb-size=32", "-machine", machine, "-m", str(memory), "-nodefaults", "-no-user-config", "-display", "none",
                "-kernel", kernel, "-initrd", initramfs, "-append", "quiet panic=-1 console=ttyS0 no_timer_check hpet=disable",
                "-chardev", f"file,id=console,path={self.console}", "-serial", "chardev:console",
                "-chardev", f"socket,id=channel,path={base}.channel", "-serial", "chardev:channel", *network]
        variables = [f"{k}={v}" for k, v in (environment or {}).items()]
        with open(self._errors, "w") as errors:
            self.process = host.popen("env", *variables, *argv, uid=USER, text=False, stdin=subprocess.DEVNULL,
                                      stdout=errors, stderr=errors, pass_fds=pass_fds)
        self.boot_seconds = self.wait_for_boot()

    def _prepare(self, host):
        """The console, the channel, and where QEMU's words go; the beginning of their names."""
        self.host = host
        base = f"{host.dir}/machine{next(_serial)}"
        self.console, self._errors = base + ".console", base + ".errors"
        for name in (self.console, self._errors):
            with open(name, "w"):
                os.chmod(name, 0o666)
        self._listener = self._listen(base + ".channel")
        self._channel, self._received = None, b""
        self.started = time.monotonic()
        return base

    def _listen(self, path):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        os.chmod(path, 0o666)
        listener.listen(1)
        listener.settimeout(0.2)
        return listener

    def complaint(self):
        """What QEMU and the guest's kernel said last."""
        with open(self._errors, errors="replace") as e, open(self.console, errors="replace") as c:
            return f"QEMU: {e.read()[-2000:]!r} console: {c.read()[-2000:]!r}"

    def wait_for_boot(self, timeout=120):
        """Until the guest's init is ready; the seconds since the machine was started or told to start again."""
        end = time.monotonic() + timeout
        while self._channel is None:
            try:
                self._channel = self._listener.accept()[0]
            except TimeoutError:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise Died(self.complaint()) from None
        line = self._line(end)
        while not line.startswith("ready "):
            line = self._line(end)
        return time.monotonic() - self.started

    def _more(self, end):
        self._channel.settimeout(max(0.01, end - time.monotonic()))
        try:
            data = self._channel.recv(65536)
        except (TimeoutError, ConnectionError):
            data = b""
        if not data:
            raise Died(self.complaint())
        self._received += data

    def _line(self, end):
        while b"\n" not in self._received:
            self._more(end)
        line, self._received = self._received.split(b"\n", 1)
        return line.decode(errors="replace").strip("\r\0")

    def request(self, command):
        """Sends a command without waiting for its end; the token for `answer`."""
        number = next(_serial)
        self._channel.sendall(f"{number} {command}\n".encode())
        return number

    def answer(self, number, timeout=120):
        end = time.monotonic() + timeout
        words = self._line(end).split()
        if len(words) != 3 or words[0] != str(number):
            raise Died(f"answer {words} to request {number}; {self.complaint()}")
        while len(self._received) < int(words[2]):
            self._more(end)
        output, self._received = self._received[:int(words[2])], self._received[int(words[2]):]
        return Done(int(words[1]), output.decode(errors="replace"))

    def run(self, command, *, check=True, timeout=120):
        """Runs a line of shell in the guest."""
        done = self.answer(self.request(command), timeout)
        if check and done.status:
            raise AssertionError(f"in the guest: {command}: status {done.status}: {done.output}")
        return done

    def output(self, *argv, **options):
        return self.run(shlex.join(map(str, argv)), **options).output

    def reboot(self):
        self.started = time.monotonic()
        self.request("reboot -f")
        return self.wait_for_boot()

    def kill(self):
        """SIGKILL: no goodbye to whoever is connected."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.close()

    def close(self):
        cleanup.end_process(self.process)
        for s in (self._channel, self._listener):
            if s:
                s.close()
