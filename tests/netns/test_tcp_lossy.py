#!/usr/bin/env python3
"""TCP over an uplink with 20 ms delay, 1 % loss and 2 % reordering: everything arrives, and the guest's own TCP notices nothing."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import connected_guest, without_timeouts
from hosts import REMOTE4, REMOTE6, SimulatedHost, run

MIB = 1 << 20
LINK = ("--delay", 10, "--loss", 1, "--reorder", 2)     # each way, so 20 ms are added to the round trip


def available(congestion_control):
    with open("/proc/sys/net/ipv4/tcp_available_congestion_control") as f:
        return congestion_control in f.read().split()


@unittest.skipUnless(os.environ.get("TAPIOCA_EMULATOR"), "needs TAPIOCA_EMULATOR, the built link emulator")
class LossyUplink(unittest.TestCase):
    def carry(self, congestion_control, length, address):
        if not available(congestion_control):
            self.skipTest(f"this kernel has no {congestion_control}")
        host = SimulatedHost(emulator=LINK)
        self.addCleanup(host.close)
        for name in (host.name, host.remote):       # by route: a namespace may not choose every algorithm for itself
            for prefix in ("192.0.2.0/24", "2001:db8::/64"):
                run("ip", "-n", name, "route", "replace", prefix, "dev", "eth0", "congctl", congestion_control)
        host.start_services()
        guest, daemon = connected_guest(host)
        for direction in ("upload", "download"):
            def exchange():
                done = guest.client(direction, address, length, timeout=300)
                print(f"{congestion_control} {direction}: {done['seconds']:.1f} s, {done['mbit']:.1f} Mbit/s")
                self.assertTrue(done["equal"])
            with self.subTest(direction=direction):
                without_timeouts(self, guest, exchange)
        self.assertEqual(daemon.stop(), 0)

    def test_16_mib_with_cubic(self):
        self.carry("cubic", 16 * MIB, REMOTE4)

    def test_256_mib_with_bbr(self):
        self.carry("bbr", 256 * MIB, REMOTE6)


if __name__ == "__main__":
    netns_test.main()
