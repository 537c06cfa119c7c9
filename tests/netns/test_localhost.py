#!/usr/bin/env python3
"""`localhost` is two addresses, and a server may have one of them only: between the loopbacks its clients reach it by the other one as well."""
import os
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from inside import Task, accept_or_end, digest_of, exactly, send_octets, take_octets
from paths import IN, MIB, OUT, Paths
import contextlib

# a client on that side asks this address of a server that listens on that one only
SIDES = (("host", IN, "guest"), ("guest", OUT, "host"))
FAMILIES = (("127.0.0.1", "::1"), ("::1", "127.0.0.1"))


class Localhost:
    def each(self, form):
        for client, port, server in SIDES:
            for asked, answers in FAMILIES:
                with self.subTest(client=client, asked=asked):
                    form(self.places[client], asked, port, self.places[server], self.server_address(server, answers))

    def server_address(self, side, loopback):
        """Servers of the guest have to listen on its own address, too, unless loopback leads to loopback; on the host we hold the port elsewhere."""
        wildcard = {"127.0.0.1": "0.0.0.0", "::1": "::"}[loopback]
        return loopback if side == "host" or "--host-lo-to-ns-lo" in self.options else wildcard

    @contextlib.contextmanager
    def connection(self, client, asked, port, server, address, first=b""):
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(self.listening(server, address, port))
            c = stack.enter_context(client.connected(asked, port))
            if first:
                c.sendall(first)
            accepted, peer = accept_or_end(listener, c, stack)
            accepted.settimeout(10)
            self.assertEqual(accepted.family, socket.AF_INET6 if ":" in address else socket.AF_INET)
            c.settimeout(10)
            yield c, accepted

    def listening(self, place, address, port):
        if address != "::":
            return place.bound(address, port)
        s = place.make(socket.AF_INET6)         # of IPv6 alone
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((address, port))
        s.listen()
        return s

    def test_a_server_of_the_other_family(self):
        def form(*where):
            for first in (b"", b"at once"):
                with self.connection(*where, first=first) as (client, accepted):
                    accepted.sendall(b"banner")
                    self.assertEqual(exactly(client, 6), b"banner")
                    client.sendall(b"more")
                    self.assertEqual(exactly(accepted, len(first) + 4), first + b"more")
                    client.close()
                    self.assertEqual(accepted.recv(1), b"")
        self.each(form)

    def test_a_client_that_sends_much_and_ends_at_once(self):
        def form(*where):
            with self.connection(*where) as (client, accepted):
                sender = Task(send_octets, client, 8 * MIB)
                received = Task(take_octets, accepted)
                sender.result()
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(received.result(), (8 * MIB, digest_of(8 * MIB)))
        self.each(form)

    def test_the_end_may_come_before_the_connection(self):
        def form(client, asked, port, server, address):
            with self.listening(server, address, port) as listener, client.connected(asked, port) as c:
                c.sendall(b"question")
                c.shutdown(socket.SHUT_WR)
                listener.settimeout(5)
                with listener.accept()[0] as accepted:
                    accepted.settimeout(5)
                    self.assertEqual(take_octets(accepted)[0], 8)
        self.each(form)

    def test_nobody_of_either_family(self):
        def form(client, asked, port, server, address):
            start = time.monotonic()
            with self.assertRaises(ConnectionError), client.connected(asked, port, timeout=3) as s:
                self.assertEqual(s.recv(1), "a reset, not an end")
            self.assertLess(time.monotonic() - start, 1)
        self.each(form)

    def test_the_family_that_was_asked_comes_first(self):
        def form(client, asked, port, server, address):
            side = "host" if server is self.places["host"] else "guest"
            with self.listening(server, address, port) as wrong, self.listening(server, self.server_address(side, asked), port) as right:
                wrong.settimeout(0.1)
                right.settimeout(5)
                with client.connected(asked, port) as c, right.accept()[0]:
                    c.sendall(b"x")
                    with self.assertRaises(TimeoutError):
                        wrong.accept()
        self.each(form)


class WithOneWorker(Localhost, Paths, unittest.TestCase):
    workers = 1


class WithTwoWorkers(Localhost, Paths, unittest.TestCase):
    workers = 2


class LoopbackToLoopback(Localhost, Paths, unittest.TestCase):
    """Here ports of the namespace's loopback that lead to the host are no servers of the guest."""
    workers, options = 1, ("--host-lo-to-ns-lo",)


if __name__ == "__main__":
    netns_test.main()
