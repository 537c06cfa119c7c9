#!/usr/bin/env python3
"""Addresses by which a guest reaches the host itself: the gateway's, one of its own choice, the one that both have in common."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import connected_guest
from hosts import HOST4, HOST6, ROUTER4, SimulatedHost

GATEWAY6 = "fe80::1%eth0"
FREE4, FREE6 = "192.0.2.200", "2001:db8::200"


class Mapping(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.host.start_services()
        cls.host.start_services(here=True)

    @classmethod
    def tearDownClass(cls):
        cls.host.close()

    def start(self, *options):
        guest, daemon = connected_guest(self.host, *options)
        self.addCleanup(guest.close)
        self.addCleanup(lambda: self.assertEqual(daemon.stop(), 0))
        return guest

    def assert_seen_as(self, guest, address, source):
        """A server behind `address` takes the guest for `source`; TCP gets through, too."""
        self.assertEqual(guest.client("udp-seen", address)["address"], source)
        self.assertTrue(guest.client("download", address, 1000000)["equal"])

    def test_the_gateway_is_the_hosts_loopback(self):
        guest = self.start()
        self.assert_seen_as(guest, ROUTER4, "127.0.0.1")
        self.assert_seen_as(guest, GATEWAY6, "::1")

    def test_without_that_the_gateway_is_the_router(self):
        guest = self.start("--no-map-gw")
        self.assert_seen_as(guest, ROUTER4, HOST4)

    def test_another_address_for_the_hosts_loopback(self):
        guest = self.start("--map-host-loopback", FREE4, "--map-host-loopback", FREE6)
        self.assert_seen_as(guest, FREE4, "127.0.0.1")
        self.assert_seen_as(guest, FREE6, "::1")
        self.assert_seen_as(guest, ROUTER4, HOST4)

    def test_an_address_for_the_hosts_own_copy_of_the_guests(self):
        guest = self.start("--map-guest-addr", FREE4, "--map-guest-addr", FREE6)
        self.assert_seen_as(guest, FREE4, HOST4)
        self.assert_seen_as(guest, FREE6, HOST6)

    def test_echo_through_every_mapping(self):
        guest = self.start("--map-guest-addr", FREE4, "--map-guest-addr", FREE6)
        for address in (ROUTER4, GATEWAY6, FREE4, FREE6):
            with self.subTest(address=address):
                self.assertIn(" 0% packet loss", guest.run("ping", "-n", "-c", "2", "-i", "0.2", "-W", "2", address, check=False).stdout)


if __name__ == "__main__":
    netns_test.main()
