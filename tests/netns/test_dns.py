#!/usr/bin/env python3
"""--dns-forward and --dns-host, with a resolver that listens on the host's loopback only, as systemd-resolved does."""
import os
import socket
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import NO_PORTS, Daemon, Guest
from hosts import REMOTE4, REMOTE6, SimulatedHost, wait_until
from inside import BOTH, guest_place, host_place, meet
from names import DNSMASQ, LARGE, SMALL, ask, question, text, words

STUB4, STUB6 = "127.0.0.53", "::1"
FORWARD4, FORWARD6 = "169.254.1.1", "fd00:53::1"


@netns_test.needs("dnsmasq")
class Dns:
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.dnsmasq = cls.host.popen(*DNSMASQ, f"--listen-address={STUB4},{STUB6}", stderr=subprocess.DEVNULL)
        cls.outside, cls.guest = host_place(cls.host), Guest(cls.host)
        for stub in (STUB4, STUB6):
            wait_until(lambda: cls.answers(stub), "answer of dnsmasq")

    @classmethod
    def tearDownClass(cls):
        cls.host.close()

    @classmethod
    def answers(cls, stub):
        try:
            return ask(cls.outside, stub, "small.test", socket.SOCK_DGRAM)
        except OSError:
            return None

    def forwarding(self, *options, resolvers=(STUB4, STUB6), ports=NO_PORTS):
        """A daemon on a host with these resolvers."""
        with open(f"{self.host.dir}/resolv.conf", "w") as f:      # in place: the file is bind-mounted
            f.writelines(f"nameserver {resolver}\n" for resolver in resolvers)
        daemon = Daemon(self.guest, "--workers", self.workers, *options, ports=ports)
        self.addCleanup(daemon.stop)
        return guest_place(self.guest)

    def resolves(self, place, address):
        for protocol, kind in BOTH:
            for name, length in (("small", SMALL), ("large", LARGE)):
                with self.subTest(address=address, protocol=protocol, length=length):
                    self.assertEqual(ask(place, address, name + ".test", kind), words(length))

    def test_the_host_s_resolvers_are_asked(self):
        place = self.forwarding("--dns-forward", FORWARD4, "--dns-forward", FORWARD6)
        self.resolves(place, FORWARD4)
        self.resolves(place, FORWARD6)

    def test_a_resolver_that_is_named(self):
        place = self.forwarding("--dns-forward", FORWARD4, "--dns-forward", FORWARD6, "--dns-host", STUB4, "--dns-host", STUB6, resolvers=("192.0.2.53",))
        self.resolves(place, FORWARD4)
        self.resolves(place, FORWARD6)

    def test_the_address_may_be_the_gateway_s(self):
        place = self.forwarding("--dns-forward", "192.0.2.1")       # other ports of which stay the host's
        self.resolves(place, "192.0.2.1")
        meet(place, self.outside, "192.0.2.1", 8000, socket.SOCK_STREAM, server_address="127.0.0.1")

    def test_dns_over_tls_is_redirected_too(self):
        place = self.forwarding("--dns-forward", FORWARD4, "--dns-forward", FORWARD6)
        for address, stub in ((FORWARD4, STUB4), (FORWARD6, STUB6)):
            for protocol, kind in BOTH:
                with self.subTest(address=address, protocol=protocol):
                    self.assertEqual(meet(place, self.outside, address, 853, kind, server_address=stub)[1], stub)

    def test_other_ports_are_not_redirected(self):
        place = self.forwarding("--dns-forward", REMOTE4, "--dns-forward", REMOTE6)
        remote = type(place)(f"/run/netns/{self.host.remote}")
        for address in (REMOTE4, REMOTE6):
            for protocol, kind in BOTH:
                with self.subTest(address=address, protocol=protocol):
                    self.assertEqual(meet(place, remote, address, 5353, kind)[1], address)
                    self.assertEqual(ask(place, address, "small.test", kind), words(SMALL))

    def test_without_the_option_nothing_is_redirected(self):
        place = self.forwarding("--map-host-loopback", "none")
        for protocol, kind in BOTH:
            with self.subTest(protocol=protocol), self.assertRaises(OSError):
                with place.connected("203.0.113.9", 53, kind, timeout=3) as s:      # its router says that it is unreachable
                    s.send(question("small.test", 1))
                    s.recv(100)

    def test_a_question_from_a_forwarded_port(self):
        """It leaves through the listening socket, and its answer is not taken for a client's of the host's loopback."""
        query = question("small.test", 1)
        place = self.forwarding("--dns-forward", FORWARD4, ports=("-t", "none", "-u", "40000", "-T", "none", "-U", "none"))
        with place.make(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("", 40000))
            s.settimeout(5)
            s.sendto(query, (FORWARD4, 53))
            answer, sender = s.recvfrom(65536)
        self.assertEqual((text(answer, query), sender[0]), (words(SMALL), FORWARD4))

    def test_many_questions_at_once(self):
        place, query = self.forwarding("--dns-forward", FORWARD4), question("large.test", 1)
        sockets = [place.connected(FORWARD4, 53, kind) for kind in [socket.SOCK_DGRAM] * 100 + [socket.SOCK_STREAM] * 15]    # dnsmasq serves 20 connections
        for s in sockets:
            s.sendall((struct.pack("!H", len(query)) if s.type == socket.SOCK_STREAM else b"") + query)
        for s in sockets:
            with s:
                answer = s.makefile("rb").read(LARGE + 3)[2:] if s.type == socket.SOCK_STREAM else s.recv(65536)
                self.assertIn(words(LARGE)[0].encode(), answer)


class DnsWithOneWorker(Dns, unittest.TestCase):
    workers = 1


class DnsWithTwoWorkers(Dns, unittest.TestCase):
    workers = 2


if __name__ == "__main__":
    netns_test.main()
