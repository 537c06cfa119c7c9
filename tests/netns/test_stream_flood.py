#!/usr/bin/env python3
"""A million frames with octets turned: passt goes on serving, and its counters say what became of each."""
import os
import random
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import OnServingHost
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, ROUTER4
from passt import Passt

netns_test.needs_module("scapy")
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import DHCP6_Solicit, DHCP6OptClientId, DHCP6OptIA_NA, DUID_LL
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6MLReport2, ICMPv6ND_NS, ICMPv6ND_RS, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from stream_client import ICMP, IP, MAC, OURS, TCP, UDP, Ether, IPv6, StreamClient, arp_request, framed, ip, is_arp_reply, udp

COUNT = 1_000_000
BATCH = 500


def templates():
    """A frame of each kind that a guest sends."""
    broadcast = Ether(dst="ff:ff:ff:ff:ff:ff", src=MAC)
    multicast = Ether(dst="33:33:00:01:00:02", src=MAC)
    fragmented = IPv6(src=HOST6, dst=REMOTE6)
    return [bytes(frame) for frame in (
        arp_request(ROUTER4, HOST4),
        udp(HOST4, 5000, REMOTE4, 9, b"datagram"), udp(HOST6, 5000, REMOTE6, 9, b"datagram"),
        ip(HOST4, REMOTE4) / TCP(sport=1, dport=9, flags="A", seq=1, ack=1) / b"of no flow",
        ip(HOST6, REMOTE6) / TCP(sport=1, dport=9, flags="PA", seq=1, ack=1, options=[("Timestamp", (1, 2)), ("SAckOK", b"")]) / b"of no flow",
        ip(HOST4, REMOTE4) / ICMP(id=3, seq=4) / b"echo", ip(HOST6, REMOTE6) / ICMPv6EchoRequest(id=3, seq=4, data=b"echo"),
        ip(HOST4, REMOTE4) / ICMP(type=3, code=3) / IP(src=REMOTE4, dst=HOST4) / UDP(sport=9, dport=5000),
        Ether(dst=OURS, src=MAC) / IP(src=HOST4, dst=REMOTE4, flags="MF", id=9) / UDP(sport=5000, dport=9, len=2000) / bytes(64),
        Ether(dst=OURS, src=MAC) / IP(src=HOST4, dst=REMOTE4, frag=100, id=10) / bytes(64),
        Ether(dst=OURS, src=MAC) / fragmented / IPv6ExtHdrFragment(m=1, id=5, nh=17) / UDP(sport=5000, dport=9, len=2000) / bytes(56),
        Ether(dst=OURS, src=MAC) / fragmented / IPv6ExtHdrDestOpt() / UDP(sport=5000, dport=9) / b"behind options",
        broadcast / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
        / BOOTP(chaddr=bytes.fromhex(MAC.replace(":", "")), xid=7) / DHCP(options=[("message-type", "discover"), ("param_req_list", [1, 3, 6, 26]), "end"]),
        multicast / IPv6(src="fe80::5054:ff:fe12:3456", dst="ff02::1:2") / UDP(sport=546, dport=547)
        / DHCP6_Solicit(trid=1) / DHCP6OptClientId(duid=DUID_LL(lladdr=MAC)) / DHCP6OptIA_NA(iaid=1),
        multicast / IPv6(src="fe80::5054:ff:fe12:3456", dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt="fe80::1"),
        multicast / IPv6(src="fe80::5054:ff:fe12:3456", dst="ff02::2", hlim=255) / ICMPv6ND_RS(),
        multicast / IPv6(src="fe80::5054:ff:fe12:3456", dst="ff02::16", hlim=1) / ICMPv6MLReport2())]


def mutated(frame, chance):
    """A frame with a few octets turned, sometimes shortened; addresses of the link stay, so that most get beyond the first look."""
    frame = bytearray(frame)
    for _ in range(chance.randrange(1, 5)):
        frame[chance.randrange(12, len(frame))] = chance.randrange(256)
    if chance.random() < 0.1:
        del frame[chance.randrange(14, len(frame)):]
    return bytes(frame)


def explained(counters):
    """How many frames the counters tell the fate of: answered, translated or dropped. Fragments that are held count as such."""
    again = ("drop_fragment_no_memory", "drop_fragment_timeout",        # held before
             "drop_rate_limited")                                       # a segment of a connection, that got no answer
    taken = ("arp_answers", "ndp_answers", "dhcp_answers", "dhcpv6_answers", "udp_from_guest", "udp_refused_by_guest", "tcp_flows_opened",
             "tcp_from_guest", "echo_from_guest")
    return sum(count for name, count in counters.items() if name in taken or name.startswith(("drop_", "ignored_", "fragment_held")) and name not in again)


def reader(client, stop):
    """What comes back is read, or it would only be dropped."""
    client.socket.settimeout(0.2)
    while not stop.is_set():
        try:
            if not client.socket.recv(1 << 20):
                return
        except TimeoutError:
            pass


class Flood(OnServingHost, unittest.TestCase):
    def test_a_million_mutated_frames(self):
        daemon = Passt(self.host)
        before, _ = daemon.counters()
        client, stop = StreamClient(daemon.path), threading.Event()
        client.drain()
        chance, kinds = random.Random(20), templates()
        thread = threading.Thread(target=reader, args=(client, stop))
        thread.start()
        octets = 0
        for _ in range(COUNT // BATCH):
            frames = [mutated(kinds[chance.randrange(len(kinds))], chance) for _ in range(BATCH)]
            octets += sum(map(len, frames))
            client.socket.settimeout(30)
            client.socket.sendall(framed(*frames))
        client.wait_until_taken(30)
        time.sleep(0.5)
        stop.set()
        thread.join()
        after, _ = daemon.counters()
        after.subtract(before)
        seen = {name: count for name, count in sorted(after.items()) if count}
        self.assertEqual(after["frames_from_guest"], COUNT, seen)
        self.assertEqual(after["octets_from_guest"], octets, seen)
        self.assertEqual(explained(after), COUNT, seen)
        self.assertEqual(after["flow_quarantined"], 0, seen)
        client.drain()
        self.assertIsNotNone(client.ask(arp_request(ROUTER4, HOST4), is_arp_reply))
        client.close()
        self.assertEqual(daemon.stop(), 0, daemon.log())


if __name__ == "__main__":
    netns_test.main()
