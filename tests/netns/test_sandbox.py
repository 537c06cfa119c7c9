#!/usr/bin/env python3
"""What a daemon that serves still can do: nothing it does not need, in every one of its threads."""
import os
import pathlib
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import Daemon, Guest, connected_guest
from hosts import REMOTE4, REMOTE6, SimulatedHost


class Sandbox(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.host.start_services()

    @classmethod
    def tearDownClass(cls):
        cls.host.close()

    def for_each_daemon(self, check):
        """Daemons of both kinds, which have carried something."""
        for uid, options in ((10001, ("--workers", "2")), (None, ())):
            with self.subTest(uid=uid):
                guest, daemon = connected_guest(self.host, *options, uid=10001) if uid else self.root_daemon()
                self.addCleanup(guest.close)
                self.assertTrue(guest.client("download", REMOTE4, 1000000)["equal"])
                check(daemon)
                self.assertEqual(daemon.stop(), 0)

    def root_daemon(self):
        guest = Guest(self.host)
        return guest, Daemon(guest, "--runas", "10001:10001", uid=None)

    def statuses(self, daemon):
        for task in pathlib.Path(f"/proc/{daemon.pid}/task").iterdir():
            yield dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)

    def test_every_thread_is_without_capabilities_and_filtered(self):
        def check(daemon):
            for status in self.statuses(daemon):
                for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
                    self.assertEqual(int(status[name], 16), 0, f"{name} of {status['Name']}")
                self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"), status["Name"])
        self.for_each_daemon(check)

    def test_there_is_no_file_to_open(self):
        def check(daemon):
            self.assertEqual(os.listdir(f"/proc/{daemon.pid}/root"), [])
            self.assertEqual(os.readlink(f"/proc/{daemon.pid}/cwd"), "/")
        self.for_each_daemon(check)

    def test_no_descriptor_leads_to_a_file_or_directory(self):
        allowed = ("socket:", "pipe:", "anon_inode:", "/dev/net/tun", "/dev/null", "/proc/", "net:", "/run/netns/", self.host.dir)

        def check(daemon):
            links = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{daemon.pid}/fd")]
            self.assertEqual([link for link in links if not link.startswith(allowed)], [])
        self.for_each_daemon(check)

    def test_nobody_may_look_into_it_or_dump_it(self):
        if netns_test.sanitized():
            self.skipTest("a sanitizer wants to look into it")

        def check(daemon):
            self.assertEqual(os.stat(f"/proc/{daemon.pid}/mem").st_uid, 0)       # not dumpable: its files in /proc belong to root
        self.for_each_daemon(check)

    def test_nothing_is_mapped_after_the_start(self):
        if netns_test.sanitized():
            self.skipTest("a sanitizer maps memory of its own")
        guest, daemon = connected_guest(self.host, "--workers", "2")

        def mapped():
            return [line.split()[0] for line in pathlib.Path(f"/proc/{daemon.pid}/maps").read_text().splitlines()]
        before = mapped()
        for direction in ("down", "up"):
            self.assertEqual(guest.client("parallel", REMOTE4, 200, 1 << 20, direction)["done"], 200)
        guest.client("udp-flows", REMOTE6, 200)
        guest.run("ping", "-c", "1", "-s", "20000", REMOTE4)
        self.assertEqual(mapped(), before)
        self.assertEqual(daemon.stop(), 0)
        guest.close()

    def test_it_is_small_when_idle(self):
        if netns_test.sanitized():
            self.skipTest("a sanitizer maps memory of its own")
        guest, daemon = connected_guest(self.host)
        resident = next(int(status["VmRSS"].split()[0]) for status in self.statuses(daemon))
        print(f"resident when idle: {resident} KiB")
        self.assertLess(resident, 5 * 1024)
        self.assertEqual(daemon.stop(), 0)
        guest.close()


if __name__ == "__main__":
    netns_test.main()
