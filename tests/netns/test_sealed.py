#!/usr/bin/env python3
"""What a daemon does not do once it serves: allocate or map memory for traffic, or wake without a reason."""
import os
import pathlib
import shutil
import struct
import sys
import time
import unittest
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import OnServingHost, connected_guest, statuses
from hosts import REMOTE4, REMOTE6

MIB = 1 << 20


def mappings(pid):
    """Every mapping of a process by where it begins: its size and its name."""
    found = {}
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        bounds, _, name = line.partition(" ")
        first, last = (int(bound, 16) for bound in bounds.split("-"))
        found[first] = (last - first, name)
    return found


def wake_ups(pid):
    """How often each thread has gone to sleep so far."""
    return {status["Pid"]: int(status["voluntary_ctxt_switches"]) for status in statuses(pid)}


class Sealed(OnServingHost, unittest.TestCase):
    def connected(self, *options):
        guest, daemon = connected_guest(self.host, *options)
        self.addCleanup(guest.close)
        self.addCleanup(daemon.stop)
        return guest, daemon

    def traffic(self, guest):
        """Something of everything, and a lot of it."""
        for address in (REMOTE4, REMOTE6):
            for direction in ("download", "upload"):
                self.assertTrue(guest.client(direction, address, 64 * MIB)["equal"])
            guest.client("parallel", address, 200, MIB // 4, "down")
            guest.client("parallel", address, 200, MIB // 4, "up")
            guest.client("udp", address, 7, 1, 1400, 9000, 65000)
            guest.client("udp-flows", address, 500)
            guest.client("udp-refused", address, 9)
            guest.client("connect", address, 1)
            guest.run("ping", "-n", "-q", "-c", "100", "-i", "0.002", "-s", "2000", address)

    @unittest.skipIf(netns_test.SANITIZED, "sanitizers map memory as they like")
    def test_traffic_maps_nothing(self):
        for options in ((), ("--workers", "2"), ("-d",), ("--workers", "2", "-d")):
            with self.subTest(options=options):
                guest, daemon = self.connected(*options)
                before = mappings(daemon.pid)
                self.traffic(guest)
                daemon.counters()
                self.assertEqual(mappings(daemon.pid), before)
                self.assertEqual(daemon.stop(), 0)

    @unittest.skipUnless(os.environ.get("TAPIOCA_COUNT_ALLOCATIONS"), "needs TAPIOCA_COUNT_ALLOCATIONS, the built library that counts")
    def test_workers_allocate_nothing(self):
        library, counts = f"{self.host.dir}/count_allocations.so", pathlib.Path(f"{self.host.dir}/allocations")
        shutil.copy(os.environ["TAPIOCA_COUNT_ALLOCATIONS"], library)
        counts.write_bytes(bytes(16))
        counts.chmod(0o666)
        environment = {**self.host.environment(), "LD_PRELOAD": library, "TAPIOCA_ALLOCATIONS": str(counts)}
        with unittest.mock.patch.object(self.host, "environment", lambda: environment):
            guest, daemon = self.connected("--workers", "2", "-d")
        main, others = struct.unpack("QQ", counts.read_bytes())
        self.assertGreater(main, 100)
        self.traffic(guest)
        self.assertEqual(daemon.stop(), 0)
        after = struct.unpack("QQ", counts.read_bytes())
        print(f"allocations of the main thread: {main} to start, {after[0] - main} to serve and to tell of it")
        self.assertEqual(after[1], others)

    @unittest.skipIf(netns_test.SANITIZED, "sanitizers have a thread of their own that wakes")
    def test_an_idle_daemon_never_wakes(self):
        """The guest's kernel speaks by itself for a while, so any three seconds of silence in thirty will do."""
        for options in ((), ("--workers", "2"), ("-d",)):
            with self.subTest(options=options):
                guest, daemon = self.connected(*options)
                guest.client("download", REMOTE4, MIB)
                end = time.monotonic() + 30
                before = {}
                while (now := wake_ups(daemon.pid)) != before:
                    self.assertLess(time.monotonic(), end, f"wakes all the time: {before}, then {now}")
                    before = now
                    time.sleep(3)
                self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    netns_test.main()
