"""What tests of --take-over need: daemons that others take the place of, transfers without end, and the exchange between the two."""
import contextlib
import fcntl
import hashlib
import itertools
import os
import re
import socket
import struct
import threading

from guests import Daemon
from hosts import USER, wait_until
from passt import Passt
from services import PATTERN

PORTS = ("-t", "8000:7000", "-u", "none", "-T", "none", "-U", "none")
CALL = b'{"method":"io.github.tapioca.Control.HandOver","upgrade":true}\0'
HELLO, ACKNOWLEDGED, MOVE, READY, SERVES = range(1, 6)
VERSION = 2
ANSWER = b'{"parameters":{}}\0'
REFUSED, PARTS, LISTENERS, PARTS_END, FLOWS, STATE, YOURS, LINK = range(16, 24)
_serial = itertools.count()


def unique_path(host, name):
    return f"{host.dir}/{name}{next(_serial)}"


class Stream(threading.Thread):
    """Octets from one socket to the other without end, until told; knows whether they are the same."""

    def __init__(self, source, sink):
        super().__init__(daemon=True)
        self.source, self.sink, self.over = source, sink, threading.Event()
        self.sent, self.got, self.octets, self.failure = hashlib.sha256(), hashlib.sha256(), 0, None
        self.sender = threading.Thread(target=self._send, daemon=True)
        source.settimeout(30)
        sink.settimeout(30)
        self.sender.start()
        self.start()

    def _send(self):
        try:
            while not self.over.is_set():
                self.source.sendall(PATTERN)
                self.sent.update(PATTERN)
            self.source.shutdown(socket.SHUT_WR)
        except OSError as error:
            self.failure = error

    def run(self):
        try:
            while octets := self.sink.recv(1 << 18):
                self.got.update(octets)
                self.octets += len(octets)
        except OSError as error:
            self.failure = error

    def finish(self):
        self.over.set()
        self.sender.join(60)
        self.join(60)
        if self.failure:
            raise self.failure
        return self.sent.digest() == self.got.digest()


class Replaced(Daemon):
    """A daemon whose place others take, one after the other."""

    def __init__(self, guest, *options, ports=PORTS, **named):
        self.guest, self.options, self.ports = guest, options, ports
        self.path = unique_path(guest.host, "control")
        super().__init__(guest, "--control", self.path, *options, ports=ports, **named)

    def successor(self, *options, uid=USER, path=None, paths=True, **named):
        argv = [*self.command(), *self.options, *options]
        argv += ["--pid", self.pid_path, "--control", self.path] if paths else []
        with open(self.log_path, "a") as log:
            named = {"stdout": log, "stderr": log, **named}
            return self.host.popen(*argv, "--take-over", path or self.path, *self.target(), uid=uid, **named)

    def command(self):
        return [self.host.binary(), "-f", "--config-net", *self.ports]

    def target(self):
        return [self.guest.pid]

    def pauses(self):
        """Seconds that the workers stood still, of each replacement."""
        return [int(us) / 1e6 for us in re.findall(r" in (\d+) us, with ", self.log())]

    def replace(self, *options):
        before = self.process
        after = self.successor(*options)
        try:
            wait_until(lambda: before.poll() is not None, "end of the one before", 20)
            with_pid = lambda: open(self.pid_path).read() == f"{after.pid}\n"
            wait_until(with_pid, "process id in the file")
        except TimeoutError:
            after.kill()
            raise RuntimeError(self.log()) from None
        self.process = after
        if before.returncode != 0 or after.poll() is not None:
            raise RuntimeError(f"status {before.returncode}: {self.log()}")

    def replace_though_killed(self, step):
        """The one before is killed when it says `step`, or hears it; the other one is in its place then."""
        before = self.process

        def kill(kind, value, octets, fds):
            if kind == step:
                before.kill()
                before.wait()
            return kind, value, octets, fds
        after = self.successor(path=Between(self, kill).path)
        wait_until(lambda: open(self.pid_path).read() == f"{after.pid}\n", "process id in the file", 20)
        self.process = after

    def refused(self, *options, **named):
        """What a successor says that gets no place."""
        after = self.successor(*options, stdout=-1, stderr=-2, **named)
        said, _ = after.communicate(timeout=20)
        if after.returncode != 1 or self.process.poll() is not None:
            raise RuntimeError(f"status {after.returncode}, {self.process.poll()}: {said}")
        return said


class ReplacedPasst(Replaced, Passt):
    """A passt; `path` is that of its control socket, as of any other one here."""

    def __init__(self, host, *options):
        self.options, self.control = options, unique_path(host, "control")
        Passt.__init__(self, host, "--control", self.control, *PORTS[:4], *options)
        self.path = self.control

    def command(self):
        return [self.host.binary("passt"), "-f", *PORTS[:4], *(["-s", self.guest_path] if self.guest_path else [])]

    def target(self):
        return []


class Between(threading.Thread):
    """Stands between the two, and passes on what each says to the other: as `change` gives it, or nothing any more if that is None."""

    def __init__(self, daemon, change):
        super().__init__(daemon=True)
        self.real, self.change, self.path = daemon.path, change, unique_path(daemon.host, "between")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.settimeout(20)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o777)
        with as_user():
            self.listener.listen()
        self.start()

    def run(self):
        with self.listener, self.listener.accept()[0] as new, socket.socket(socket.AF_UNIX) as old:
            for s in (new, old):
                s.settimeout(20)
            with as_user():
                old.connect(self.real)
            try:
                old.sendall(new.recv(4096))
                new.sendall(old.recv(len(ANSWER)))
                while self._pass(new, old) and self._pass(old, new):
                    pass
            except OSError:
                pass    # one of them has ended, and so does this

    def _pass(self, source, sink):
        message = hear(source)
        if message[0] is None:
            return False
        message = self.change(*message)
        if message is None:
            return False
        kind, value, octets, fds = message
        socket.send_fds(sink, [struct.pack("!HHII", kind, 0, value, len(octets)) + octets], fds)
        for fd in fds:
            os.close(fd)
        return True


@contextlib.contextmanager
def as_user():
    os.seteuid(USER)
    try:
        yield
    finally:
        os.seteuid(0)


def exactly(s, count):
    octets, fds = b"", []
    while len(octets) < count:
        got, more, _, _ = socket.recv_fds(s, count - len(octets), 253)
        if not got:
            break
        octets += got
        fds += more
    return octets, fds


def hear(s):
    """Kind, value, octets, descriptors; kind None: the end."""
    head, fds = exactly(s, 12)
    if len(head) < 12:
        return None, 0, b"", fds
    kind, _, value, length = struct.unpack("!HHII", head)
    octets, more = exactly(s, length)
    return kind, value, octets, fds + more


def memory(octets, seals=fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK):
    fd = os.memfd_create("state", os.MFD_ALLOW_SEALING)
    os.write(fd, octets)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd
