#!/usr/bin/env python3
"""The guest's link as stations on it see it: who probes an address may have it, and frames for others are none of ours."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import OnServingHost
from hosts import HOST4, HOST6, REMOTE4, ROUTER4
from passt import Passt

netns_test.needs_module("scapy")
import stream_client
from scapy.layers.inet6 import ICMPv6ND_NS, IPv6
from stream_client import BROADCAST, ICMP, IP, MAC, OURS, TCP, Ether, StreamClient, arp_request, is_arp_reply

ANOTHER = "52:54:00:bb:bb:bb"


class Link(OnServingHost, unittest.TestCase):
    def client(self, *options):
        self.daemon = Passt(self.host, *options)
        self.addCleanup(self.daemon.stop)
        client = StreamClient(self.daemon.path)
        self.addCleanup(client.close)
        client.drain()
        return client

    def test_a_probe_is_answered_for_what_is_ours_alone(self):
        client = self.client("--map-host-loopback", "192.0.2.77", "--dns-forward", "192.0.2.78")
        for address, ours in ((ROUTER4, True), ("192.0.2.77", True), ("192.0.2.78", True), ("192.0.2.99", False), ("169.254.7.7", False), (HOST4, False)):
            with self.subTest(address=address):
                answer = client.ask(arp_request(address, "0.0.0.0"), is_arp_reply, timeout=2 if ours else 0.5)
                self.assertEqual(answer is not None, ours)
        self.assertIsNotNone(client.ask(arp_request("192.0.2.99", HOST4), is_arp_reply))   # who does not probe finds anybody behind us

    def test_a_second_address_of_ipv6_is_free(self):
        client = self.client()
        for address in ("2001:db8::99", "fe80::99"):
            solicitation = Ether(dst="33:33:ff:00:00:99", src=MAC) / IPv6(src="::", dst="ff02::1:ff00:99", hlim=255) / ICMPv6ND_NS(tgt=address)
            client.send(bytes(solicitation))
        self.assertEqual(client.drain(0.5), [])

    def test_frames_for_another_station_are_left_to_it(self):
        client = self.client()
        self.assertIsNotNone(client.ask(arp_request(ROUTER4, HOST4), is_arp_reply))
        syn = TCP(sport=43001, dport=7, flags="S", seq=5000)
        echo = ICMP(id=7, seq=1) / b"hello"
        foreign = [Ether(dst=ANOTHER, src=MAC) / IP(src=HOST4, dst="192.0.2.33") / syn, Ether(dst=ANOTHER, src=MAC) / IP(src=HOST4, dst=REMOTE4) / syn,
                   Ether(dst=ANOTHER, src=MAC) / IP(src=HOST4, dst=REMOTE4) / TCP(sport=43002, dport=80, flags="A", seq=1, ack=1), Ether(dst=ANOTHER, src=MAC) / IP(src=HOST4, dst=REMOTE4) / echo,
                   Ether(dst=ANOTHER, src=MAC) / IPv6(src=HOST6, dst="2001:db8::3") / syn]
        client.send(*map(bytes, foreign))
        self.assertEqual(client.drain(0.5), [])
        total, _ = self.daemon.counters()
        self.assertEqual(total["drop_other_station"], len(foreign))
        for to in (OURS, BROADCAST, MAC):       # an interface without ARP sends to its own address
            with self.subTest(to=to):
                self.assertIsNotNone(client.ask(bytes(Ether(dst=to, src=MAC) / IP(src=HOST4, dst=REMOTE4) / echo), lambda frame: frame[23:24] == b"\x01"))


if __name__ == "__main__":
    netns_test.main()
