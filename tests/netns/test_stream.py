#!/usr/bin/env python3
"""passt's AF_UNIX stream, octet by octet: framing, what is sent first, what ends a connection, and what outlives it."""
import os
import random
import select
import socket
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import OnServingHost
from hosts import HOST4, HOST6, PYTHON, REMOTE4, REMOTE6, ROUTER4
from passt import Passt
from services import PATTERN

netns_test.needs_module("scapy")
import stream_client
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet6 import ICMPv6EchoRequest
from stream_client import ICMP, IP, MAC, TCP, Closed, Connection, Ether, StreamClient, arp_request, framed, udp, udp_payload

# What a wrapper of old sends to find out whether anybody serves the socket: an ARP request and a neighbour solicitation of nobody.
PROBE_ARP = bytes.fromhex("0000002a" + "ff" * 12 + "0806" "0001080006040001" + "00" * 20)
PROBE_NS = bytes.fromhex("0000004e" + "ff" * 12 + "86dd" "6000000000183aff" + "00" * 15 + "01" + "00" * 16 + "8700000000000000" + "00" * 16)


def echo_request(address, number):
    if ":" in address:
        return bytes(stream_client.ip(HOST6, address) / ICMPv6EchoRequest(id=77, seq=number, data=b"hello"))
    return bytes(stream_client.ip(HOST4, address) / ICMP(id=77, seq=number) / b"hello")


class Stream(OnServingHost, unittest.TestCase):
    def setUp(self):
        self.daemon = Passt(self.host, "-t", "8000", "-u", "8001")
        self.clients = []

    def tearDown(self):
        for client in self.clients:
            client.close()
            self.assertEqual(client.faults, [])
        self.assertEqual(self.daemon.stop(), 0, self.daemon.log())

    def client(self):
        """A client that is served; the last one must be closed. Until its end is noticed, a new one is refused."""
        end = time.monotonic() + 5
        while True:
            client = StreamClient(self.daemon.path)
            try:
                client.greeting = client.receive()
                self.clients.append(client)
                return client
            except Closed:
                client.close()
                self.assertLess(time.monotonic(), end, "still refused")
                time.sleep(0.01)

    def assert_serving(self, client=None):
        client = client or self.client()
        self.assertIsNotNone(client.ask(arp_request(ROUTER4, HOST4), stream_client.is_arp_reply), self.daemon.log())
        return client

    # ---- what is sent first

    def test_the_guest_is_looked_for_as_soon_as_it_connects(self):
        client = self.client()
        first, second = client.greeting, client.receive()
        self.assertEqual(first[:42], bytes.fromhex("ffffffffffff 9a559a559a55 0806 0001 0800 06 04 0001 9a559a559a55")
                         + socket.inet_aton(ROUTER4) + b"\xff" * 6 + socket.inet_aton(HOST4))
        self.assertEqual(first[42:], bytes(18))
        self.assertEqual(second[:14], bytes.fromhex("ffffffffffff 9a559a559a55 86dd"))
        self.assertEqual(second[14:38], bytes.fromhex("6000000000183aff fe80000000000000 0000000000000001"))
        self.assertEqual((second[38:54], second[62:78]), (socket.inet_pton(socket.AF_INET6, HOST6),) * 2)
        self.assertEqual((second[54:56], len(second)), (b"\x87\x00", 78))

    def test_the_probes_of_wrappers_are_answered(self):
        for probe in (PROBE_ARP, PROBE_ARP + PROBE_NS):
            with self.subTest(octets=len(probe)):
                client = self.client()
                client.drain()
                client.send_octets(probe)
                answer = client.receive()
                self.assertEqual(answer[:32], bytes.fromhex("ffffffffffff 9a559a559a55 0806 0001 0800 06 04 0002 9a559a559a55 00000000"))
                self.assertEqual(answer[38:], bytes(22))
                self.assertEqual(client.drain(), [])
                client.close()

    def test_the_judge_of_frames_finds_faults(self):
        """Every frame that a client of these tests receives is judged; here that bad ones would be found."""
        for good in (udp(HOST4, 1, REMOTE4, 2, bytes(30)), udp(HOST6, 1, REMOTE6, 2, b"x"), echo_request(REMOTE4, 1).ljust(60, b"\0"), echo_request(REMOTE6, 1)):
            self.assertEqual(stream_client.faults(good), [])
            self.assertNotEqual(stream_client.faults(good[:30] + bytes([good[30] ^ 1]) + good[31:]), [])
            self.assertNotEqual(stream_client.faults(good[:40] + bytes([good[40] ^ 1]) + good[41:]), [])
            self.assertNotEqual(stream_client.faults(good[:59]), [])
            self.assertNotEqual(stream_client.faults(good.ljust(61, b"\0") + b"x"), [])

    # ---- frames cut into pieces

    def exchange(self, client, pieces):
        """Sends the pieces so that each is read by itself; what comes back, in a fixed order and without what tells IPv4 datagrams apart."""
        for piece in pieces:
            client.send_octets(piece)
            client.wait_until_taken()
        frames = client.collect(self.answers, 2, lambda frame: frame[54:55] != b"\x87")
        return sorted(f[:18] + f[20:24] + f[26:] if f[12:14] == b"\x08\x00" else f for f in frames)    # identification and checksum

    def test_a_stream_cut_anywhere_says_the_same(self):
        discover = (Ether(dst="ff:ff:ff:ff:ff:ff", src=MAC) / IP(src="0.0.0.0", dst="255.255.255.255") / stream_client.UDP(sport=68, dport=67)
                    / BOOTP(chaddr=bytes.fromhex(MAC.replace(":", "")), xid=7) / DHCP(options=[("message-type", "discover"), "end"]))
        frames = [arp_request(ROUTER4, HOST4), udp(HOST4, 5000, REMOTE4, 7, b"x"), echo_request(REMOTE6, 1), udp(HOST6, 5001, REMOTE6, 7, PATTERN[:300]),
                  bytes(discover), echo_request(REMOTE4, 2)]
        octets, self.answers = framed(*frames), len(frames)
        client = self.client()
        client.drain()
        self.exchange(client, [octets])
        client.drain()          # what is said of neighbours when they become known
        whole = self.exchange(client, [octets])
        self.assertEqual(len(whole), len(frames))
        for cut in range(1, len(octets)):
            self.assertEqual(self.exchange(client, [octets[:cut], octets[cut:]]), whole, f"cut after {cut} octets")
        self.assertEqual(self.exchange(client, [octets[n:n + 1] for n in range(len(octets))]), whole, "one by one")
        chance = random.Random(4)
        for _ in range(50):
            cuts = sorted(chance.sample(range(1, len(octets)), 12))
            self.assertEqual(self.exchange(client, [octets[a:b] for a, b in zip([0, *cuts], [*cuts, len(octets)])]), whole, f"cuts {cuts}")

    def test_many_frames_at_once_are_all_taken(self):
        client = self.client()
        client.drain()
        numbers = [struct.pack("!I", n) for n in range(150)]
        client.ask(udp(HOST4, 5000, REMOTE4, 7, b"?"))
        client.drain()          # the neighbour is known now, and keeps nobody waiting
        client.send(*[udp(HOST4, 5000, REMOTE4, 7, number) for number in numbers])
        self.assertEqual([udp_payload(f, 5000) for f in client.collect(150, 5, lambda f: udp_payload(f, 5000))], numbers)

    def test_the_largest_datagram_goes_there_and_back(self):
        client = self.client()
        client.drain()
        client.ask(udp(HOST4, 5000, REMOTE4, 7, b"?"))
        client.drain()
        payload = PATTERN[:65520 - 28]
        client.send(udp(HOST4, 5000, REMOTE4, 7, payload))
        answers = client.collect(1, 2, lambda frame: udp_payload(frame, 5000))
        self.assertEqual([udp_payload(frame, 5000) for frame in answers], [payload])

    # ---- what ends a connection, and nothing else

    def test_a_bad_length_ends_the_connection_and_nothing_else(self):
        for length in (0, 1, 13, 65550, 70000, 1 << 31, (1 << 32) - 1):
            for behind in (b"", bytes(100)):
                with self.subTest(length=length, behind=len(behind)):
                    client = self.assert_serving()
                    client.send_octets(struct.pack("!I", length) + behind)
                    self.assertTrue(client.wait_for_close())
                    client.close()
        self.assert_serving()

    def test_what_comes_before_a_bad_length_is_answered(self):
        client = self.client()
        client.drain()
        client.send_octets(framed(udp(HOST4, 5000, REMOTE4, 37, b"?")) + struct.pack("!I", 5))
        self.assertTrue(client.wait_for_close())
        self.assertEqual(self.assert_serving().faults, [])

    def test_nothing_of_a_connection_is_left_for_the_next(self):
        arp = framed(arp_request(ROUTER4, HOST4))
        for last in (arp[:1], arp[:4], arp[:20], arp[:-1], struct.pack("!I", 3), struct.pack("!I", 3) + arp[:7], struct.pack("!I", 65000) + bytes(40000)):
            with self.subTest(last=len(last)):
                client = self.assert_serving()
                client.send_octets(last)
                client.wait_until_taken()
                client.close()
                self.assert_serving().close()

    def test_a_second_client_is_refused_while_one_is_served(self):
        first = self.assert_serving()
        for silent in (True, False):
            second = StreamClient(self.daemon.path)
            if not silent:
                try:
                    second.send(arp_request(ROUTER4, HOST4))
                except ConnectionError:
                    pass
            self.assertTrue(second.wait_for_close())
            second.close()
        self.assert_serving(first)
        first.close()
        self.assert_serving()

    # ---- what outlives a connection

    def test_flows_outlive_the_client(self):
        client = self.client()
        tcp = {a: Connection(client, own, 40000, a, 7) for own, a in ((HOST4, REMOTE4), (HOST6, REMOTE6))}
        client.send(udp(HOST4, 5000, REMOTE4, 37, b"?"))
        seen = client.collect(1, 2, lambda frame: udp_payload(frame, 5000))
        for connection in tcp.values():
            connection.send(b"before")
            self.assertEqual(connection.receive(6), b"before")
        client.close()
        again = self.client()
        again.send(udp(HOST4, 5000, REMOTE4, 37, b"?"))
        self.assertEqual(udp_payload(again.collect(1, 2, lambda frame: udp_payload(frame, 5000))[0], 5000), udp_payload(seen[0], 5000))
        for connection in tcp.values():
            connection.client = again
            connection.send(b"behind")
            self.assertEqual(connection.receive(6), b"behind")

    def test_data_that_nobody_took_is_sent_again(self):
        client = self.client()
        connection = Connection(client, HOST4, 40001, REMOTE4, 19)
        self.assertEqual(connection.synack.flags, "SA")
        connection.send(b"50000\n")
        time.sleep(0.3)
        client.close()          # with data in it that we never read
        connection.client = self.client()
        connection.acknowledge()
        self.assertEqual(connection.receive(50000, 20), PATTERN[:50000])

    def test_listeners_outlive_the_client(self):
        for attempt in range(2):
            client = self.assert_serving()
            for address in (HOST4, HOST6):
                process = subprocess.Popen(self.host.in_remote(PYTHON, "-c", "import socket, sys\nsocket.create_connection((sys.argv[1], 8000), 1)", address),
                                           stderr=subprocess.DEVNULL)
                syn = client.collect(1, 5, lambda frame: TCP in (packet := Ether(frame)) and packet[TCP].flags == "S" and packet[TCP].dport == 8000)
                self.assertEqual(len(syn), 1, f"{address}, client {attempt}")
                process.kill()
                process.wait()
            client.close()

    # ---- what a slow reader may not do

    def test_a_reader_that_stopped_blocks_nothing_else(self):
        sink = self.host.popen(*self.host.in_remote(PYTHON, "-c", "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('', 5555))\n"
                                                    "print('ready', flush=True)\nwhile True:\n print(s.recv(99).decode(), flush=True)"), stdout=subprocess.PIPE)
        self.assertEqual(sink.stdout.readline(), "ready\n")
        client = self.client()
        client.drain()
        length = 8_000_000
        connection = Connection(client, HOST4, 40002, REMOTE4, 19, scale=10)
        self.assertEqual(connection.synack.flags, "SA")
        connection.send(b"%d\n" % length)
        client.send(*[udp(HOST4, 6000 + n % 10, REMOTE4, 7, bytes(1400)) for n in range(2000)])   # and answers that nobody reads
        time.sleep(1)
        before = self.resident()
        for n in range(20):
            started = time.monotonic()
            client.send(udp(HOST4, 5001, REMOTE4, 5555, b"%d" % n))
            self.assertTrue(select.select([sink.stdout], [], [], 5)[0], "the daemon stopped forwarding")
            self.assertEqual(sink.stdout.readline(), f"{n}\n")
            self.assertLess(time.monotonic() - started, 1)
            time.sleep(0.1)
        self.assertLess(self.busy(), 0.5)
        self.assertGreater(self.daemon.counters()[0]["frames_from_guest"], 2000, "the log is not written")
        self.assertLess(self.resident() - before, 8 << 20)
        got, digest = 0, True
        while got < length:
            data = connection.receive(1, 10)
            if not data:
                break
            digest = digest and data == (PATTERN + PATTERN)[got % len(PATTERN):][:len(data)]
            got += len(data)
        self.assertEqual((got, digest), (length, True))
        self.assertIsNotNone(client.ask(arp_request(ROUTER4, HOST4), stream_client.is_arp_reply, 10))

    def resident(self):
        with open(f"/proc/{self.daemon.pid}/status") as f:
            return 1024 * int(next(line for line in f if line.startswith("VmRSS")).split()[1])

    def busy(self, seconds=0.5):
        """The share of a processor that the daemon uses."""
        def used():
            with open(f"/proc/{self.daemon.pid}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        before = used()
        time.sleep(seconds)
        return (used() - before) / seconds


if __name__ == "__main__":
    netns_test.main()
