#!/usr/bin/env python3
"""What passt tells a machine about its network, octet by octet: DHCP, DHCPv6 and router advertisements, and the options that change them."""
import os
import socket
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import OnSimulatedHost
from hosts import HOST4, HOST6, RESOLVER4, RESOLVER6, ROUTER4, wait_until
from passt import Passt

netns_test.needs_module("scapy")
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import DHCP6_Solicit, DHCP6OptClientFQDN, DHCP6OptClientId, DHCP6OptIA_NA, DUID_LL
from scapy.layers.inet6 import ICMPv6ND_RS
from stream_client import BROADCAST, IP, MAC, OURS, UDP, Ether, IPv6, StreamClient, udp_payload

LINK_LOCAL = "fe80::5054:ff:fe12:3456"
IDENTIFIER = bytes(DUID_LL(lladdr=MAC))
HARDWARE = bytes.fromhex(MAC.replace(":", ""))


def names(*labels):
    return b"".join(b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0" for name in labels)


class Told(OnSimulatedHost, unittest.TestCase):
    def start(self, *options):
        daemon = Passt(self.host, *options)
        client = StreamClient(daemon.path)
        client.drain()
        self.addCleanup(lambda: self.assertEqual((daemon.stop(), client.faults), (0, [])))
        self.addCleanup(client.close)
        return client

    def dhcp(self, client, *options, **fields):
        """The whole answer's frame to a message with these options, or None."""
        message = (Ether(dst=BROADCAST, src=MAC) / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
                   / BOOTP(chaddr=HARDWARE, xid=0x1234, **fields) / DHCP(options=[*options, "end"]))
        return client.ask(bytes(message), lambda frame: udp_payload(frame, 68), timeout=1)

    def options(self, frame):
        """The options of an answer, in their order, as (code, value)."""
        octets, found = udp_payload(frame, 68)[240:], []
        while octets and octets[0] != 255:
            found.append((octets[0], octets[2:2 + octets[1]]))
            octets = octets[2 + octets[1]:]
        return found

    def test_an_offer_holds_all_that_was_configured(self):
        client = self.start("-H", "myhost", "--fqdn", "myhost.example.com", "-D", "192.0.2.53", "-D", "2001:db8::53", "-S", "example.com", "-S", "sub.example.com")
        address, router = socket.inet_aton(HOST4), socket.inet_aton(ROUTER4)
        for kind, answer in (("discover", 2), ("request", 5)):
            frame = self.dhcp(client, ("message-type", kind))
            self.assertEqual(self.options(frame), [
                (1, bytes.fromhex("ffffff00")), (3, router), (6, socket.inet_aton("192.0.2.53")), (12, b"myhost"), (26, struct.pack("!H", 65520)),
                (51, b"\xff" * 4), (53, bytes([answer])), (54, router), (81, b"\x04\xff\xff" + names("myhost.example.com")),
                (119, names("example.com") + b"\x03sub\xc0\x00")])
            self.assertEqual((len(frame), frame[:14]), (374, HARDWARE + bytes.fromhex(OURS.replace(":", "")) + b"\x08\x00"))
            self.assertEqual((frame[26:30], frame[30:34]), (router, address))
            bootp = udp_payload(frame, 68)
            self.assertEqual(bootp[:28], bytes.fromhex("02010600 00001234 0000 0000 00000000") + address + bytes(8))
            self.assertEqual(bootp[28:34], HARDWARE)

    def test_the_old_address_is_refused_once_the_host_has_another(self):
        client = self.start("--follow", "guest")
        self.addCleanup(self.host._configure_host, True, False, True)
        self.addCleanup(self.host.ip, "addr", "del", "10.77.0.2/24", "dev", "eth0")
        renewal = ("message-type", "request"), ("requested_addr", HOST4)
        leased = dict(self.options(self.dhcp(client, *renewal)))
        self.assertEqual((leased[53], leased[51]), (b"\5", struct.pack("!I", 600)))
        self.host.ip("addr", "del", f"{HOST4}/24", "dev", "eth0")
        self.host.ip("addr", "add", "10.77.0.2/24", "dev", "eth0")
        self.host.ip("route", "add", "default", "via", "10.77.0.1")
        wait_until(lambda: dict(self.options(self.dhcp(client, *renewal)))[53] == b"\6", "refusal", 5)
        offered = self.dhcp(client, ("message-type", "discover"))
        self.assertEqual(udp_payload(offered, 68)[16:20], socket.inet_aton("10.77.0.2"))
        self.assertEqual(dict(self.options(offered))[3], socket.inet_aton("10.77.0.1"))

    def test_the_clients_own_list_says_what_comes_first(self):
        client = self.start("-H", "myhost", "--fqdn", "myhost.example.com")
        frame = self.dhcp(client, ("message-type", "discover"), ("param_req_list", [1, 3, 6, 15, 26, 119, 12]))
        self.assertEqual([code for code, _ in self.options(frame)], [53, 1, 3, 6, 26, 119, 12, 51, 54, 81])

    def test_resolvers_and_search_list_are_those_of_the_host(self):
        told = dict(self.options(self.dhcp(self.start(), ("message-type", "discover"))))
        self.assertEqual(told[6], socket.inet_aton(RESOLVER4))
        self.assertEqual(told[119], names("example.org") + b"\x07example\x03net\0")
        self.assertFalse({12, 81} & set(told))

    def test_options_that_take_something_away(self):
        for options, absent, left in ((("-m", "0"), {26}, {6, 119}), (("-D", "none"), {6}, {26}), (("-S", "none"), {119}, {6}),
                                      (("--no-dhcp-dns",), {6}, {26, 119}), (("--no-dhcp-search",), {119}, {6, 26})):
            with self.subTest(options=options):
                told = dict(self.options(self.dhcp(self.start(*options), ("message-type", "discover"))))
                self.assertEqual((absent & set(told), left - set(told)), (set(), set()))
        self.assertIsNone(self.dhcp(self.start("--no-dhcp"), ("message-type", "discover")))

    def test_one_search_option_may_hold_several_names(self):
        """As QEMU passes them."""
        told = dict(self.options(self.dhcp(self.start("--search", "example.com sub.example.com other.org"), ("message-type", "discover"))))
        self.assertEqual(told[119], names("example.com") + b"\x03sub\xc0\x00" + names("other.org"))

    def test_an_mtu_and_an_address_of_the_users_choice(self):
        frame = self.dhcp(self.start("-m", "1400", "-a", "192.0.2.77", "-n", "28"), ("message-type", "discover"))
        told = dict(self.options(frame))
        self.assertEqual((told[26], told[1]), (struct.pack("!H", 1400), bytes.fromhex("fffffff0")))
        self.assertEqual(udp_payload(frame, 68)[16:20], socket.inet_aton("192.0.2.77"))

    def test_broadcast_flag_rapid_commit_and_bootp(self):
        client = self.start()
        self.assertEqual(self.dhcp(client, ("message-type", "discover"), flags=0x8000)[30:34], b"\xff" * 4)
        rapid = dict(self.options(self.dhcp(client, ("message-type", "discover"), (80, b""))))
        self.assertEqual((rapid[53], rapid[80]), (b"\x05", b""))
        self.assertEqual(dict(self.options(self.dhcp(client)))[53], b"\x05")

    def solicit(self, client, *options):
        message = (Ether(dst="33:33:00:01:00:02", src=MAC) / IPv6(src=LINK_LOCAL, dst="ff02::1:2") / UDP(sport=546, dport=547)
                   / DHCP6_Solicit(trid=0x112233) / DHCP6OptClientId(duid=DUID_LL(lladdr=MAC)) / DHCP6OptIA_NA(iaid=9, T1=0, T2=0))
        for option in options:
            message /= option
        return udp_payload(client.ask(bytes(message), lambda frame: udp_payload(frame, 546)), 546)

    def test_an_advertisement_by_dhcpv6(self):
        client = self.start("--fqdn", "myhost.example.com", "-D", "2001:db8::53", "-S", "example.com", "-S", "sub.example.com")
        for option, flags in (((), b"\0"), ((DHCP6OptClientFQDN(flags="S", fqdn=b"x."),), b"\2")):
            octets, found = self.solicit(client, *option), []
            self.assertEqual(octets[:4], bytes.fromhex("02112233"))
            octets = octets[4:]
            while octets:
                code, length = struct.unpack("!HH", octets[:4])
                found.append((code, octets[4:4 + length]))
                octets = octets[4 + length:]
            self.assertEqual([code for code, _ in found], [2, 3, 1, 23, 24, 39])
            told = dict(found)
            self.assertEqual((told[2][:4], told[2][8:]), (bytes.fromhex("00010001"), bytes.fromhex(OURS.replace(":", ""))))
            self.assertEqual(told[3], struct.pack("!I", 9) + b"\xff" * 8 + struct.pack("!HH", 5, 24) + socket.inet_pton(socket.AF_INET6, HOST6) + b"\xff" * 8)
            self.assertEqual(told[1], IDENTIFIER)
            self.assertEqual(told[23], socket.inet_pton(socket.AF_INET6, "2001:db8::53"))
            self.assertEqual(told[24], names("example.com", "sub.example.com"))
            self.assertEqual(told[39], flags + names("myhost.example.com"))

    def advertisement(self, client):
        """The ICMPv6 part of the answer to a router solicitation, or None."""
        solicitation = Ether(dst="33:33:00:00:00:02", src=MAC) / IPv6(src=LINK_LOCAL, dst="ff02::2", hlim=255) / ICMPv6ND_RS()
        frame = client.ask(bytes(solicitation), lambda frame: frame[12:14] == b"\x86\xdd" and frame[54:55] == b"\x86", 1)
        return frame and frame[54:]

    def test_a_router_advertisement(self):
        client = self.start("-D", "2001:db8::53", "-S", "example.com", "-S", "sub.example.com")
        octets = self.advertisement(client)
        self.assertEqual(octets[4:16], bytes.fromhex("ff80ffff 00000000 00000000"))
        search = names("example.com", "sub.example.com")
        prefix = bytes.fromhex("030440c0 ffffffff ffffffff 00000000")
        self.assertEqual(octets[16:32], prefix)
        self.assertEqual(octets[32:40], socket.inet_pton(socket.AF_INET6, HOST6)[:8])
        rest = (b"\x01\x01" + bytes.fromhex(OURS.replace(":", "")) + bytes.fromhex("05010000 0000fff0") + bytes.fromhex("19030000 ffffffff")
                + socket.inet_pton(socket.AF_INET6, "2001:db8::53") + bytes([31, (8 + len(search) + 7) // 8, 0, 0]) + b"\xff" * 4 + search)
        self.assertEqual(octets[48:48 + len(rest)], rest)
        self.assertFalse(any(octets[48 + len(rest):]))
        self.assertIsNone(self.advertisement(self.start("--no-ra")))
        self.assertEqual(self.advertisement(self.start("-m", "0")).count(b"\x05\x01\x00\x00"), 0)


if __name__ == "__main__":
    netns_test.main()
