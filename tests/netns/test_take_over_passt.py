#!/usr/bin/env python3
"""--take-over of a passt on a stream socket: machine, monitor and peers see nothing, whatever was under way on the stream."""
import os
import socket
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
import test_take_over
from guests import OnSimulatedHost
from hosts import HOST4, REMOTE4, ROUTER4, wait_until
from inside import guest_place, remote_place
from passt import RelayedGuest
from succession import FLOWS, LINK, MOVE, READY, SERVES, STATE, VERSION, YOURS, Between, ReplacedPasst, memory, unique_path

netns_test.needs_module("scapy")
from stream_client import Closed, Connection, StreamClient, arp_request, framed, is_arp_reply


class Machine(test_take_over.TakeOver, unittest.TestCase):
    """A kernel behind the stream: what is so for a namespace is so for a machine."""
    killed_at = (MOVE, LINK, FLOWS, STATE, READY, YOURS, SERVES)

    def setUp(self):
        self.daemon = ReplacedPasst(self.host)
        self.addCleanup(self.daemon.stop)
        self.guest = RelayedGuest(self.host, self.daemon)
        self.addCleanup(self.guest.close)
        self.inner, self.outer = guest_place(self.guest), remote_place(self.host)

    def check_what_cannot_change(self):
        command, target = self.daemon.command, self.daemon.target
        self.daemon.command = lambda: [self.host.binary(), "-f", "--config-net", "-t", "none", "-u", "none"]
        self.daemon.target = lambda: [self.guest.pid]
        self.assertIn("a machine on a stream socket", self.daemon.refused(paths=False))
        self.daemon.command, self.daemon.target = command, target

    def test_a_link_that_is_not_what_it_claims_is_refused(self):
        pair = self.outbound()
        null = lambda _: os.open("/dev/null", os.O_RDWR)
        file = lambda octets: lambda _: memory(octets)
        head = lambda version=VERSION, link=2, client=1, said=0, received=0, to_send=0: struct.pack("!IBBIII", version, link, client, said, received, to_send)

        def changed(octets, client=None):
            def change(kind, value, given, fds):
                if kind == LINK:
                    os.close(fds[0])
                    fds[0] = memory(octets)
                    value = len(octets)
                    if client:
                        os.close(fds[1])
                        fds[1] = client(fds)
                return kind, value, given, fds
            return change
        changes = {"newer": changed(head(version=VERSION + 1)), "a tap": changed(head(link=1)), "by vhost-user": changed(head(link=3)), "nobody": changed(head(client=0)),
                   "cut off": changed(head(received=100)), "too long": changed(head() + b"x"), "more than fits": changed(head(received=1 << 20) + bytes(1 << 20)),
                   "more to send than fits": changed(head(to_send=2 << 20) + bytes(2 << 20)), "said": changed(head(said=1) + b"x"), "no socket": changed(head(), null),
                   "not sealed": lambda kind, v, o, fds: (kind, v, o, [null(0), *fds[1:]] if kind == LINK else fds),
                   "none": lambda kind, v, o, fds: (FLOWS if kind == LINK else kind, v, o, fds)}
        for name, change in changes.items():
            with self.subTest(name):
                self.assertIn("Couldn't take over", self.daemon.refused(path=Between(self.daemon, change).path))
                self.exchange(pair)
        self.daemon.replace()
        self.exchange(pair)


class Stream(OnSimulatedHost, unittest.TestCase):
    """The monitor's end in the test's hands."""

    def serve(self, *options):
        self.daemon = ReplacedPasst(self.host, *options)
        self.addCleanup(self.daemon.stop)
        return self.daemon

    def client(self):
        client = StreamClient(self.daemon.guest_path)
        self.addCleanup(client.close)
        client.drain()
        return client

    def lives(self, client):
        self.assertIsNotNone(client.ask(arp_request(ROUTER4, HOST4), is_arp_reply))

    def ends(self):
        wait_until(lambda: self.daemon.process.poll() is not None, "end of the daemon", 20)
        self.assertEqual(self.daemon.process.returncode, 0, self.daemon.log())

    def test_frames_that_have_come_in_part_are_completed(self):
        self.serve()
        client = self.client()
        octets = framed(arp_request(ROUTER4, HOST4))
        for cut in (1, 3, 4, 5, len(octets) - 1):
            with self.subTest(cut=cut):
                client.send_octets(octets[:cut])
                client.wait_until_taken()
                self.daemon.replace()
                self.assertEqual(client.collect(1, 0.2, is_arp_reply), [])
                client.send_octets(octets[cut:])
                self.assertEqual(len(client.collect(1, 5, is_arp_reply)), 1)
        self.assertEqual(client.faults, [])

    def test_frames_that_wait_for_a_slow_monitor_arrive_whole(self):
        """More than sockets have room for: the rest goes with the process."""
        self.serve()
        client = self.client()
        count = 8000
        client.send(*[arp_request(ROUTER4, HOST4)] * count)
        client.wait_until_taken()
        for _ in range(3):
            self.daemon.replace()
        self.assertEqual(len(client.collect(count, 20, is_arp_reply)), count)
        self.assertEqual(client.faults, [])
        self.lives(client)

    def test_nothing_is_said_to_a_guest_that_stays(self):
        self.serve()
        client = self.client()
        self.lives(client)
        client.drain()
        self.daemon.replace()
        self.assertEqual(client.drain(0.5), [])
        self.lives(client)

    def test_one_guest_at_a_time_and_the_next_one_afterwards(self):
        self.serve()
        self.daemon.replace()       # nobody is there
        first = self.client()
        self.daemon.replace()
        with StreamClient(self.daemon.guest_path) as second:
            self.assertTrue(second.wait_for_close())
        self.lives(first)
        first.close()
        self.daemon.replace()
        wait_until(lambda: "Client connection closed" in self.daemon.log(), "word of its end")
        self.lives(self.client())

    def test_a_guest_that_leaves_during_the_pause_has_left(self):
        self.serve("--one-off")
        client = self.client()

        def leave(kind, value, octets, fds):
            if kind == STATE:
                client.close()
            return kind, value, octets, fds
        after = self.daemon.successor(path=Between(self.daemon, leave).path)
        wait_until(lambda: self.daemon.process.poll() is not None, "end of the one before", 20)
        self.daemon.process = after
        self.ends()

    def test_one_off_is_the_same_guest_afterwards(self):
        for comes_first in (True, False):
            with self.subTest(comes_first=comes_first):
                self.serve("--one-off")
                if comes_first:
                    client = self.client()
                self.daemon.replace()
                if not comes_first:
                    client = self.client()
                self.lives(client)
                client.close()
                self.ends()

    def test_paths(self):
        """Of the guest's socket: none is named, the same, another. A path stays where it is when its process ends."""
        self.serve()
        path, other = self.daemon.guest_path, unique_path(self.host, "guest")
        client = self.client()
        self.daemon.guest_path = None
        self.daemon.replace()
        self.lives(client)
        self.daemon.guest_path = other
        self.daemon.replace()
        self.lives(client)
        client.close()
        with self.assertRaises(ConnectionRefusedError):
            StreamClient(path)
        wait_until(lambda: "Client connection closed" in self.daemon.log(), "word of its end")
        self.lives(self.client())
        self.assertEqual(self.daemon.stop(), 0)
        self.assertTrue(os.path.exists(path) and os.path.exists(other))

    def test_a_connection_in_the_middle_of_a_frame(self):
        """A transfer both ways, cut anywhere by the test, through ten replacements."""
        self.serve()
        client = self.client()
        with remote_place(self.host).bound(REMOTE4, 0) as listener:
            connection = Connection(client, HOST4, 40000, REMOTE4, listener.getsockname()[1])
            peer, _ = listener.accept()
        with peer:
            peer.settimeout(20)
            for i in range(10):
                data = bytes(range(256)) * 5
                whole = framed(self.segment(client, connection, data))
                client.send_octets(whole[:100 * i + 1])
                client.wait_until_taken()
                peer.sendall(data)
                self.daemon.replace()
                client.send_octets(whole[100 * i + 1:])
                got = b""
                while len(got) < len(data):
                    got += peer.recv(1 << 16)
                self.assertEqual(got, data)
                self.assertEqual(connection.receive(len(data)), data)
        self.assertEqual(client.faults, [])

    def segment(self, client, connection, data):
        """The frame of a segment of that connection, which is taken to be sent."""
        sent = []
        client.send, send = lambda *frames: sent.extend(frames), client.send
        connection.send(data)
        client.send = send
        return sent[0]


if __name__ == "__main__":
    netns_test.main()
