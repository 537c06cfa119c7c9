#!/usr/bin/env python3
"""Hosts with an unusual network: start-up never fails because of them, and what can work does."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import connected_guest
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, SimulatedHost


class UnusualHosts(unittest.TestCase):
    def start(self, prepare=None, **options):
        self.host = SimulatedHost(**options)
        self.addCleanup(self.host.close)
        if prepare:
            prepare(self.host)
        self.host.start_services()
        self.guest, self.daemon = connected_guest(self.host)
        self.addCleanup(lambda: self.assertEqual(self.daemon.stop(), 0))
        return self.guest.run("ip", "addr").stdout, self.guest.run("ip", "route").stdout + self.guest.run("ip", "-6", "route").stdout

    def assert_connected(self, *addresses):
        for address in addresses:
            self.assertTrue(self.guest.client("download", address, 100000)["equal"], address)

    def test_without_any_route_local_mode_reaches_the_host(self):
        addresses, routes = self.start(routes=False, ipv4=False, ipv6=False)
        self.assertIn("inet 169.254.2.1/16", addresses)
        self.assertIn("default via 169.254.2.2", routes)
        self.assertIn("default via fe80::1", routes)
        self.host.start_services(here=True)
        self.assert_connected("169.254.2.2")

    def test_with_ipv4_only(self):
        addresses, routes = self.start(ipv6=False)
        self.assertIn(f"inet {HOST4}/24", addresses)
        self.assertIn("default via fe80::1", routes)
        self.assert_connected(REMOTE4)

    def test_with_ipv6_only(self):
        addresses, routes = self.start(ipv4=False)
        self.assertIn(f"inet6 {HOST6}/64", addresses)
        self.assertIn("default via 169.254.2.2", routes)
        self.assert_connected(REMOTE6)

    def test_with_a_gateway_outside_the_subnet(self):
        def prepare(host):
            host.ip("addr", "flush", "dev", "eth0")
            host.ip("addr", "add", HOST4 + "/32", "dev", "eth0")
            host.ip("route", "add", "192.0.2.1", "dev", "eth0")
            host.ip("route", "add", "default", "via", "192.0.2.1")
        addresses, routes = self.start(prepare)
        self.assertIn(f"inet {HOST4}/32", addresses)
        self.assertIn("default via 192.0.2.1 dev eth0", routes)
        self.assert_connected(REMOTE4)

    def test_with_an_on_link_gateway(self):
        def prepare(host):
            host.ip("route", "replace", "default", "via", "198.18.0.1", "dev", "eth0", "onlink")
            host.ip("route", "add", REMOTE4, "dev", "eth0")
        _, routes = self.start(prepare)
        self.assertIn("default via 198.18.0.1 dev eth0 onlink", routes)
        self.assert_connected(REMOTE4)

    def test_with_several_default_routes(self):
        def prepare(host):
            host.ip("link", "add", "eth1", "type", "veth", "peer", "name", "eth1x")
            host.ip("link", "set", "eth1x", "up")
            host.ip("link", "set", "eth1", "up")
            host.ip("addr", "add", "198.18.1.2/24", "dev", "eth1")
            host.ip("route", "add", "default", "via", "198.18.1.1", "metric", "500")
        addresses, routes = self.start(prepare)
        self.assertIn(f"inet {HOST4}/24", addresses)
        self.assertIn("default via 192.0.2.1 dev eth0", routes)
        self.assert_connected(REMOTE4, REMOTE6)

    def test_with_a_multipath_default_route(self):
        def prepare(host):
            host.ip("route", "replace", "default", "nexthop", "via", "192.0.2.1", "weight", "2", "nexthop", "via", "192.0.2.254", "weight", "1")
        _, routes = self.start(prepare)
        self.assertIn("192.0.2.1", routes)
        self.assert_connected(REMOTE4, REMOTE6)

    def test_with_many_routes(self):
        def prepare(host):
            for i in range(300):
                host.ip("route", "add", f"198.19.{i // 250}.{i % 250}/32", "via", "192.0.2.1")
        _, routes = self.start(prepare)
        self.assertIn("198.19.1.49 via 192.0.2.1", routes)
        self.assert_connected(REMOTE4)


if __name__ == "__main__":
    netns_test.main()
