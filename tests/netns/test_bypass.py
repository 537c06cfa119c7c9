#!/usr/bin/env python3
"""Connections between loopback interfaces, which go from socket to socket: how they end, and that none ever stalls.

The same cases run over the tap (the host's own address, a remote client), because nobody should be able to tell the difference.
"""
import contextlib
import os
import random
import selectors
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import connected_guest
from hosts import HOST4, HOST6, SimulatedHost
from inside import (BOTH, Task, accept_or_end, guest_place, host_place, meet, pair, plain, raise_descriptor_limit, remote_place, reset, send_octets,
                    take_octets)

FULL = bool(os.environ.get("TAPIOCA_FULL"))
SANITIZED = netns_test.SANITIZED
MIB = 1 << 20
BULK = 64 * MIB if SANITIZED else 1024 * MIB            # each way, on every path
COPY = 3072 * MIB if FULL else 48 * MIB
IN, OUT = 8000, 9000
PORTS = ("-t", f"{IN}", "-u", f"{IN}", "-T", f"{OUT},9100:9101,9200-9201", "-U", f"{OUT},9100:9101,9200-9201")
# name, client, address, port, server
BYPASS = (("in4", "host", "127.0.0.1", IN, "guest"), ("in6", "host", "::1", IN, "guest"),
          ("out4", "guest", "127.0.0.1", OUT, "host"), ("out6", "guest", "::1", OUT, "host"))
TAP = (("own4", "host", HOST4, IN, "guest"), ("own6", "host", HOST6, IN, "guest"),
       ("remote4", "remote", HOST4, IN, "guest"), ("remote6", "remote", HOST6, IN, "guest"))
ALL = BYPASS + TAP


class Paths:
    options = ()

    @classmethod
    def setUpClass(cls):
        raise_descriptor_limit()
        cls.host = SimulatedHost()
        cls.guest, cls.daemon = connected_guest(cls.host, "--workers", cls.workers, *cls.options, ports=PORTS)
        cls.places = {"host": host_place(cls.host), "guest": guest_place(cls.guest), "remote": remote_place(cls.host)}

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.host.close()

    def setUp(self):
        self.assertIsNone(self.daemon.process.poll(), self.daemon.log()[-2000:])

    @contextlib.contextmanager
    def connection(self, path, port=None):
        """Both ends, with the client's first."""
        _, client, address, asked, server = path
        # what answers on the host is bound to the loopback address: the daemon has no socket there that could collide
        ends = pair(self.places[client], self.places[server], address, asked, port or asked, address if server == "host" else "")
        with ends[0], ends[1]:
            yield ends

    def each(self, paths, form):
        """Runs form(one end, the other end) over each path, in both roles."""
        for path in paths:
            for turned in (False, True):
                with self.subTest(path=path[0], first="server" if turned else "client"), self.connection(path) as ends:
                    form(*(reversed(ends) if turned else ends))


class Endings(Paths):
    """How a connection ends, on every path and from either side."""

    def test_one_half_is_closed_first(self):
        def form(first, second):
            first.sendall(b"question")
            first.shutdown(socket.SHUT_WR)
            self.assertEqual(take_octets(second)[0], len(b"question"))
            sender = Task(send_octets, second, 8 * MIB)
            sender.then = None
            received = Task(take_octets, first)
            digest = sender.result()
            second.shutdown(socket.SHUT_WR)
            self.assertEqual(received.result(), (8 * MIB, digest))
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
                    self.assertEqual(server.recv(6, socket.MSG_WAITALL), b"%06d" % n)
                    server.sendall(b"%05d" % n)
                    self.assertEqual(client.recv(5, socket.MSG_WAITALL), b"%05d" % n)


class Bulk(Paths):
    """Streams: whole, in order, and never at a standstill."""

    def streams(self, path, up, down, pause=0.0):
        """Both ends send so much and read until the end; the seconds that it took."""
        began = time.monotonic()
        with self.connection(path) as ends:
            tasks = []
            for s, length in zip(ends, (up, down)):
                def send(s=s, length=length):
                    digest = send_octets(s, length)
                    s.shutdown(socket.SHUT_WR)
                    return digest
                tasks.append((Task(send), Task(take_octets, s, pause), length))
            (sent, got, up), (answered, received, down) = tasks
            self.assertEqual(received.result(), (up, sent.result()))
            self.assertEqual(got.result(), (down, answered.result()))
        return time.monotonic() - began

    def test_bulk_each_way(self):
        speeds = []
        for path in self.bulk_paths:
            for up, down in ((BULK, 0), (0, BULK)):
                with self.subTest(path=path[0], up=up, down=down):
                    speeds.append(f"{path[0]} {BULK / MIB / self.streams(path, up, down):.0f}")
        print(f"MiB/s: {', '.join(speeds)}")

    def test_bulk_both_ways_at_once(self):
        for path in ALL:
            with self.subTest(path=path[0]):
                self.streams(path, 64 * MIB, 64 * MIB)

    def test_several_at_once(self):
        tasks = [Task(self.streams, path, 32 * MIB, 32 * MIB) for path in BYPASS for _ in range(3)]
        for task in tasks:
            task.result()

    def test_copies_with_slow_readers(self):
        """As a database's COPY: writes of 8 KiB, a reader that takes odd amounts and often sleeps, with small buffers."""
        def write(s):
            left, row = COPY, bytes(range(256)) * 32
            while left:
                s.sendall(row)
                left -= len(row)
            s.shutdown(socket.SHUT_WR)

        def read(s, chance):
            got, odd, row = 0, random.Random(got_seed := 7), bytes(range(256)) * 1024
            self.assertEqual(got_seed, 7)
            while data := s.recv(odd.randrange(1, 200_000)):
                at = got % 256
                if data != row[at:at + len(data)]:
                    raise AssertionError(f"other octets after {got}")
                got += len(data)
                if odd.random() < chance:
                    time.sleep(odd.random() * 0.01)
            return got
        tasks = []
        with contextlib.ExitStack() as stack:
            for path in BYPASS + TAP[:1]:
                for turned in (False, True):
                    reader, writer = stack.enter_context(self.connection(path))[::-1 if turned else 1]
                    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
                    tasks.append((path[0], turned, Task(write, writer), Task(read, reader, 0.05)))
            for name, turned, writer, reader in tasks:
                with self.subTest(path=name, server_reads=turned):
                    self.assertEqual(reader.result(3600 if FULL else 120), COPY)
                    writer.result()

    def test_200_blocked_readers(self):
        """Writers fill everything between them and readers that do not read; others pass; then all readers go on and get everything."""
        for path in BYPASS:
            with self.subTest(path=path[0]), contextlib.ExitStack() as stack:
                ends = [stack.enter_context(self.connection(path)) for _ in range(200)]
                flows = [Flow(*(e if n % 2 else reversed(e))) for n, e in enumerate(ends)]
                fill(flows)
                blocked = [flow.sent for flow in flows]
                self.assertGreater(min(blocked), 0)
                self.assertLess(self.streams(path, 4 * MIB, 4 * MIB), 10)       # nobody waits for them
                drain(flows)
                for flow in flows:
                    self.assertEqual((flow.got, flow.ended), (flow.sent, True))
                print(f"{path[0]}: between {min(blocked) >> 10} and {max(blocked) >> 10} KiB were under way in each")


class Flow:
    """A writer and a reader, both without blocking; the octets are numbers that count."""
    block = b"".join(n.to_bytes(4, "big") for n in range(1 << 14))

    def __init__(self, writer, reader):
        self.writer, self.reader, self.sent, self.got, self.ended = writer, reader, 0, 0, False
        for s in (writer, reader):
            s.setblocking(False)
        writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)

    def write(self):
        """False when nothing more fits."""
        try:
            self.sent += self.writer.send(self.block[self.sent % len(self.block):])
            return True
        except BlockingIOError:
            return False

    def read(self):
        data = self.reader.recv(1 << 16)
        at = self.got % len(self.block)
        if data != (self.block + self.block)[at:at + len(data)]:
            raise AssertionError(f"other octets after {self.got}")
        self.got += len(data)
        self.ended = not data


def fill(flows):
    """Writes until nothing has moved for half a second."""
    quiet = time.monotonic()
    while time.monotonic() - quiet < 0.5:
        if any([flow.write() for flow in flows]):
            quiet = time.monotonic()
        else:
            time.sleep(0.01)


def drain(flows):
    """Ends all writers and reads until all readers have seen the end, or nothing comes for ten seconds."""
    with selectors.EpollSelector() as selector:
        for flow in flows:
            flow.writer.shutdown(socket.SHUT_WR)
            selector.register(flow.reader, selectors.EVENT_READ, flow)
        while selector.get_map() and (ready := selector.select(10)):
            for key, _ in ready:
                key.data.read()
                if key.data.ended:
                    selector.unregister(key.fileobj)


class EndingsWithOneWorker(Endings, unittest.TestCase):
    workers = 1


class EndingsWithTwoWorkers(Endings, unittest.TestCase):
    workers = 2


class EndingsWithoutBypass(Endings, unittest.TestCase):
    workers, options = 1, ("--no-splice",)


class BulkWithOneWorker(Bulk, unittest.TestCase):
    workers, bulk_paths = 1, BYPASS[:3] + TAP[::2]


class BulkWithTwoWorkers(Bulk, unittest.TestCase):
    workers, bulk_paths = 2, BYPASS[3:] + TAP[1::2]


class BulkWithoutBypass(Paths, unittest.TestCase):
    workers, options, bulk_paths = 1, ("--no-splice",), BYPASS[:2]
    streams, test_bulk_each_way = Bulk.streams, Bulk.test_bulk_each_way


if __name__ == "__main__":
    netns_test.main()
