#!/usr/bin/env python3
"""Datagrams from outside: where answers come from, ports that only the listening socket can use, groups, errors both ways."""
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import connected_guest
from hosts import HOST4, HOST6, PYTHON, REMOTE4, REMOTE6, SimulatedHost, run, wait_until

PORT, LOW_PORT, CLOSED_PORT, LATE_PORT, LATE_LOW_PORT = 8001, 500, 8002, 8003, 501
PORTS = ("-t", "none", "-u", ",".join(map(str, (PORT, LOW_PORT, CLOSED_PORT, LATE_PORT, LATE_LOW_PORT))), "-T", "none", "-U", "none")
OTHER4, OTHER6 = "192.0.2.44", "2001:db8::44"
# answers each sender only after it has gone, and tells how that ended
LATE = """import errno, socket, sys, time
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("::", int(sys.argv[1]))); print("ready", flush=True)
while True:
    _, sender = s.recvfrom(2048)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as own:
        own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0); own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind(("::", int(sys.argv[1]))); own.connect(sender); own.settimeout(3); time.sleep(0.3); own.send(b"too late")
        try:
            own.recv(1); print("an answer", flush=True)
        except OSError as e:
            print(errno.errorcode.get(e.errno, "silence"), flush=True)
"""
GO = """import socket, sys
with socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.sendto(b"gone soon", (sys.argv[1], int(sys.argv[2])))"""


class InboundUdp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        run("ip", "-n", cls.host.remote, "route", "add", "224.0.0.0/4", "dev", "eth0")
        cls.privileged_from(0)
        cls.guest, cls.daemon = connected_guest(cls.host, ports=PORTS)
        for address in (OTHER4 + "/24", OTHER6 + "/64"):    # the guest does not have them
            cls.host.ip("addr", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))
        cls.privileged_from(1024)   # as for a process that had the right to bind the port, and has given it up
        for port in (PORT, LOW_PORT):
            server = cls.guest.popen(PYTHON, f"{cls.host.dir}/client.py", "who-server", port, stderr=-1)
            assert server.stderr.readline() == "listening\n"

    @classmethod
    def privileged_from(cls, port):
        run("ip", "netns", "exec", cls.host.name, "sysctl", "-qw", f"net.ipv4.ip_unprivileged_port_start={port}")

    @classmethod
    def tearDownClass(cls):
        assert cls.daemon.stop() == 0
        cls.host.close()

    def ask(self, address, port, *source):
        return json.loads(self.host.run_remote(PYTHON, f"{self.host.dir}/client.py", "who", "udp", address, port, *source).stdout)

    def total(self, name):
        return self.daemon.counters()[0][name]

    def test_answers_come_from_the_address_and_port_that_were_asked(self):
        for port in (PORT, LOW_PORT):
            for address, source in ((HOST4, REMOTE4), (OTHER4, REMOTE4), (HOST6, REMOTE6), (OTHER6, REMOTE6)):
                with self.subTest(port=port, address=address):
                    seen = self.ask(address, port, source)
                    self.assertEqual((seen["answered"], seen["port"], seen["source"]), (address, port, source))

    def test_one_flow_a_peer_on_a_privileged_port(self):
        opened = self.total("udp_flows_opened")
        for address in (HOST4, HOST6):
            self.host.run_remote(PYTHON, "-c", """import socket, sys
with socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.connect((sys.argv[1], int(sys.argv[2]))); s.settimeout(3)
    for size in (1, 1400, 9000, 1): s.send(b"x" * size); s.recv(2048)""", address, LOW_PORT)
        self.assertEqual(self.total("udp_flows_opened"), opened + 2)

    def test_a_group_stays_the_destination(self):
        seen = self.ask("224.0.0.1", PORT, REMOTE4)
        self.assertEqual((seen["destination"], seen["source"], seen["answered"], seen["port"]), ("224.0.0.1", REMOTE4, HOST4, PORT))
        seen = self.ask("ff02::1%eth0", PORT)
        self.assertEqual((seen["destination"], seen["port"]), ("ff02::1", PORT))
        self.assertTrue(seen["answered"].startswith("fe80::"), seen)

    def test_a_port_that_the_guest_does_not_have_ends_the_flow(self):
        for address in (HOST4, HOST6):
            with self.subTest(address=address):
                before = self.daemon.counters()[0]
                self.host.run_remote(PYTHON, "-c", GO, address, CLOSED_PORT)
                wait_until(lambda: self.total("udp_refused_by_guest") == before["udp_refused_by_guest"] + 1, "refusal by the guest")
                self.assertEqual(self.total("udp_flows_closed"), before["udp_flows_closed"] + 1)

    def test_what_the_network_says_about_answers_reaches_the_guest_and_wakes_nobody_for_ever(self):
        """The peer has gone: its host's errors come to the flow's socket, or, without one, to the listening socket."""
        for port in (LATE_PORT, LATE_LOW_PORT):
            server = self.guest.popen(PYTHON, "-c", LATE, port, stdout=-1)
            self.assertEqual(server.stdout.readline(), "ready\n")
            for address in (HOST4, HOST6):
                with self.subTest(port=port, address=address):
                    errors = self.total("icmp_errors_to_guest")
                    self.host.run_remote(PYTHON, "-c", GO, address, port)
                    self.assertEqual(server.stdout.readline(), "ECONNREFUSED\n")
                    self.assertEqual(self.total("icmp_errors_to_guest"), errors + 1)
                    turns = self.total("turns")
                    time.sleep(0.5)
                    self.assertLess(self.total("turns") - turns, 50)
        for address in (HOST4, HOST6):
            self.assertEqual(self.ask(address, LOW_PORT)["port"], LOW_PORT)


if __name__ == "__main__":
    netns_test.main()
