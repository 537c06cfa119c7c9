#!/usr/bin/env python3
"""Starts in surroundings that are not the usual ones: nobody reads what is said, interfaces have other names."""
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
import qrap_world
from guests import NO_PORTS, OnServingHost, OnSimulatedHost
from hosts import HOST4, HOST6, PYTHON, REMOTE4, REMOTE6, USER, wait_until
from inside import host_place
from passt import Passt

SIGNALS = "grep -E '^Sig(Blk|Ign):' /proc/self/status"


@contextlib.contextmanager
def unread():
    """A pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        yield writer
    finally:
        os.close(writer)


class BusyPorts(OnSimulatedHost, unittest.TestCase):
    """Podman waits for no pasta: that of a container which starts again may be ending while the next one starts."""

    def start(self, option):
        return self.host.run(self.host.binary(), "--config-net", *NO_PORTS, option, "8000", "--", "true", uid=USER, check=False)

    def test_one_that_becomes_free_is_had(self):
        for option, kind in (("-t", socket.SOCK_STREAM), ("-u", socket.SOCK_DGRAM)):
            for address in ("", HOST4, HOST6):
                with self.subTest(option=option, address=address):
                    holder = host_place(self.host).bound(address, 8000, kind)
                    release = threading.Timer(0.15, holder.close)
                    release.start()
                    done = self.start(option)
                    release.join()
                    self.assertEqual(done.returncode, 0, done.stderr)

    def test_one_that_stays_busy_ends_the_start(self):
        with host_place(self.host).bound("", 8000):
            done = self.start("-t")
        self.assertEqual(done.returncode, 1)
        self.assertIn("Listen failed for HOST TCP port */8000: Address already in use; another socket has it", done.stderr)


class NobodyReads(OnSimulatedHost, unittest.TestCase):
    """Standard error, or output, is a pipe whose other end is closed: no message is worth the service."""

    def run_unread(self, *argv, stdout=subprocess.PIPE, program="pasta"):
        with unread() as pipe:
            return subprocess.run(self.host.argv([self.host.binary(program), *argv], USER), stdout=stdout, stderr=pipe, text=True, timeout=60,
                                  env=self.host.environment(), cwd=self.host.dir)

    def test_a_command_runs_and_has_signals_as_nobody_had_touched_them(self):
        done = self.run_unread("-d", "--config-net", *NO_PORTS, "--", "sh", "-c", SIGNALS)
        self.assertEqual(done.returncode, 0)
        self.assertEqual({int(line.split()[1], 16) for line in done.stdout.splitlines()}, {0}, done.stdout)

    def test_pasta_and_passt_come_up_in_the_background(self):
        guest = self.guest()
        for program, target in (("pasta", ["--config-net", *NO_PORTS, guest.pid]), ("passt", ["-s", f"{self.host.dir}/unread.socket"])):
            with self.subTest(program=program):
                path = f"{self.host.dir}/unread-{program}.pid"
                self.assertEqual(self.run_unread("-d", "--pid", path, *target, program=program).returncode, 0)
                pid = int(pathlib.Path(path).read_text())
                self.assertTrue(os.path.exists(f"/proc/{pid}"))
                os.kill(pid, signal.SIGTERM)
                wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "end of the daemon")

    def test_what_ends_the_start_is_an_exit_status_and_no_signal(self):
        for words in (("--nosuch",), ("-t", "x"), ("--netns", "/nonexistent"), ("--config-net", "--", "/nonexistent/command"),
                      ("--config-net", "-d", "-t", "1", "--", "true")):
            with self.subTest(words=words):
                self.assertEqual(self.run_unread(*words).returncode, 1)

    def test_help_that_nobody_reads_is_no_failure(self):
        with unread() as pipe:
            for program in ("pasta", "passt"):
                self.assertEqual(self.run_unread("--help", program=program, stdout=pipe).returncode, 0)

    def test_qrap_goes_on_and_its_command_has_signals_as_nobody_had_touched_them(self):
        world = qrap_world.World()
        self.addCleanup(world.close)
        server = world.server("unread.socket", qrap_world.speak_first)
        with unread() as pipe:
            done = subprocess.run([world.tmp / "qrap", "5", "sh", "-c", SIGNALS], stdout=subprocess.PIPE, stderr=pipe, text=True, timeout=60,
                                  env={**os.environ, "PASST_SOCKET": str(server.path)})
            self.assertEqual((done.returncode, {int(line.split()[1], 16) for line in done.stdout.splitlines()}), (0, {0}), done.stdout)
            done = subprocess.run([world.tmp / "qrap", "-nic", "none"], stdout=subprocess.PIPE, stderr=pipe, timeout=60,
                                  env={"PATH": "/nonexistent", "PASST_SOCKET": "/nonexistent"})
            self.assertEqual(done.returncode, 1)


# Runs a program below a filter that answers with EPERM: clone3(2), as container engines that know nothing of it do; with "threads" also
# clone(2) for a thread.
WITHOUT_CLONE3 = """
import ctypes, errno, os, platform, struct, sys
clone = {"x86_64": 56, "aarch64": 220}[platform.machine()]
LOAD, IF_EQUAL, IF_SET, RETURN, ALLOW, ERRNO = 0x20, 0x15, 0x45, 0x06, 0x7fff0000, 0x00050000
program = [(LOAD, 0, 0, 0), (IF_EQUAL, 0, 1, 435), (RETURN, 0, 0, ERRNO | errno.EPERM)]
if sys.argv[1] == "threads":
    program += [(IF_EQUAL, 0, 3, clone), (LOAD, 0, 0, 16), (IF_SET, 0, 1, 0x10000), (RETURN, 0, 0, ERRNO | errno.EPERM)]
program += [(RETURN, 0, 0, ALLOW)]
octets = b"".join(struct.pack("HBBI", *step) for step in program)
steps = ctypes.create_string_buffer(octets, len(octets))
whole = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(steps)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, whole):      # no new privileges; the filter
    sys.exit(os.strerror(ctypes.get_errno()))
os.execv(sys.argv[2], sys.argv[2:])
"""


class Threads(OnSimulatedHost, unittest.TestCase):
    def start(self, *argv, refused="clone3", program="pasta", check=True):
        return self.host.run(PYTHON, "-c", WITHOUT_CLONE3, refused, self.host.binary(program), *argv, uid=USER, check=check)

    def test_they_start_below_a_filter_that_does_not_permit_clone3(self):
        """glibc falls back to clone only if the call does not exist."""
        ways = ("--config-net", *NO_PORTS), ("--config-net",), ("--workers", "2", "-t", "20000-20999", "-u", "none")
        for options in ways:
            with self.subTest(options=options):
                self.assertEqual(self.start(*options, "--", "echo", "started").stdout, "started\n")
        guest = self.guest()
        for program, options in (("pasta", ("--config-net", *NO_PORTS, guest.pid)), ("passt", ("-t", "20000-20999", "-s", f"{self.host.dir}/threads.socket"))):
            with self.subTest(program=program):
                path = f"{self.host.dir}/threads-{program}.pid"
                self.start("-q", "--pid", path, *options, program=program)
                pid = int(pathlib.Path(path).read_text())
                os.kill(pid, signal.SIGTERM)
                wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "end of the daemon")

    def test_the_command_has_the_callers_filter_and_no_other(self):
        ask = "grep ^Seccomp_filters: /proc/self/status"
        self.assertEqual(self.start("--", "sh", "-c", ask).stdout.split(), ["Seccomp_filters:", "1"])

    def test_without_any_thread_the_reason_is_given(self):
        done = self.start("--config-net", *NO_PORTS, "--", "true", refused="threads", check=False)
        self.assertEqual((done.returncode, done.stderr), (1, "Couldn't start a thread: Operation not permitted; a filter of system calls, perhaps a container's, must allow "
                                                             "clone(2) with CLONE_THREAD\n"))


class Interfaces(OnServingHost, unittest.TestCase):
    """Interfaces by other names than their own, and the loopback in the place of one."""
    SHORT, LONG = "enp0s31f6", "enx-a-name-that-no-interface-has-as-its-own"
    GIVEN = "-a", "10.0.2.15", "-n", "24", "-g", "10.0.2.2", "-a", "fd00::15", "-g", "fe80::1", "--no-map-gw"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in (cls.SHORT, cls.LONG):
            cls.host.ip("link", "property", "add", "dev", "eth0", "altname", name)

    def inside(self, *options, script):
        done = self.host.run(self.host.binary(), "--config-net", *options, "--", "sh", "-c", script, uid=USER, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def reach(self, address, port=19):
        """A script that loads some octets from the remote."""
        return f"{PYTHON} {self.host.dir}/client.py download {address} 1000 {port}"

    def test_the_template_may_be_named_by_an_alternative_name(self):
        for name in (self.SHORT, self.LONG):
            with self.subTest(name=name):
                shown = self.inside("-i", name, *NO_PORTS, script="ip addr show dev eth0; ip route; ip -6 route")
                for expected in (f"inet {HOST4}/24", f"inet6 {HOST6}/64", "default via 192.0.2.1 dev eth0", "default via fe80::1 dev eth0"):
                    self.assertIn(expected, shown)

    def test_outbound_interfaces_may_be_named_by_an_alternative_name(self):
        for name in (self.SHORT, self.LONG):
            with self.subTest(name=name):
                self.inside("--outbound-if4", name, "--outbound-if6", name, *NO_PORTS, script=f"{self.reach(REMOTE4)} && {self.reach(REMOTE6)}")

    def test_ports_may_be_bound_to_an_alternative_name(self):
        for name in (self.SHORT, self.LONG):
            for spec, shown in ((f"%{name}/8080", "[*]%eth0"), (f"{HOST4}%{name}/8080:80,8090", f"[{HOST4}]%eth0"), (f"[{HOST6}]%{name}/8080", f"[{HOST6}]%eth0")):
                with self.subTest(spec=spec):
                    done = self.host.run(self.host.binary(), "-d", "-t", spec, "-u", spec, *NO_PORTS[4:], "--", "true", uid=USER, check=False)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertIn(shown, done.stderr)

    def test_passt_knows_them_too(self):
        for name in (self.SHORT, self.LONG):
            with self.subTest(name=name):
                daemon = Passt(self.host, "-i", name, "--outbound-if4", name, "-t", f"%{name}/8081")
                self.assertIn("Template interface: eth0 (IPv4), eth0 (IPv6)", daemon.log())
                self.assertEqual(daemon.stop(), 0)

    def test_a_template_that_is_the_loopback_does_not_name_the_interface(self):
        """With all addresses given some callers name lo, to be independent of the host's network."""
        for options, own in ((("-i", "lo", *self.GIVEN), "tap0"), (("-i", "lo", "-I", "eth7", *self.GIVEN), "eth7"), (("-i", "lo"), "tap0"),
                             (("--outbound-if4", "lo"), "eth0"), (("--outbound-if4", "lo", "--outbound-if6", "lo"), "tap0")):
            with self.subTest(options=options):
                self.assertIn(f"{own}: ", self.inside(*options, *NO_PORTS, script="ip -o link show up"))
        for address in (REMOTE4, REMOTE6):
            self.inside("-i", "lo", *self.GIVEN, *NO_PORTS, script=self.reach(address))

    def test_connections_that_leave_by_the_loopback_reach_the_host_alone(self):
        self.assertIn("error", self.inside("--outbound-if4", "lo", *self.GIVEN, *NO_PORTS, script=f"{PYTHON} {self.host.dir}/client.py connect {REMOTE4} 80 3"))


if __name__ == "__main__":
    netns_test.main()
