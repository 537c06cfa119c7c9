#!/usr/bin/env python3
"""Pings that go on: while the host's address changes, its uplink goes and comes back, and among more of them than there is room for."""
import os
import re
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import connected_guest
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, ROUTER4, SimulatedHost

NEW4, NEW6 = "192.0.2.12", "2001:db8::12"


@netns_test.needs("ping")
class Lasting(unittest.TestCase):
    def setUp(self):
        self.host = SimulatedHost()
        self.addCleanup(self.host.close)

    def guest(self, *options):
        guest, daemon = connected_guest(self.host, *options)
        self.addCleanup(daemon.stop)
        return guest, daemon

    def pings_go_on(self, guest, change, seconds=3):
        """Pings of both families survive what happens to the host: all of their last second are answered, under one identifier."""
        pings = [guest.popen("ping", "-n", "-i", "0.2", "-W", "1", address, stdout=-1, stderr=-1) for address in (REMOTE4, REMOTE6)]
        time.sleep(1)
        change()
        time.sleep(seconds)
        for ping in pings:
            ping.send_signal(2)
            shown, errors = ping.communicate(timeout=10)
            last = int(re.search(r"(\d+) packets transmitted", shown)[1])
            answered = {int(n) for n in re.findall(r"icmp_seq=(\d+) ttl", shown)}
            self.assertLessEqual(set(range(last - 5, last)), answered, shown + errors)

    def move(self):
        self.host.ip("addr", "del", f"{HOST4}/24", "dev", "eth0")
        self.host.ip("addr", "del", f"{HOST6}/64", "dev", "eth0")
        time.sleep(0.5)
        self.come_back(NEW4, NEW6)

    def come_back(self, ipv4, ipv6):
        self.host.ip("addr", "add", f"{ipv4}/24", "dev", "eth0")
        self.host.ip("addr", "add", f"{ipv6}/64", "dev", "eth0", "nodad")
        self.host.ip("route", "replace", "default", "via", ROUTER4)
        self.host.ip("-6", "route", "replace", "default", "via", "fe80::1", "dev", "eth0")

    def test_the_host_moves(self):
        guest, daemon = self.guest()
        self.pings_go_on(guest, self.move)
        self.assertEqual(daemon.counters()[0]["echo_flows_opened"], 2)

    def test_an_address_that_the_user_chose_goes_and_comes_back(self):
        guest, _ = self.guest("--outbound", HOST4, "--outbound", HOST6)

        def change():
            self.move()
            time.sleep(0.5)
            self.come_back(HOST4, HOST6)
        self.pings_go_on(guest, change)

    def test_the_uplink_that_the_user_chose_goes_and_comes_back(self):
        guest, _ = self.guest("--outbound-if4", "eth0", "--outbound-if6", "eth0")
        self.pings_go_on(guest, self.host.replace_uplink)

    def test_more_pings_than_there_is_room_for(self):
        for options in (("--max-echo-flows", "4"), ("--max-echo-flows", "4", "--workers", "2")):
            guest, daemon = self.guest(*options)
            for address in (REMOTE4, REMOTE6):
                for n in range(12):
                    shown = guest.run("ping", "-n", "-c", "1", "-W", "2", "-e", 1000 + n, address, check=False).stdout
                    self.assertIn(" 0% packet loss", shown, f"{n}")
            self.assertGreaterEqual(daemon.counters()[0]["echo_flows_displaced"], 20)
            daemon.stop()
            guest.close()


if __name__ == "__main__":
    netns_test.main()
