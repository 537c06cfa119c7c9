#!/usr/bin/env python3
"""Peers that would be one to the guest: two rules lead to one port, or several addresses of the host are one in the guest's eyes. Each has its own
connection all the same, and the guest sees the second one with another source port."""
import contextlib
import os
import socket
import struct
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import connected_guest
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, SimulatedHost
from inside import exactly, family, guest_place, host_place, plain, raise_descriptor_limit, remote_place
from stopped import stopped, threads

PORTS = ("-t", "8001:8000", "-t", "8002:8000", "-u", "none", "-T", "none", "-U", "none")
CLIENT = 40100


class Peers:
    @classmethod
    def setUpClass(cls):
        raise_descriptor_limit()
        cls.host = SimulatedHost()
        cls.guest, cls.daemon = connected_guest(cls.host, "--workers", cls.workers, "--no-splice", ports=PORTS)
        cls.places = {"host": host_place(cls.host), "remote": remote_place(cls.host)}
        cls.server = guest_place(cls.guest).bound("", 8000)
        cls.server.settimeout(5)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()
        assert cls.daemon.stop() == 0
        cls.host.close()

    def connect(self, place, source, port, to):
        """A client at that port, whoever has it for another connection; with the end that the guest has accepted, and what that sees."""
        client = self.places[place].make(family(source))
        self.addCleanup(client.close)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind((source, port))
        client.connect(to)
        client.sendall(b"question")
        accepted, peer = self.server.accept()
        self.addCleanup(accepted.close)
        accepted.settimeout(5)
        self.assertEqual(exactly(accepted, 8), b"question")
        return client, accepted, (plain(peer[0]), peer[1])


class SamePeers(Peers):
    def assert_each_its_own(self, place, connections, seen=None):
        ends = [self.connect(place, *c) for c in connections]
        peers = [peer for _, _, peer in ends]
        self.assertEqual(len(set(peers)), len(peers), peers)
        self.assertEqual(peers[0][1], connections[0][1])                            # the first one's port is kept
        self.assertEqual(len({address for address, _ in peers}), 1, peers)
        for n, (client, accepted, _) in enumerate(ends):
            accepted.sendall(b"answer %d" % n)
        for n, (client, accepted, _) in enumerate(ends):
            self.assertEqual(exactly(client, 8), b"answer %d" % n)
            client.close()
            self.assertEqual(accepted.recv(1), b"")

    def test_two_rules_with_one_target(self):
        for place, source, to in (("remote", REMOTE4, HOST4), ("remote", REMOTE6, HOST6), ("host", "127.0.0.1", "127.0.0.1"), ("host", "::1", "::1")):
            for port in (CLIENT, 1023, 65535):      # the next one is of the same kind
                with self.subTest(to=to, port=port):
                    self.assert_each_its_own(place, [(source, port, (to, 8001)), (source, port, (to, 8002))])

    def test_several_loopback_addresses_with_one_port(self):
        self.assert_each_its_own("host", [(f"127.0.0.{n}", CLIENT, ("127.0.0.1", 8001)) for n in range(2, 12)])

    def test_many_with_the_same_ports(self):
        """The places that are found for some are in the way of others."""
        with contextlib.ExitStack() as stack:
            peers = set()
            for port in range(CLIENT, CLIENT + 40):
                for rule in (8001, 8002):
                    client, accepted, peer = self.connect("remote", REMOTE4, port, (HOST4, rule))
                    peers.add(peer)
                    stack.callback(client.close)
                    stack.callback(accepted.close)
            self.assertEqual(len(peers), 80)


class PortsTakenAgain(Peers):
    """A peer takes its port again at once. Its old connection is over on the host, though the worker that has it may not have heard of that."""
    def test_the_guest_sees_the_same_port(self):
        ports = range(CLIENT, CLIENT + 16)
        for client, _, _ in [self.connect("remote", REMOTE4, port, (HOST4, 8001)) for port in ports]:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.addCleanup(client.close)
            self.last.append(client)
        with stopped(threads(self.daemon.pid)[-1]):
            for client in self.last:
                client.close()
            time.sleep(0.3)     # the others hear of it
            for port in ports:
                client = self.places["remote"].make(family(REMOTE4))
                self.addCleanup(client.close)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                client.bind((REMOTE4, port))
                client.connect((HOST4, 8001))
            time.sleep(0.3)
        seen = set()
        for _ in ports:
            accepted, peer = self.server.accept()
            self.addCleanup(accepted.close)
            seen.add(peer[1])
        self.assertEqual(seen, set(ports))

    def setUp(self):
        self.last = []


class TakenAgainWithOneWorker(PortsTakenAgain, unittest.TestCase):
    workers = 1


class TakenAgainWithTwoWorkers(PortsTakenAgain, unittest.TestCase):
    workers = 2


class WithOneWorker(SamePeers, unittest.TestCase):
    workers = 1


class WithTwoWorkers(SamePeers, unittest.TestCase):
    workers = 2


if __name__ == "__main__":
    netns_test.main()
