#!/usr/bin/env python3
"""Datagrams from loopback to loopback: boundaries, peers, bursts. And --splice-only, where nothing but loopback is connected."""
import contextlib
import os
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import Daemon, Guest
from hosts import HOST4, HOST6, REMOTE4, SimulatedHost
from inside import BOTH, exactly, guest_place, host_place, meet, pair, plain, remote_place
from paths import BYPASS, IN, OUT, PORTS, TAP, Paths
from stopped import stopped, threads
from services import PATTERN

DATAGRAM = socket.SOCK_DGRAM
SIZES = (0, 1, 1472, 1473, 9000, 65507)


def resident_stopped(pid):
    """The daemon's thread in the namespace."""
    outside = os.readlink(f"/proc/{pid}/ns/net")
    resident, = (task for task in threads(pid) if os.readlink(f"/proc/{pid}/task/{task}/ns/net") != outside)
    return stopped(resident)


class Datagrams(Paths):
    @contextlib.contextmanager
    def server(self, path):
        _, _, address, port, server = path
        with self.places[server].bound(address if server == "host" else "", port, DATAGRAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            yield s

    def client(self, path):
        s = self.places[path[1]].connected(path[2], path[3], DATAGRAM, timeout=5)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.addCleanup(s.close)
        return s

    def test_boundaries_are_kept(self):
        for path in BYPASS + TAP:
            with self.subTest(path=path[0]), self.server(path) as server:
                client = self.client(path)
                for size in SIZES:
                    client.send(PATTERN[:size])
                    data, peer = server.recvfrom(65536)
                    self.assertEqual(data, PATTERN[:size])
                    server.sendto(PATTERN[size:2 * size], peer)
                    self.assertEqual(client.recv(65536), PATTERN[size:2 * size])

    def test_each_client_gets_its_own_answers(self):
        for path in BYPASS:
            with self.subTest(path=path[0]), self.server(path) as server:
                clients = [self.client(path) for _ in range(100)]
                for attempt in range(2):
                    for n, client in enumerate(clients):
                        client.send(b"%d of %d" % (n, attempt))
                    peers = set()
                    for _ in clients:
                        data, peer = server.recvfrom(100)
                        peers.add(peer)
                        server.sendto(b"answer " + data, peer)
                    self.assertEqual(len(peers), len(clients))
                    for n, client in enumerate(clients):
                        self.assertEqual(client.recv(100), b"answer %d of %d" % (n, attempt))

    def test_new_clients_wait_for_the_thread_that_makes_sockets(self):
        for path in BYPASS:
            with self.subTest(path=path[0]), self.server(path) as server:
                clients = [self.client(path) for _ in range(100)]
                with resident_stopped(self.daemon.pid):
                    for client in clients:
                        client.send(b"question")
                    time.sleep(0.5)
                self.assertEqual(len({server.recvfrom(100)[1] for _ in clients}), len(clients))

    def test_bursts_arrive_in_order(self):
        for path in BYPASS:
            with self.subTest(path=path[0]), self.server(path) as server:
                client = self.client(path)
                client.send(b"first")
                _, peer = server.recvfrom(100)
                for sender, receiver in ((client.send, server), (lambda data: server.sendto(data, peer), client)):
                    for n in range(300):
                        sender(b"%06d" % n + PATTERN[:n % 1400])
                    self.assertEqual([receiver.recv(2000) for _ in range(300)], [b"%06d" % n + PATTERN[:n % 1400] for n in range(300)])

    def test_a_server_that_comes_late(self):
        for path in BYPASS:
            with self.subTest(path=path[0]):
                client = self.client(path)
                client.send(b"too early")       # the refusal inside must not end the flow
                time.sleep(0.2)
                with self.server(path) as server:
                    for _ in range(2):
                        with contextlib.suppress(ConnectionRefusedError):
                            client.send(b"now")
                    self.assertEqual(server.recvfrom(100)[0], b"now")

    def test_the_client_s_port_is_kept(self):
        for path in BYPASS:
            with self.subTest(path=path[0]), self.server(path) as server:
                client = self.client(path)
                client.send(b"question")
                self.assertEqual(server.recvfrom(100)[1][1], client.getsockname()[1])

    def test_the_host_is_reached_from_loopback_only(self):
        for address in (HOST4, HOST6):
            with self.subTest(address=address), self.assertRaises(ConnectionRefusedError):
                with self.places["guest"].connected(address, OUT, DATAGRAM) as s:
                    s.send(b"question")
                    s.recv(100)


class DatagramsWithOneWorker(Datagrams, unittest.TestCase):
    workers = 1


class DatagramsWithTwoWorkers(Datagrams, unittest.TestCase):
    workers = 2


class SpliceOnly:
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.guest = Guest(cls.host)
        cls.daemon = Daemon(cls.guest, "--splice-only", "--workers", cls.workers, ports=PORTS, config_net=False)
        cls.inner, cls.outer, cls.remote = guest_place(cls.guest), host_place(cls.host), remote_place(cls.host)

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.host.close()

    def test_the_namespace_has_loopback_and_nothing_else(self):
        links = self.guest.run("ip", "-o", "link").stdout.splitlines()
        self.assertEqual([line.split(": ")[1] for line in links], ["lo"])
        self.assertIn("UP", links[0].split("<")[1].split(">")[0])

    def test_loopback_is_connected_both_ways(self):
        for client, server, port in ((self.outer, self.inner, IN), (self.inner, self.outer, OUT)):
            for address in ("127.0.0.1", "::1"):
                for protocol, kind in BOTH:
                    with self.subTest(port=port, address=address, protocol=protocol):
                        self.assertEqual(meet(client, server, address, port, kind, server_address=address), (address, address))

    def test_everybody_else_is_refused(self):
        for place, address in ((self.remote, HOST4), (self.remote, HOST6), (self.outer, HOST4), (self.outer, HOST6)):
            with self.subTest(address=address), self.inner.bound("", IN) as server:
                with self.assertRaises(ConnectionResetError), place.connected(address, IN) as client:
                    client.settimeout(3)
                    client.recv(1)
                server.settimeout(0.1)
                with self.assertRaises(TimeoutError):
                    server.accept()
            with self.subTest(address=address, protocol="udp"), self.inner.bound("", IN, DATAGRAM) as server:
                with place.connected(address, IN, DATAGRAM) as client:
                    client.send(b"question")
                    server.settimeout(0.3)
                    with self.assertRaises(TimeoutError):
                        server.recv(100)
        self.assertEqual(meet(self.outer, self.inner, "127.0.0.1", IN, DATAGRAM), ("127.0.0.1", "127.0.0.1"))     # the listener has survived that

    def test_the_guest_reaches_nobody(self):
        with self.assertRaises(OSError):
            self.inner.connected(REMOTE4, 80, timeout=3)

    def test_a_stream_arrives_whole(self):
        client, server = pair(self.outer, self.inner, "127.0.0.1", IN)
        with client, server:
            self.assertEqual(plain(server.getpeername()[0]), "127.0.0.1")
            for n in range(64):
                client.sendall(PATTERN[:1 << 16])
                self.assertEqual(exactly(server, 1 << 16), PATTERN[:1 << 16])


class SpliceOnlyWithOneWorker(SpliceOnly, unittest.TestCase):
    workers = 1


class SpliceOnlyWithTwoWorkers(SpliceOnly, unittest.TestCase):
    workers = 2


if __name__ == "__main__":
    netns_test.main()
