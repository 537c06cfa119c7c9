#!/usr/bin/env python3
"""What somebody could do who has taken over a thread of a daemon that serves: each kind of thread, in each mode, is made to make
system calls that it has no business with. The daemon is the one that is shipped; the calls are put into it from outside."""
import os
import signal
import socket
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import NO_PORTS, Daemon, Guest
from hosts import SimulatedHost, wait_until
from passt import Passt

INJECTOR = os.environ.get("TAPIOCA_INJECTOR", "")
TRAPPED = 128 + signal.SIGSYS       # builds that name the call end by themselves
FLAGS = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
PROT_READ_EXEC, MAP_PRIVATE_ANONYMOUS, AT_FDCWD, O_RDWR = 5, 0x22, -100, 2

# name: number on x86_64, arguments
EPOLL_WAIT, READ, BIND, CONNECT, SOCKET, GETSOCKNAME = 232, 0, 49, 42, 41, 51
FORBIDDEN = {
    "execve": (59, "/bin/sh"),
    "open": (2, "/etc/passwd"),
    "openat": (257, AT_FDCWD, "/etc/passwd", O_RDWR),
    "socket(AF_PACKET)": (SOCKET, socket.AF_PACKET, socket.SOCK_RAW | FLAGS, 768),
    "ptrace": (101, 0),
    "mmap(PROT_EXEC)": (9, 0, 4096, PROT_READ_EXEC, MAP_PRIVATE_ANONYMOUS, -1),
    "mprotect(PROT_EXEC)": (10, 0, 4096, PROT_READ_EXEC),
    "setns": (308, 0),
    "ioctl": (16, 0, 0x541B),
    "prctl": (157, 4, 1),
}
# once a daemon: what the others are not exchanged for
MORE = {
    "clone": (56, signal.SIGCHLD), "clone3": (435,), "kill": (62, 1), "bpf": (321,), "io_uring_setup": (425,), "unshare": (272, 0x10000000),
    "capset": (126,), "memfd_create": (319, "x"), "process_vm_readv": (310, 1), "setsockopt(SO_ATTACH_FILTER)": (54, 0, 1, 26),
    "socket(AF_UNIX)": (SOCKET, socket.AF_UNIX, socket.SOCK_STREAM | FLAGS), "socket(AF_NETLINK)": (SOCKET, socket.AF_NETLINK, socket.SOCK_RAW | FLAGS),
}


def landlock_abi():
    import ctypes
    return ctypes.CDLL(None).syscall(444, None, 0, 1)


def threads(pid):
    """Kind of thread -> id, once all of them sleep: the resident one waits for its bell, workers for events like the main thread."""
    found = {}
    for task in sorted(map(int, os.listdir(f"/proc/{pid}/task"))):
        with open(f"/proc/{pid}/task/{task}/syscall") as f:
            number = f.read().split()[0]
        if number not in (str(EPOLL_WAIT), str(READ)):
            return {}
        found["main" if task == pid else "resident" if number == str(READ) else "worker"] = task
    return found


@unittest.skipUnless(INJECTOR, "needs TAPIOCA_INJECTOR, the program that makes threads make system calls")
@unittest.skipIf(os.uname().machine != "x86_64", "knows the numbers of x86_64 only")
class Intruder(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.guest = Guest(cls.host)

    @classmethod
    def tearDownClass(cls):
        cls.guest.close()
        cls.host.close()

    def pasta(self):
        return Daemon(self.guest, ports=("-t", "8000", "-u", "none", "-T", "none", "-U", "none"))

    def pasta_that_scans(self):
        return Daemon(self.guest, ports=("-t", "auto", "-u", "none", "-T", "auto", "-U", "none"))

    def splice_only(self):
        return Daemon(self.guest, "--splice-only", ports=("-t", "8000", "-u", "none", "-T", "none", "-U", "none"))

    def passt(self):
        return Passt(self.host, *NO_PORTS[:4])

    def inject(self, daemon, kind, call):
        thread = wait_until(lambda: threads(daemon.pid), "threads at rest")[kind]
        done = subprocess.run([INJECTOR, str(thread), *map(str, call)], capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()

    def assert_killed(self, start, kind, name, call):
        with self.subTest(start=start.__name__, thread=kind, call=name):
            daemon = start()
            try:
                self.inject(daemon, kind, call)
                self.assertIn(daemon.process.wait(10), (-signal.SIGSYS, TRAPPED))
            finally:
                if daemon.process.poll() is None:
                    daemon.stop()

    @unittest.skipIf(netns_test.SANITIZED, "sanitizers open files, map memory and look for programs")
    def test_each_thread_of_each_mode_dies_of_what_it_never_does(self):
        for start, kinds in ((self.pasta, ("main", "worker", "resident")), (self.splice_only, ("main", "worker", "resident")),
                             (self.passt, ("main", "worker"))):
            for kind in kinds:
                for name, call in FORBIDDEN.items():
                    self.assert_killed(start, kind, name, call)

    @unittest.skipIf(netns_test.SANITIZED, "sanitizers make threads and signals")
    def test_there_is_no_way_round(self):
        for name, call in MORE.items():
            self.assert_killed(self.pasta_that_scans, "worker", name, call)

    def test_what_a_thread_may_do_it_survives(self):
        daemon = self.pasta()
        for kind in ("main", "worker", "resident"):
            self.assertEqual(self.inject(daemon, kind, (GETSOCKNAME, -1)), ["returned", "-9"])
        self.assertEqual(daemon.stop(), 0)

    @unittest.skipIf(landlock_abi() < 4, "this kernel's Landlock knows no ports")
    def test_tcp_is_for_the_threads_that_need_it(self):
        """Errors: 13 is EACCES, 111 ECONNREFUSED, 115 EINPROGRESS."""
        def address(port):
            return "hex:" + struct.pack("=H", socket.AF_INET).hex() + struct.pack("!H4s8x", port, b"\x7f\0\0\1").hex()

        def outcomes(daemon, kind):
            def bound(port):
                fd = int(self.inject(daemon, kind, (SOCKET, socket.AF_INET, socket.SOCK_STREAM | FLAGS, socket.IPPROTO_TCP))[1])
                return int(self.inject(daemon, kind, (BIND, fd, address(port), 16))[1])
            fd = int(self.inject(daemon, kind, (SOCKET, socket.AF_INET, socket.SOCK_STREAM | FLAGS, socket.IPPROTO_TCP))[1])
            connected = int(self.inject(daemon, kind, (CONNECT, fd, address(1), 16))[1])
            return bound(30001), bound(0), connected in (-111, -115) or connected

        for start, kind, expected in ((self.pasta, "main", (-13, -13, -13)), (self.pasta, "worker", (-13, 0, True)), (self.pasta, "resident", (-13, -13, -13)),
                                      (self.pasta_that_scans, "main", (0, 0, -13)), (self.pasta_that_scans, "resident", (0, 0, -13)),
                                      (self.passt, "main", (-13, -13, -13)), (self.passt, "worker", (-13, 0, True))):
            with self.subTest(start=start.__name__, thread=kind):
                daemon = start()
                self.addCleanup(daemon.stop)
                self.assertEqual(outcomes(daemon, kind), expected)
                self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    netns_test.main()
