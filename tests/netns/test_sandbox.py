#!/usr/bin/env python3
"""What a daemon that serves still can do: nothing it does not need, in every one of its threads."""
import contextlib
import errno
import os
import pathlib
import signal
import socket
import sys
import time
import unittest
from collections import Counter

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import NO_PORTS, Daemon, Guest, NamedGuest, OnServingHost, connected_guest, statuses
from hosts import PYTHON, REMOTE4, USER, wait_until
from passt import Passt, pair

WORKERS = ("--workers", "2")
CAPABILITIES = ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")

# Signals come through a pipe, events of workers ring one bell.
# The loop, the poller of its services, the socket where the instance is seen, and the two by which the host's network is watched.
CONTROL_DESCRIPTORS = {"[eventpoll]": 2, "[timerfd]": 2, "[eventfd]": 2, "pipe": 2, "socket": 3}
# What each mode has beside epoll and event descriptors. Attached, the directory is that of the namespace's name, for a look only;
# a pidfd, or inotify, tells of its end. passt announces resolvers: a pipe leads to the process that reads resolv.conf,
# and a pidfd tells of the end of its guardian.
OWN_DESCRIPTORS = {
    "attached": {"/dev/null": 1, "log": 2, "/dev/net/tun": 2, "directory": 1, "watch": 1},
    "in_background": {"/dev/null": 3, "/dev/net/tun": 2, "directory": 1, "watch": 1},
    "with_command": {"/dev/null": 1, "pipe": 2, "/dev/net/tun": 2},
    "splice_only": {"/dev/null": 1, "log": 2, "directory": 1, "watch": 1},
    "passt": {"/dev/null": 1, "log": 2, "socket": 2, "pipe": 1, "watch": 1},    # where guests connect to, and a spare one
    "passt_with_a_socket": {"/dev/null": 1, "log": 2, "socket": 1, "pipe": 1, "watch": 1},
    "passt_in_background": {"/dev/null": 3, "socket": 2, "pipe": 1, "watch": 1},
}

# Runs a program on a kernel that does not know landlock_create_ruleset(2).
WITHOUT_LANDLOCK = """
import ctypes, errno, os, struct, sys
LOAD, IF_EQUAL, RETURN, ALLOW, ERRNO = 0x20, 0x15, 0x06, 0x7fff0000, 0x00050000
program = b"".join(struct.pack("HBBI", *step) for step in ((LOAD, 0, 0, 0), (IF_EQUAL, 0, 1, 444), (RETURN, 0, 0, ERRNO | errno.ENOSYS), (RETURN, 0, 0, ALLOW)))
steps = ctypes.create_string_buffer(program, len(program))
whole = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(steps)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, whole):      # no new privileges; the filter
    sys.exit(os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])
"""


def descriptor_kind(link, directory):
    """What a descriptor is, by the name that the kernel gives it."""
    if link.startswith("anon_inode:"):
        return "watch" if link.endswith(("inotify", "[pidfd]")) else link.removeprefix("anon_inode:")
    if link.startswith(directory):
        return "log"
    return "directory" if link.startswith(("/proc/", "/run/netns")) else link.split(":")[0]


def descriptors(pid, directory):
    """Kind of descriptor -> how many of it are open."""
    links = []
    for entry in os.scandir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(entry.path))
    return dict(Counter(descriptor_kind(link, directory) for link in links))


class Sandbox(OnServingHost, unittest.TestCase):
    maxDiff = None

    def each_daemon(self):
        """Daemons of both kinds that have carried something."""
        for uid, options in ((10001, ("--workers", "2")), (None, ())):
            with self.subTest(uid=uid):
                guest, daemon = connected_guest(self.host, *options, uid=10001) if uid else self.root_daemon()
                self.assertTrue(guest.client("download", REMOTE4, 1000000)["equal"])
                yield daemon
                self.assertEqual(daemon.stop(), 0)
                guest.close()

    def root_daemon(self):
        guest = Guest(self.host)
        return guest, Daemon(guest, "--runas", "10001:10001", uid=None)

    def guest(self, uid):
        guest = NamedGuest(self.host) if uid is None else Guest(self.host, uid)
        self.addCleanup(guest.close)
        return guest, ("--netns", guest.name) if uid is None else (guest.pid,)

    def attached(self, uid):
        guest, target = self.guest(uid)
        daemon = Daemon(guest, *WORKERS, target=target, uid=uid)
        self.addCleanup(daemon.stop)
        return daemon.pid

    def in_background(self, uid):
        _, target = self.guest(uid)
        pid_file = f"{self.host.dir}/background{time.monotonic_ns()}.pid"
        self.host.run(self.host.binary(), "-q", "--config-net", "--pid", pid_file, *NO_PORTS, *WORKERS, *target, uid=uid)
        pid = int(pathlib.Path(pid_file).read_text())
        self.addCleanup(os.kill, pid, signal.SIGTERM)
        return pid

    def with_command(self, uid):
        pasta = self.host.popen(self.host.binary(), "-q", "--config-net", *NO_PORTS, *WORKERS, "--", "sh", "-c", "echo ready; cat",
                                uid=uid, stdin=-1, stdout=-1, stderr=-3)
        self.assertEqual(pasta.stdout.readline(), "ready\n")        # the command is let go when everything is sealed
        self.addCleanup(pasta.wait, 10)
        self.addCleanup(pasta.stdin.close)
        return pasta.pid

    def splice_only(self, uid):
        guest, target = self.guest(uid)
        daemon = Daemon(guest, "--splice-only", *WORKERS, target=target, uid=uid)
        self.addCleanup(daemon.stop)
        return daemon.pid

    def passt(self, uid):
        daemon = Passt(self.host, uid=uid)
        self.addCleanup(daemon.stop)
        return daemon.pid

    def passt_with_a_socket(self, uid):
        ours, theirs = pair()
        self.addCleanup(ours.close)
        daemon = Passt(self.host, connected=theirs, uid=uid)
        theirs.close()
        self.addCleanup(daemon.stop)
        return daemon.pid

    def passt_in_background(self, uid):
        name = f"{self.host.dir}/background{time.monotonic_ns()}"
        self.host.run(self.host.binary("passt"), "-q", "--pid", f"{name}.pid", "-s", f"{name}.socket", uid=uid)
        pid = int(pathlib.Path(f"{name}.pid").read_text())
        self.addCleanup(os.kill, pid, signal.SIGTERM)
        return pid

    def test_in_every_mode_and_whoever_starts_it(self):
        for start in (self.attached, self.in_background, self.with_command, self.splice_only, self.passt, self.passt_with_a_socket, self.passt_in_background):
            for uid in (USER, None):
                with self.subTest(start=start.__name__, uid=uid):
                    pid = start(uid)
                    self.check_threads(start.__name__, pid)
                    self.check_root_directory(pid)
                    self.check_namespaces(start.__name__, pid)
                    self.check_descriptors(start.__name__, pid)

    def check_threads(self, mode, pid):
        """Every thread is without capabilities, and filtered."""
        threads = list(statuses(pid))
        if not netns_test.SANITIZED:
            self.assertEqual(len(threads), 2 if mode.startswith("passt") else 3)
        for status in threads:
            for name in CAPABILITIES:
                self.assertEqual(int(status[name], 16), 0, f"{name} of {status['Name']}")
            self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"), status["Name"])
            self.assertNotIn("0", status["Uid"].split())

    def check_root_directory(self, pid):
        """There is no file to open, and none can be made."""
        self.assertEqual(os.listdir(f"/proc/{pid}/root"), [])
        self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
        with self.assertRaises(OSError) as refused:
            os.mkdir(os.path.join(f"/proc/{pid}/root", "d"))
        self.assertEqual(refused.exception.errno, errno.EROFS)
        mounts = pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
        self.assertEqual([(line.split()[4], line.split(" - ")[1].split()[0]) for line in mounts], [("/", "tmpfs")])
        self.assertLessEqual({"ro", "nosuid", "nodev", "noexec"}, set(mounts[0].split()[5].split(",")))

    def check_namespaces(self, mode, pid):
        """A PID namespace only where it forks once more to go into the background."""
        own = [name for name in ("ipc", "mnt", "uts", "pid") if os.readlink(f"/proc/{pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}")]
        self.assertEqual(own, ["ipc", "mnt", "uts"] + (["pid"] if "background" in mode else []))

    def check_descriptors(self, mode, pid):
        """The one that says "ready" is closed a moment later."""
        workers = 1 if mode.startswith("passt") else 2
        expected = dict(Counter(CONTROL_DESCRIPTORS) + Counter({"[eventpoll]": workers, "[timerfd]": workers, "[eventfd]": workers}) + Counter(OWN_DESCRIPTORS[mode]))
        end = time.monotonic() + 10
        while (found := descriptors(pid, self.host.dir)) != expected and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual(found, expected)

    def test_the_right_to_low_ports_is_kept_only_where_ports_come_and_go(self):
        bind_service = 1 << 10
        for ports, kept in ((("-t", "8000", "-u", "8000", "-T", "none", "-U", "none"), []),
                            (("-t", "auto", "-u", "none", "-T", "9000", "-U", "9000"), []),
                            (("-t", "none", "-u", "none", "-T", "auto", "-U", "none"), [bind_service])):
            with self.subTest(ports=ports):
                guest, daemon = connected_guest(self.host, ports=ports)
                threads = list(statuses(daemon.pid))
                for name in ("CapEff", "CapPrm"):
                    self.assertEqual([value for status in threads if (value := int(status[name], 16))], kept, name)
                for status in threads:
                    self.assertEqual((int(status["CapBnd"], 16), int(status["CapInh"], 16), int(status["CapAmb"], 16)), (0, 0, 0))
                    self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"))
                self.assertEqual(daemon.stop(), 0)
                guest.close()

    def test_the_rights_of_who_starts_it_are_not_inherited(self):
        """Inheritable and ambient capabilities are for programs that are executed."""
        for passed_on in ("+net_raw", "+net_raw,+sys_admin,+net_bind_service"):
            guest = NamedGuest(self.host)
            self.addCleanup(guest.close)
            start = self.host.popen("setpriv", f"--inh-caps={passed_on}", f"--ambient-caps={passed_on}", self.host.binary(), "-f", "-q", "--pid",
                                    f"{self.host.dir}/rich.pid", *NO_PORTS, "--netns", guest.name)
            wait_until(lambda: start.poll() is not None or os.path.exists(f"{self.host.dir}/rich.pid") and os.path.getsize(f"{self.host.dir}/rich.pid"), "PID file")
            self.assertIsNone(start.poll())
            self.assertEqual({int(status[name], 16) for status in statuses(start.pid) for name in CAPABILITIES}, {0})
            start.terminate()
            self.assertEqual(start.wait(10), 0)
            os.unlink(f"{self.host.dir}/rich.pid")

    def test_a_kernel_without_landlock_is_no_matter_of_words(self):
        for name, words in (("pasta", ("--config-net", *NO_PORTS, "--", "true")), ("passt", ("-s", f"{self.host.dir}/plain.socket", "-1"))):
            done = self.host.run(PYTHON, "-c", WITHOUT_LANDLOCK, self.host.binary(name), "-q", *words, uid=USER)
            self.assertEqual((done.stdout, done.stderr), ("", ""))
        with socket.socket(socket.AF_UNIX) as client:       # the passt is in the background, and ends with its client
            client.connect(f"{self.host.dir}/plain.socket")

    def test_no_descriptor_leads_to_a_file_or_directory(self):
        allowed = ("socket:", "pipe:", "anon_inode:", "/dev/net/tun", "/dev/null", "/proc/", "/run/netns/", self.host.dir)
        for daemon in self.each_daemon():
            links = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{daemon.pid}/fd")]
            self.assertEqual([link for link in links if not link.startswith(allowed)], [])

    @unittest.skipIf(netns_test.SANITIZED, "sanitizers look into their own process")
    def test_nobody_may_look_into_it_or_dump_it(self):
        for daemon in self.each_daemon():
            self.assertEqual(os.stat(f"/proc/{daemon.pid}/mem").st_uid, 0)       # not dumpable: its files in /proc belong to root

    @unittest.skipIf(netns_test.SANITIZED, "sanitizers need memory")
    def test_it_is_small_when_idle(self):
        guest, daemon = connected_guest(self.host)
        resident = next(int(status["VmRSS"].split()[0]) for status in statuses(daemon.pid))
        print(f"resident when idle: {resident} KiB")
        self.assertLess(resident, 5 * 1024)
        self.assertEqual(daemon.stop(), 0)
        guest.close()


if __name__ == "__main__":
    netns_test.main()
