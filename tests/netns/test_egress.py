#!/usr/bin/env python3
"""Where a guest may connect (--egress): addresses, networks and classes, over both families, for TCP, UDP and echo.

The uplink's own network, with the remote in it, is a local one; what is a hop further is the Internet.
"""
import errno
import os
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from behind import Behind
from guests import NO_PORTS, Daemon, Guest
from hosts import FAR4, FAR6, REMOTE4, REMOTE6, ROUTER4, SimulatedHost, wait_until
from inside import BOTH, Place, guest_place, host_place, meet, remote_place

PORT, OTHER = 7000, 7001
REFUSED = {errno.EHOSTUNREACH, errno.EACCES}    # "administratively prohibited" in IPv4 and in IPv6
TCP = socket.SOCK_STREAM
SOON = 1                                        # seconds: no refusal is a timeout


class Egress(unittest.TestCase):
    def setUp(self):
        self.host = SimulatedHost()
        self.addCleanup(self.host.close)
        self.guest = Guest(self.host)
        self.addCleanup(self.guest.close)
        self.inside = guest_place(self.guest)
        self.far = Place(f"/run/netns/{self.host.far}")
        self.servers = {FAR4: self.far, FAR6: self.far, REMOTE4: remote_place(self.host), REMOTE6: remote_place(self.host)}

    def start(self, *options, ports=NO_PORTS):
        daemon = Daemon(self.guest, "--workers", 2, *options, ports=ports)
        self.addCleanup(daemon.stop)
        return daemon

    def policy(self, text):
        path = f"{self.host.dir}/policy.toml"
        with open(path, "w") as file:
            file.write(text)
        return ("--egress", path)

    def passes(self, address, port=PORT, kinds=BOTH, server=None):
        for name, kind in kinds:
            with self.subTest(passes=address, port=port, protocol=name):
                meet(self.inside, server or self.servers[address], address, port, kind)

    def is_refused(self, address, port=PORT, kinds=BOTH, server=None):
        for name, kind in kinds:
            with self.subTest(refused=address, port=port, protocol=name):
                began = time.monotonic()
                with self.assertRaises(OSError) as refusal:
                    meet(self.inside, server or self.servers[address], address, port, kind)
                self.assertIn(refusal.exception.errno, REFUSED, refusal.exception)
                self.assertLess(time.monotonic() - began, SOON)

    def ping(self, address):
        return self.guest.run("ping", "-c", "1", "-W", "5", address, check=False, timeout=10)

    def test_what_no_rule_allows_is_refused(self):
        self.start(*self.policy(f'profile = "deny-all"\nallow = ["{FAR4}:{PORT}", "[{FAR6}]:{PORT}"]'))
        for address in (FAR4, FAR6):
            self.passes(address)
            self.is_refused(address, OTHER)
            self.assertNotEqual(self.ping(address).returncode, 0)
        for address in (REMOTE4, REMOTE6):
            self.is_refused(address)

    def test_protocols_are_told_apart(self):
        self.start(*self.policy(f'profile = "deny-all"\nallow = ["{FAR4}:{PORT}/tcp", "[{FAR6}]:{PORT}/udp", "{REMOTE4}/echo", "[{REMOTE6}]/echo"]'))
        tcp, udp = BOTH[:1], BOTH[1:]
        self.passes(FAR4, kinds=tcp)
        self.is_refused(FAR4, kinds=udp)
        self.passes(FAR6, kinds=udp)
        self.is_refused(FAR6, kinds=tcp)
        for address, other in ((REMOTE4, FAR4), (REMOTE6, FAR6)):
            with self.subTest(ping=address):
                self.assertEqual(self.ping(address).returncode, 0)
                began = time.monotonic()
                self.assertNotEqual(self.ping(other).returncode, 0)
                self.assertLess(time.monotonic() - began, SOON)
                self.is_refused(address)

    def test_the_internet_and_nothing_nearer(self):
        self.start("--egress", "internet-only")
        for far, near in ((FAR4, REMOTE4), (FAR6, REMOTE6)):
            self.passes(far)
            self.is_refused(near)
            self.assertEqual(self.ping(far).returncode, 0)
            self.assertNotEqual(self.ping(near).returncode, 0)
        self.is_refused(ROUTER4, server=host_place(self.host))     # which means the host's loopback

    def test_no_local_network_but_the_host(self):
        self.start("--egress", "no-lan")
        self.passes(FAR4)
        self.is_refused(REMOTE4)
        self.passes(ROUTER4, server=host_place(self.host))

    def test_deny_beats_allow_beats_the_profile(self):
        self.start(*self.policy(f'profile = "no-lan"\nallow = ["192.0.2.0/24"]\ndeny = ["{REMOTE4}:{OTHER}", "{FAR4}"]'))
        self.passes(REMOTE4)
        self.is_refused(REMOTE4, OTHER)
        self.is_refused(FAR4)
        self.is_refused(REMOTE6)

    def test_several_policies_hold_together(self):
        self.start("--egress", "no-metadata", *self.policy(f'deny = ["{FAR4}"]'), "--egress", "no-lan")
        self.is_refused(FAR4)
        self.is_refused(REMOTE4)
        self.passes(FAR6)

    def test_an_audit_refuses_nothing(self):
        self.start(*self.policy('profile = "deny-all"\nmode = "audit"'))
        for address in (FAR4, REMOTE4, FAR6, REMOTE6):
            self.passes(address)

    def test_who_is_behind_the_guest_is_told_as_well(self):
        """A router hands on no error from a link-local address."""
        self.start("--egress", "internet-only")
        behind = Behind(self.guest, 1500)
        self.addCleanup(behind.close)
        self.inside = guest_place(behind)
        for far, near in ((FAR4, REMOTE4), (FAR6, REMOTE6)):
            self.passes(far)
            self.is_refused(near)

    def test_a_network_that_the_host_gets_a_route_for_is_local(self):
        self.start("--egress", "internet-only")
        self.passes(FAR4)
        self.host.ip("route", "add", "198.51.100.0/24", "via", ROUTER4)

        def refused():
            try:
                meet(self.inside, self.far, FAR4, PORT, TCP)
            except OSError:
                return True
        wait_until(refused, "refusal of what is local now", 5)
        self.is_refused(FAR4)
        self.passes(FAR6)

    def test_ports_of_the_namespace_lead_to_the_host(self):
        ports = ("-t", "none", "-u", "none", "-T", str(PORT), "-U", str(PORT))
        self.start("--egress", "internet-only", ports=ports)
        with self.assertRaises(OSError):
            meet(self.inside, host_place(self.host), "127.0.0.1", PORT, TCP)
        self.passes(FAR4)


if __name__ == "__main__":
    netns_test.main()
