#!/usr/bin/env python3
"""What a daemon that serves still can do: nothing it does not need, in every one of its threads."""
import os
import pathlib
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import NO_PORTS, Daemon, Guest, NamedGuest, connected_guest, statuses
from hosts import REMOTE4, USER, SimulatedHost

WORKERS = ("--workers", "2")


class Sandbox(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.host.start_services()

    @classmethod
    def tearDownClass(cls):
        cls.host.close()

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
                                uid=uid, stdin=-1, stdout=-1)
        self.assertEqual(pasta.stdout.readline(), "ready\n")        # the command is let go when everything is sealed
        self.addCleanup(pasta.wait, 10)
        self.addCleanup(pasta.stdin.close)
        return pasta.pid

    def test_every_thread_is_without_capabilities_and_filtered(self):
        for start in (self.attached, self.in_background, self.with_command):
            for uid in (USER, None):
                with self.subTest(start=start.__name__, uid=uid):
                    threads = list(statuses(start(uid)))
                    self.assertGreaterEqual(len(threads), 3)
                    for status in threads:
                        for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
                            self.assertEqual(int(status[name], 16), 0, f"{name} of {status['Name']}")
                        self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"), status["Name"])
                        self.assertNotIn("0", status["Uid"].split())

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

    def test_there_is_no_file_to_open(self):
        for daemon in self.each_daemon():
            self.assertEqual(os.listdir(f"/proc/{daemon.pid}/root"), [])
            self.assertEqual(os.readlink(f"/proc/{daemon.pid}/cwd"), "/")

    def test_no_descriptor_leads_to_a_file_or_directory(self):
        allowed = ("socket:", "pipe:", "anon_inode:", "/dev/net/tun", "/dev/null", "/proc/", "net:", "/run/netns/", self.host.dir)
        for daemon in self.each_daemon():
            links = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{daemon.pid}/fd")]
            self.assertEqual([link for link in links if not link.startswith(allowed)], [])

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
