#!/usr/bin/env python3
"""Streams from loopback to loopback and over the tap: whole, in order, and never at a standstill, however slow the readers are."""
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
from inside import Task, digest_of, send_octets, take_octets
from paths import ALL, BYPASS, MIB, TAP, Paths

FULL = bool(os.environ.get("TAPIOCA_FULL"))
GIB = 64 * MIB if netns_test.SANITIZED else 1024 * MIB       # each way, on every kind of path
COPY = 3072 * MIB if FULL else 32 * MIB


class Bulk(Paths):
    def start(self, ends, up, down):
        """Both ends send so much and read until the end; what proves that it arrived."""
        def send(s, length):
            send_octets(s, length)
            s.shutdown(socket.SHUT_WR)
        senders = [Task(send, s, length) for s, length in zip(ends, (up, down))]
        readers = [Task(take_octets, s) for s in ends]

        def finish():
            for sender in senders:
                sender.result()
            self.assertEqual([r.result() for r in readers], [(down, digest_of(down)), (up, digest_of(up))])
        return finish

    def streams(self, path, up, down):
        """One connection's, to the end; the seconds that it took."""
        with self.connection(path) as ends:
            began = time.monotonic()
            self.start(ends, up, down)()
            return time.monotonic() - began

    def test_bulk_each_way(self):
        speeds = []
        for path in self.bulk_paths:
            for up, down in ((self.bulk, 0), (0, self.bulk)):
                with self.subTest(path=path[0], up=up, down=down):
                    speeds.append(f"{path[0]} {self.bulk / MIB / self.streams(path, up, down):.0f}")
        print(f"MiB/s: {', '.join(speeds)}")

    def test_bulk_both_ways_at_once(self):
        for path in ALL:
            with self.subTest(path=path[0]):
                self.streams(path, 64 * MIB, 64 * MIB)

    def test_several_at_once(self):
        with contextlib.ExitStack() as stack:
            ends = [stack.enter_context(self.connection(path)) for path in BYPASS for _ in range(3)]
            for finish in [self.start(e, 24 * MIB, 24 * MIB) for e in ends]:
                finish()

    def test_copies_with_slow_readers(self):
        """As a database's COPY: writes of 8 KiB, a reader that takes odd amounts and often sleeps, with small buffers."""
        def write(s):
            left, row = COPY, bytes(range(256)) * 32
            while left:
                s.sendall(row)
                left -= len(row)
            s.shutdown(socket.SHUT_WR)

        def read(s, chance):
            got, odd, row = 0, random.Random(7), bytes(range(256)) * 1024
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
        for path in self.bulk_paths[:2]:
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


class BulkWithOneWorker(Bulk, unittest.TestCase):
    workers, bulk, bulk_paths = 1, GIB, (BYPASS[0], BYPASS[3], TAP[0], TAP[3])


class BulkWithTwoWorkers(Bulk, unittest.TestCase):
    workers, bulk, bulk_paths = 2, GIB if FULL else GIB // 4, (BYPASS[1], BYPASS[2], TAP[1], TAP[2])


class BulkWithoutBypass(Paths, unittest.TestCase):
    workers, options, bulk, bulk_paths = 1, ("--no-splice",), GIB if FULL else GIB // 4, BYPASS[:1]
    start, streams, test_bulk_each_way = Bulk.start, Bulk.streams, Bulk.test_bulk_each_way


if __name__ == "__main__":
    netns_test.main()
