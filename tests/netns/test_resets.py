#!/usr/bin/env python3
"""An answer before a reset: a server that does not read all of an upload says so and closes, which its kernel makes a reset. The client gets
the answer all the same, on every path and in both directions."""
import contextlib
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from hosts import REMOTE4, REMOTE6, SimulatedHost
from inside import Task, guest_place, host_place, remote_place
from passt import Passt, RelayedGuest
from paths import ALL, BYPASS, IN, TAP, Paths

OUTBOUND = (("outbound4", "guest", REMOTE4, 9300, "remote"), ("outbound6", "guest", REMOTE6, 9300, "remote"))
ANSWER = b"HTTP/1.1 413 Content Too Large\r\n\r\n"


def upload(s):
    """Sends until the other end does not want any more."""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while True:
            s.send(bytes(1 << 16))


def read_to_end(s):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while more := s.recv(1 << 16):
            data += more
    return data


class Answers(Paths):
    paths = ALL + OUTBOUND

    def test_an_answer_before_a_reset(self):
        def form(first, second):
            sender = Task(upload, first)
            time.sleep(0.2)                         # long enough for buffers to fill
            second.sendall(ANSWER)
            second.close()                          # with unread data: a reset
            sender.result(10)
            self.assertEqual(read_to_end(first), ANSWER)
        for _ in range(2):
            self.each(self.paths, form)

    def test_an_answer_while_the_upload_is_under_way(self):
        def form(first, second):
            sender = Task(upload, first)
            second.recv(1 << 20)
            second.sendall(ANSWER)
            second.close()
            sender.result(10)
            self.assertEqual(read_to_end(first), ANSWER)
        for _ in range(2):
            self.each(self.paths, form)


class LateReaders:
    def test_an_answer_to_a_client_that_looks_later(self):
        """More than its own queue holds. Over the tap the rest waits in the server's kernel, which takes it back when it resets."""
        def form(first, second):
            first.sendall(bytes(100_000))
            answer = ANSWER * 20_000                # 680 kB
            sender = Task(second.sendall, answer)
            time.sleep(0.5)
            if sender.is_alive():
                self.skipTest("buffers are too small here")
            second.close()
            got = read_to_end(first)
            self.assertEqual((len(got), got), (len(answer), answer))
        self.each(BYPASS, form)


class WithOneWorker(LateReaders, Answers, unittest.TestCase):
    workers = 1


class WithTwoWorkers(LateReaders, Answers, unittest.TestCase):
    workers = 2


class WithoutBypass(Answers, unittest.TestCase):
    workers, options = 2, ("--no-splice",)


class OverAStream(Answers, unittest.TestCase):
    """passt, whose client is a namespace."""
    paths = OUTBOUND + TAP

    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.daemon = Passt(cls.host, "-t", IN)
        cls.guest = RelayedGuest(cls.host, cls.daemon)
        cls.places = {"host": host_place(cls.host), "guest": guest_place(cls.guest), "remote": remote_place(cls.host)}

    @classmethod
    def tearDownClass(cls):
        cls.guest.close()
        super().tearDownClass()


if __name__ == "__main__":
    netns_test.main()
