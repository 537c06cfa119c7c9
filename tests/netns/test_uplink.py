#!/usr/bin/env python3
"""Uploads through a slow uplink: a guest fills it as well as the host itself does, and its own TCP never runs into a timeout."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import connected_guest, without_timeouts
from hosts import PYTHON, REMOTE4, SimulatedHost, run

RATE = 200                  # Mbit/s: slow enough that the machine's own speed does not matter
LENGTH = 48 << 20
SHAPE = ("root", "tbf", "rate", f"{RATE}mbit", "burst", "128k", "latency", "20ms")


@netns_test.needs("tc")
class SlowUplink(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        if run("tc", "-n", cls.host.name, "qdisc", "add", "dev", "eth0", *SHAPE, check=False).returncode:
            cls.host.close()
            raise unittest.SkipTest("this kernel has no token bucket filter")
        cls.host.start_services()

    @classmethod
    def tearDownClass(cls):
        cls.host.close()

    def rate_of_the_host(self):
        done = self.host.run(PYTHON, f"{self.host.dir}/client.py", "upload", REMOTE4, LENGTH)
        return json.loads(done.stdout)["mbit"]

    def test_a_guest_fills_it_as_the_host_does(self):
        for congestion_control in ("cubic", "bbr"):
            with open("/proc/sys/net/ipv4/tcp_available_congestion_control") as f:
                if congestion_control not in f.read().split():
                    print(f"skipped: this kernel has no {congestion_control}")
                    continue
            self.host.ip("route", "replace", "192.0.2.0/24", "dev", "eth0", "congctl", congestion_control)
            own = self.rate_of_the_host()
            for mtu in (1500, 65520):
                with self.subTest(congestion_control=congestion_control, mtu=mtu):
                    guest, daemon = connected_guest(self.host, "-m", mtu)

                    def exchange():
                        rate = guest.client("upload", REMOTE4, LENGTH)["mbit"]
                        print(f"{congestion_control}, MTU {mtu}: {rate:.0f} Mbit/s of the host's {own:.0f}")
                        self.assertGreater(rate, 0.9 * own)
                    without_timeouts(self, guest, exchange)
                    self.assertEqual(daemon.stop(), 0)
                    guest.close()


if __name__ == "__main__":
    netns_test.main()
