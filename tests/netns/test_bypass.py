#!/usr/bin/env python3
"""Connections between loopback interfaces, which go from socket to socket: how they end, from either side.

The same cases run over the tap (the host's own address, a remote client), because nobody should be able to tell the difference.
"""
import contextlib
import os
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from hosts import HOST4, HOST6
from inside import BOTH, Task, digest_of, exactly, meet, reset, send_octets, take_octets
from paths import ALL, BYPASS, MIB, OUT, Paths


class Endings(Paths):
    """How a connection ends, on every path and from either side."""

    def test_one_half_is_closed_first(self):
        def form(first, second):
            first.sendall(b"question")
            first.shutdown(socket.SHUT_WR)
            self.assertEqual(take_octets(second)[0], len(b"question"))
            sender = Task(send_octets, second, 8 * MIB)
            received = Task(take_octets, first)
            sender.result()
            second.shutdown(socket.SHUT_WR)
            self.assertEqual(received.result(), (8 * MIB, digest_of(8 * MIB)))
        self.each(ALL, form)

    def test_a_half_closed_connection_lasts(self):
        ends = []
        with contextlib.ExitStack() as stack:
            for path in ALL:
                client, server = stack.enter_context(self.connection(path))
                client.shutdown(socket.SHUT_WR)
                ends.append((path, client, server))
            time.sleep(3)
            for path, client, server in ends:
                with self.subTest(path=path[0]):
                    self.assertEqual(server.recv(1), b"")
                    server.sendall(b"late")
                    self.assertEqual(client.recv(10), b"late")
                    server.close()
                    self.assertEqual(client.recv(10), b"")

    def test_a_reset_is_passed_on(self):
        def form(first, second):
            first.sendall(b"before")
            self.assertEqual(second.recv(10), b"before")
            reset(first)
            second.settimeout(5)
            with self.assertRaises(ConnectionResetError):
                second.recv(10)
        self.each(ALL, form)

    def test_a_reset_in_the_midst_of_data(self):
        def form(first, second):
            second.settimeout(5)
            first.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    first.send(bytes(1 << 16))      # nobody reads
            reset(first)
            with self.assertRaises(ConnectionResetError):
                while second.recv(1 << 20):
                    pass
        self.each(ALL, form)

    def test_a_reader_that_goes_stops_the_writer(self):
        def form(first, second):
            sender = Task(send_octets, second, 1024 * MIB)
            first.recv(1000)
            first.close()                           # with unread data: a reset
            with self.assertRaises((ConnectionResetError, BrokenPipeError)):
                sender.result(10)
        self.each(ALL, form)

    def test_a_port_where_nobody_listens(self):
        for name, client, address, port, _ in ALL:
            with self.subTest(path=name), self.assertRaises(ConnectionError):
                with self.places[client].connected(address, port, timeout=3) as s:
                    self.assertEqual(s.recv(1), "a reset, not an end")

    def test_mapped_ports_and_their_addresses(self):
        for _, client, address, _, server in BYPASS[2:]:
            for protocol, kind in BOTH:
                for port, asked in ((OUT, OUT), (9100, 9101), (9200, 9200), (9201, 9201)):
                    with self.subTest(address=address, protocol=protocol, port=port):
                        got = meet(self.places[client], self.places[server], address, port, kind, asked, server_address=address)
                        self.assertEqual(got, (address, address))

    def test_ports_of_the_host_are_for_loopback_only(self):
        for address in (HOST4, HOST6):              # the guest's own addresses
            with self.subTest(address=address), self.assertRaises(ConnectionRefusedError):
                self.places["guest"].connected(address, OUT, timeout=3)

    def test_urgent_or_tiny_writes_arrive_in_order(self):
        for path in ALL:
            with self.subTest(path=path[0]), self.connection(path) as (client, server):
                for s in (client, server):
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for n in range(200):
                    client.sendall(b"%06d" % n)
                    self.assertEqual(exactly(server, 6), b"%06d" % n)
                    server.sendall(b"%05d" % n)
                    self.assertEqual(exactly(client, 5), b"%05d" % n)


class EndingsWithOneWorker(Endings, unittest.TestCase):
    workers = 1


class EndingsWithTwoWorkers(Endings, unittest.TestCase):
    workers = 2


class EndingsWithoutBypass(Endings, unittest.TestCase):
    workers, options = 1, ("--no-splice",)


if __name__ == "__main__":
    netns_test.main()
