#!/usr/bin/env python3
"""ping of both families from a guest: sizes, equal identifiers, times to live, addresses that do not answer."""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import connected_guest
from hosts import FAR4, FAR6, REMOTE4, REMOTE6, ROUTER4, UNREACHABLE4, UNREACHABLE6, SimulatedHost, run


@netns_test.needs("ping")
class Icmp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.guest, cls.daemon = connected_guest(cls.host)

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.host.close()

    def ping(self, address, *options):
        return self.guest.run("ping", "-n", "-c", "3", "-i", "0.2", "-W", "2", *options, address, check=False)

    def assert_answered(self, done):
        self.assertIn(" 0% packet loss", done.stdout, done.stderr)
        self.assertNotIn("DUP!", done.stdout)

    def test_both_families_in_every_size(self):
        for address in (REMOTE4, REMOTE6):
            for size in (0, 56, 1452, 1472, 1473, 65000):
                with self.subTest(address=address, size=size):
                    self.assert_answered(self.ping(address, "-s", size))

    def test_the_size_of_a_small_mtu(self):
        guest, daemon = connected_guest(self.host, "-m", 1500)
        for address in (REMOTE4, REMOTE6):
            for size in (1472, 1473, 65000):
                with self.subTest(address=address, size=size):
                    done = guest.run("ping", "-n", "-c", "2", "-i", "0.2", "-W", "2", "-s", size, address, check=False)
                    self.assert_answered(done)
        daemon.stop()
        guest.close()

    def test_the_gateway_is_the_host(self):
        self.assert_answered(self.ping(ROUTER4))

    def test_the_host_itself_answers_in_both_families_and_every_size(self):
        route6 = self.guest.run("ip", "-6", "route", "show", "default").stdout.split()    # default via ADDRESS dev NAME ...
        for address in (ROUTER4, f"{route6[2]}%{route6[4]}"):
            for size in (0, 56, 1473, 65000):
                with self.subTest(address=address, size=size):
                    self.assert_answered(self.ping(address, "-s", size))

    def test_two_with_the_same_identifier(self):
        # both may see the answers to the other, as raw sockets do; what counts is that each gets all of its own
        pings = {address: self.guest.popen("ping", "-n", "-e", "77", "-c", "6", "-i", "0.2", "-W", "2", address, stdout=-1)
                 for address in (REMOTE4, FAR4)}
        for address, process in pings.items():
            shown = process.communicate(timeout=20)[0]
            answered = set(re.findall(rf"bytes from {re.escape(address)}: icmp_seq=(\d+)", shown))
            self.assertGreaterEqual(answered, {"1", "2", "3"}, shown)

    def test_a_time_to_live_that_expires_on_the_way(self):
        for address, router in ((FAR4, "192.0.2.1"), (FAR6, "2001:db8::")):
            with self.subTest(address=address):
                shown = self.ping(address, "-t", "1").stdout
                self.assertRegex(shown, f"From {re.escape(router)}.*(Time to live exceeded|Time exceeded: Hop limit)")

    def test_a_destination_without_a_route_is_reported(self):
        for address in (UNREACHABLE4, UNREACHABLE6):
            with self.subTest(address=address):
                self.assertIn("nreachable", self.ping(address).stdout)

    def test_a_host_that_forbids_pings_is_explained(self):
        host = SimulatedHost()
        self.addCleanup(host.close)
        run("ip", "netns", "exec", host.name, "sysctl", "-qw", "net.ipv4.ping_group_range=1 0")
        guest, daemon = connected_guest(host)
        guest.run("ping", "-c", "1", "-W", "1", REMOTE4, check=False)
        self.assertIn("ping_group_range", daemon.log())
        shown = guest.run("ping", "-n", "-c", "1", "-W", "2", ROUTER4, check=False)    # the host's loopback needs no socket
        self.assertIn(" 0% packet loss", shown.stdout)
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    netns_test.main()
