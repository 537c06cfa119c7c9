"""The world of programs that start pasta or passt themselves: how they call it, and what they look at when it has returned."""
import itertools
import json
import os
import pathlib
import signal
import subprocess
import unittest

import cleanup
from hosts import REMOTE4, REMOTE6, RESOLVER4, RESOLVER6, USER, SimulatedHost, run, wait_until
from inside import BOTH, Place, host_place, meet, remote_place

_serial = itertools.count()


def call(host, argv, *, uid=USER, within=(), timeout=30, pass_fds=(), stdin=subprocess.DEVNULL):
    """Runs argv with one pipe for both outputs and reads that to its end, as Go's CombinedOutput does: (exit status, what was said).

    A daemon that keeps an end of the pipe in the background is a TimeoutExpired here, and a caller that hangs there.
    """
    argv = host.argv([*within, *argv], uid)
    done = subprocess.run(argv, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, pass_fds=pass_fds,
                          env=host.environment(), cwd=host.dir, check=False)
    return done.returncode, done.stdout


def process_of(pid_file):
    """What the caller finds in the PID file: digits, and the number of a process that runs."""
    text = pathlib.Path(pid_file).read_text()
    if text != f"{int(text)}\n" or not runs(int(text)):
        raise AssertionError(f"PID file: {text!r}")
    return int(text)


def runs(pid, proc="/proc"):
    """Whether any thread of the process is there, and no mere entry that waits for the parent. Its sockets go with the last thread."""
    try:
        threads = os.listdir(f"{proc}/{pid}/task")
    except OSError:
        return False
    return any(_is_alive(f"{proc}/{pid}/task/{thread}/stat") for thread in threads)


def _is_alive(stat):
    try:
        with open(stat) as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_for_end(pid, timeout=10):
    wait_until(lambda: not runs(pid), "end of the daemon", timeout)


def end(pid):
    """Ends a daemon by its PID file's content, as a caller's clean-up does."""
    os.kill(pid, signal.SIGTERM)
    wait_for_end(pid)


class Network:
    """A network namespace at a path, as the test sees that path."""

    def __init__(self, host, path):
        self.host, self.path, self.place = host, path, Place(path)

    def run(self, *argv, **options):
        return self.host.run("nsenter", f"--net={self.path}", "--", *argv, **options)

    def interface(self, name):
        """What netlink says of an interface: {"mtu": ..., "flags": [...], "addresses": ["ADDR/LENGTH", ...]}, without link-local addresses."""
        found = json.loads(self.run("ip", "-j", "addr", "show", "dev", name).stdout)[0]
        addresses = [f"{a['local']}/{a['prefixlen']}" for a in found["addr_info"] if a["scope"] != "link"]
        return {"mtu": found["mtu"], "flags": found["flags"], "mac": found["address"], "addresses": sorted(addresses)}

    def interfaces(self):
        return sorted(link["ifname"] for link in json.loads(self.run("ip", "-j", "link").stdout))

    def gateways(self):
        """The gateways of the default routes, of both families."""
        routes = [route for option in ("-4", "-6") for route in json.loads(self.run("ip", "-j", option, "route", "show", "default").stdout or "[]")]
        return sorted(route["gateway"] for route in routes)

    def settle(self):
        """An address receives when a worker of the kernel has come by, which may be a while after it was given."""
        wait_until(lambda: "inet6 fe80::" not in self.run("ip", "-6", "addr", "show", "scope", "link").stdout
                   or "local fe80::" in self.run("ip", "-6", "route", "show", "table", "local").stdout, "route to the link-local address")


class Caller(unittest.TestCase):
    """A test on a host of its own, with what callers of every kind rely on. Each exchange is made by TCP and by UDP."""

    @classmethod
    def setUpClass(cls):
        cls.host = cls.world()
        cls.outside, cls.remote = host_place(cls.host), remote_place(cls.host)

    @classmethod
    def tearDownClass(cls):
        cls.host.close()

    @staticmethod
    def world():
        host = SimulatedHost()
        for address in (RESOLVER4 + "/24", RESOLVER6 + "/64"):
            run("ip", "-n", host.remote, "addr", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))
        return host

    def started(self, pid_file):
        """A daemon that has written its PID file, and ends with the test at the latest."""
        self.pid = process_of(pid_file)
        self.addCleanup(lambda: runs(self.pid) and end(self.pid))

    def reaches(self, client, server, address, port=7000, server_port=None, *, at=None, seen=None, **how):
        """at, seen: the server's own address and the client's, as the server sees them, if that matters."""
        for protocol, kind in BOTH:
            with self.subTest(address=address, port=port, protocol=protocol):
                met = meet(client, server, address, port, kind, server_port, **how)
                self.assertEqual(met, (seen or met[0], at or met[1]))

    def misses(self, client, server, address, port=7000, server_port=None, **how):
        for protocol, kind in BOTH:
            with self.subTest(address=address, port=port, protocol=protocol), self.assertRaises(OSError):
                meet(client, server, address, port, kind, server_port, timeout=0.5, **how)

    def reaches_the_world(self, place, addresses=(REMOTE4, REMOTE6)):
        for address in addresses:
            self.reaches(place, self.remote, address, at=address)

    def reaches_the_hosts_loopback(self, place, address):
        self.reaches(place, self.outside, address, server_address="127.0.0.1", at="127.0.0.1")

    def reaches_the_resolver(self, place, address, **expected):
        self.reaches(place, self.remote, address, 53, server_address=RESOLVER4, at=RESOLVER4, **expected)


class RootlessKitScenarios:
    """What RootlessKit is relied on for, whether it calls or is stood in for. start_place(no_map_gw=..., detached=...): the place behind pasta."""
    GATEWAY = "10.0.2.2"

    def test_the_hosts_loopback_may_be_denied(self):
        """--disable-host-loopback is --no-map-gw."""
        for denied in (False, True):
            with self.subTest(denied=denied):
                place = self.start_place(no_map_gw=denied)
                if denied:
                    self.misses(place, self.outside, self.GATEWAY, server_address="127.0.0.1")
                else:
                    self.reaches_the_hosts_loopback(place, self.GATEWAY)
                self.doCleanups()

    def test_a_network_namespace_that_is_not_the_childs_own(self):
        """--detach-netns: the namespaces are named one by one."""
        self.reaches_the_world(self.start_place(detached=True), (REMOTE4,))


class Engine:
    """An ordinary user's container engine: a user and a mount namespace in which it is root, with network namespaces at paths in there."""

    def __init__(self, host, uid=USER):
        self.host, self.uid = host, uid
        self.run_dir = f"{host.dir}/engine{next(_serial)}"
        os.mkdir(self.run_dir)
        os.chmod(self.run_dir, 0o777)
        script = 'mount -t tmpfs tmpfs "$1" && mkdir "$1/netns" && echo ready && exec sleep infinity'
        self.process = host.popen("unshare", "-Urm", "sh", "-c", script, "sh", self.run_dir, uid=uid, stdout=subprocess.PIPE)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("no user and mount namespace")
        self.within = ("nsenter", f"--user=/proc/{self.process.pid}/ns/user", f"--mount=/proc/{self.process.pid}/ns/mnt", "--preserve-credentials", "--")

    def close(self):
        cleanup.end_process(self.process)

    def seen(self, path):
        """A path of the engine's, from outside."""
        return f"/proc/{self.process.pid}/root{path}"

    def call(self, argv, **options):
        return call(self.host, argv, uid=self.uid, within=self.within, **options)

    def _do(self, script, *words):
        status, said = self.call(["sh", "-ec", script, "sh", *words])
        if status:
            raise RuntimeError(said)

    def make_network(self):
        """The path of a new network namespace, as the engine knows it."""
        path = f"{self.run_dir}/netns/netns-{next(_serial)}"
        self._do('touch "$1"; unshare -n sh -c \'sysctl -qw net.ipv6.conf.default.accept_dad=0; mount --bind "/proc/$$/ns/net" "$1"\' sh "$1"', path)
        return path

    def network(self, path):
        return Network(self.host, self.seen(path))

    def remove_network(self, path):
        self._do('umount -l "$1"; rm "$1"', path)
