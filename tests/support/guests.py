"""Guests and daemons: a namespace waiting for the network, and a pasta that gives it one."""
import contextlib
import itertools
import json
import os
import pathlib
import signal
import subprocess
import time
from collections import Counter

import cleanup
from hosts import PYTHON, USER, SimulatedHost, make_namespace, wait_until

_serial = itertools.count()
NO_PORTS = ("-t", "none", "-u", "none", "-T", "none", "-U", "none")


def statuses(pid):
    """What the kernel says of each thread of a process."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        yield dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)


class OnSimulatedHost:
    """For test cases: a simulated host for each class, and guests that end with their test."""

    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()

    @classmethod
    def tearDownClass(cls):
        cls.host.close()

    def guest(self):
        guest = Guest(self.host)
        self.addCleanup(guest.close)
        return guest


class OnServingHost(OnSimulatedHost):
    """The same, with the services that run there."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.host.start_services()


class Guest:
    """A user and network namespace as a rootless container engine makes it; with uid None only a network namespace, made by root."""

    def __init__(self, host, uid=USER):
        self.host, self.uid = host, uid
        flags = "-Urn" if uid is not None else "-n"
        self.process = host.popen("unshare", flags, "sleep", "infinity", uid=uid)
        self.pid = self.process.pid
        wait_until(lambda: os.readlink(f"/proc/{self.pid}/exe").endswith("sleep"), "guest namespace")
        self.run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")

    def close(self):
        cleanup.end_process(self.process)

    def argv(self, argv):
        namespaces = ["-U", "-n"] if self.uid is not None else ["-n"]
        return ["nsenter", "-t", self.pid, *namespaces, "--", *argv]

    def run(self, *argv, **options):
        return self.host.run(*self.argv(argv), **options)

    def run_as_root(self, *argv, **options):
        """Runs a program in the guest's network as the host's root: for clients that insist on changing users or on their own files."""
        return self.host.run("nsenter", "-t", self.pid, "-n", "--", *argv, **options)

    def popen(self, *argv, **options):
        return self.host.popen(*self.argv(argv), **options)

    def client(self, *argv, timeout=60):
        """Runs a subcommand of client.py in the guest and returns what it reports."""
        done = self.run(PYTHON, f"{self.host.dir}/client.py", *argv, timeout=timeout)
        return json.loads(done.stdout)

    def counter(self, name):
        """A counter of the guest's own TCP/IP stack, by nstat's name."""
        for table in ("netstat", "snmp"):
            with open(f"/proc/{self.pid}/net/{table}") as f:
                lines = [line.split() for line in f]
            for keys, values in zip(lines[::2], lines[1::2]):
                for key, value in zip(keys[1:], values[1:]):
                    if keys[0].rstrip(":") + key == name:
                        return int(value)
        raise KeyError(name)


class NamedGuest(Guest):
    """A network namespace in /run/netns, as `ip netns add` makes it."""

    def __init__(self, host):
        self.host, self.uid = host, None
        self.name, self._token = make_namespace("g")
        self.path = f"/run/netns/{self.name}"

    def close(self):
        cleanup.now(self._token)

    def argv(self, argv):
        return ["nsenter", f"--net={self.path}", "--", *argv]


class Daemon:
    """A pasta in the foreground, attached to a guest; ready when its PID file is written."""

    def __init__(self, guest, *options, uid=USER, target=None, config_net=True, ports=NO_PORTS, prefix=()):
        """prefix: a program that runs the daemon, and its arguments."""
        self.host = guest.host
        self.base = f"{self.host.dir}/daemon{next(_serial)}"
        self.log_path, self.pid_path = self.base + ".log", self.base + ".pid"
        target = [guest.pid] if target is None else target
        argv = [*prefix, self.host.binary(), "-f", "--pid", self.pid_path, *(["--config-net"] if config_net else []), *ports, *options, *target]
        with open(self.log_path, "w") as log:
            self.process = self.host.popen(*argv, uid=uid, stdout=log, stderr=log)
        try:
            wait_until(self._ready, "PID file of the daemon")
        except (TimeoutError, RuntimeError):
            cleanup.end_process(self.process)
            raise RuntimeError(f"{' '.join(map(str, argv))}: {self.log()}") from None

    def _ready(self):
        if self.process.poll() is not None:
            raise RuntimeError("ended")
        return os.path.exists(self.pid_path) and os.path.getsize(self.pid_path) > 0

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def counters(self):
        """The totals, and the share of each of several workers, which the daemon prints when it gets SIGUSR1; zeros are not printed."""
        start, size = len(self.log()), -1
        os.kill(self.pid, signal.SIGUSR1)
        with contextlib.suppress(TimeoutError):     # nothing has happened yet
            wait_until(lambda: "counter " in self.log()[start:], "first of the counters", 3)
        while size != len(self.log()):
            size = len(self.log())
            time.sleep(0.1)
        total, workers = Counter(), {}
        for line in self.log()[start:].splitlines():
            words = line.split()
            if len(words) >= 3 and words[-3] == "counter":
                total[words[-2]] = int(words[-1])
            elif len(words) >= 4 and words[-4] == "worker":
                workers.setdefault(int(words[-3]), Counter())[words[-2]] = int(words[-1])
        return total, workers

    def stop(self):
        """Ends the daemon as an operator does; its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)       # it may have something to deliver
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise RuntimeError(f"the daemon ignored SIGTERM: {self.log()}") from None
        return self.process.returncode


def without_timeouts(test, guest, exchange, tries=3):
    """Has exchange() done until the guest's TCP has met no timeout in it. Nothing is lost on a tap, so that a timeout has two causes: a
    fault of the daemon's, which meets the next exchange as well, or a machine that stands still for the 200 ms of the guest's timer."""
    for _ in range(tries):
        before = guest.counter("TcpExtTCPTimeouts")
        exchange()
        timeouts = guest.counter("TcpExtTCPTimeouts") - before
        if timeouts == 0:
            return
        print(f"the guest's TCP met {timeouts} timeouts")
    test.fail(f"the guest's TCP met timeouts on a tap that loses nothing, {tries} times out of {tries}")


def connected_guest(host, *options, uid=USER, **named):
    """A guest with a running daemon: what most tests start from."""
    guest = Guest(host, uid)
    try:
        return guest, Daemon(guest, *options, uid=uid, **named)
    except BaseException:
        guest.close()
        raise
