#!/usr/bin/env python3
"""UDP from a guest: every size, many flows, errors, source ports, what travels in the header, traceroute, the path's MTU."""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import connected_guest
from hosts import FAR4, FAR6, HOST4, HOST6, PYTHON, REMOTE4, REMOTE6, SimulatedHost, run

SIZES = [1, 1400, 1472, 1473, 9000, 65492, 65507]       # 65507 is all that IPv4 can carry; IPv6 has 20 octets more
# holds a port that the kernel would not choose for anybody else
HOLD = """import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(("::", int(sys.argv[1]))); print("ready", flush=True); sys.stdin.read()"""


class Udp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.host.start_services()
        cls.guest, cls.daemon = connected_guest(cls.host, "-m", 1500)

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.host.close()

    def tearDown(self):
        self.assertIsNone(self.daemon.process.poll(), f"the daemon ended: {self.daemon.log()}")

    def test_every_size_comes_back_at_mtu_1500(self):
        for address in (REMOTE4, REMOTE6):
            with self.subTest(address=address):
                self.assertEqual(self.guest.client("udp", address, 7, *SIZES)["echoed"], SIZES)

    def test_every_size_comes_back_at_mtu_65520(self):
        guest, daemon = connected_guest(self.host, "-m", 65520)
        for address in (REMOTE4, REMOTE6):
            with self.subTest(address=address):
                self.assertEqual(guest.client("udp", address, 7, *SIZES)["echoed"], SIZES)
        daemon.stop()
        guest.close()

    def test_500_flows_keep_their_datagrams_apart(self):
        for address in (REMOTE4, REMOTE6):
            with self.subTest(address=address):
                self.assertEqual(self.guest.client("udp-flows", address, 500)["right"], 1500)

    def test_a_closed_port_is_refused(self):
        for address in (REMOTE4, REMOTE6):
            with self.subTest(address=address):
                self.assertEqual(self.guest.client("udp-refused", address, 9)["error"], "ECONNREFUSED")

    def test_source_port_is_kept_where_it_is_free(self):
        for address, host in ((REMOTE4, HOST4), (REMOTE6, HOST6)):
            with self.subTest(address=address):
                seen = self.guest.client("udp-seen", address, "--port", 20123)
                self.assertEqual((seen["port"], seen["address"]), (20123, host))

    def test_privileged_and_busy_source_ports_work_with_another_port(self):
        holder = self.host.popen(PYTHON, "-c", HOLD, 20555, stdin=-1, stdout=-1)
        self.assertEqual(holder.stdout.readline(), "ready\n")
        for address in (REMOTE4, REMOTE6):
            for port in (123, 20555):
                with self.subTest(address=address, port=port):
                    self.assertGreaterEqual(self.guest.client("udp-seen", address, "--port", port)["port"], 1024)

    def test_time_to_live_and_type_of_service_travel(self):
        for address in (REMOTE4, REMOTE6):
            with self.subTest(address=address):
                seen = self.guest.client("udp-seen", address, "--ttl", 33, "--tos", 0x28)
                self.assertEqual((seen["ttl"], seen["tos"]), (33, 0x28))

    @netns_test.needs("traceroute")
    def test_traceroute_sees_each_hop(self):
        for address, router in ((FAR4, "192.0.2.1"), (FAR6, "2001:db8::")):
            with self.subTest(address=address):
                shown = self.guest.run("traceroute", "-U", "-n", "-q", "1", "-w", "2", "-m", "5", address).stdout
                hops = re.findall(r"^ *\d+ +(\S+)", shown, re.M)
                self.assertEqual(len(hops), 2, shown)
                self.assertTrue(hops[0].startswith(router), shown)
                self.assertEqual(hops[1], address, shown)

    def test_the_paths_mtu_reaches_a_sender_that_forbids_fragments(self):
        for name, device in ((self.host.remote, "far0"), (self.host.far, "eth0")):
            run("ip", "-n", name, "link", "set", device, "mtu", "1300")
        for address in (FAR4, FAR6):
            with self.subTest(address=address):
                self.assertEqual(self.guest.client("udp-mtu", address, 1400)["mtu"], 1300)


if __name__ == "__main__":
    netns_test.main()
