#!/usr/bin/env python3
"""The limits of an egress policy with real sockets: a rate that is kept, a number of connections, and a quota; and another policy while they hold.

A busy machine makes everything slower and nothing faster: that a rate is not exceeded is judged strictly, that it is reached with patience.
"""
import contextlib
import errno
import json
import os
import re
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import Daemon, Guest
from hosts import FAR4, FAR6, HOST4, USER, SimulatedHost, wait_until
from inside import Place, Task, digest_of, exactly, guest_place, meet, pair, remote_place, send_octets, take_octets

PORT, OTHER = 7000, 7001
FAR = (FAR4, FAR6)
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
PROHIBITED = (errno.EHOSTUNREACH, errno.EACCES)         # in IPv4 and in IPv6
MBIT8 = 1_000_000                                       # octets a second
SLACK = MBIT8 // 100 + 2 * 65536                        # what may be ahead of the rate: its bucket, and a share of each direction
PORTS = ("-t", "8000:7000", "-u", "none", "-T", "none", "-U", "none")


class World:
    workers = 1

    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.addClassCleanup(cls.host.close)
        os.chmod(cls.host.dir, 0o777)
        cls.far = Place(f"/run/netns/{cls.host.far}")
        cls.remote = remote_place(cls.host)

    def setUp(self):
        self.guest = Guest(self.host)
        self.addCleanup(self.guest.close)
        self.inside = guest_place(self.guest)

    def limited(self, text, *options, rules=""):
        """A daemon with these limits, and by default no other rules."""
        control = f"{self.host.dir}/control{self.guest.pid}"
        self.daemon = Daemon(self.guest, "--workers", self.workers, "--control", control, "--egress", self.file(text, rules), *options, ports=PORTS)
        self.addCleanup(self.daemon.stop)

    def file(self, limits, rules=""):
        path = f"{self.host.dir}/limits{self.guest.pid}.toml"
        with open(path, "w") as f:
            f.write(f"{rules}\n[limit]\n{limits}\n")
        return path

    def limit_anew(self, text):
        self.tapioca("policy", "set", self.file(text), self.daemon.pid)

    def tapioca(self, *words):
        return self.host.run(self.host.binary("tapioca"), *words, uid=USER).stdout

    def counter(self, name):
        return self.daemon.counters()[0][name]

    def opened(self, address, port=PORT):
        """Both ends of a connection, which end with the test."""
        ends = pair(self.inside, self.far, address, port)
        for s in ends:
            self.addCleanup(s.close)
        return ends

    def is_refused(self, address, port=OTHER):
        """In all protocols; nothing is silent, and nobody has to wait."""
        for kind in (TCP, UDP):
            with self.subTest(refused=address, kind=kind):
                began = time.monotonic()
                with self.assertRaises(OSError) as refused:
                    meet(self.inside, self.far, address, port, kind)
                self.assertIn(refused.exception.errno, PROHIBITED)
                self.assertLess(time.monotonic() - began, 2)
        said = self.guest.run("ping", "-n", "-c", "1", "-W", "5", address, check=False, timeout=10)
        self.assertNotEqual(said.returncode, 0)
        self.assertRegex(said.stdout, "(?i)filtered|prohibited")

    @contextlib.contextmanager
    def events(self, expected):
        """Of what is denied meanwhile; one has these words."""
        watch = self.host.popen(self.host.binary("tapioca"), "watch", "--json", self.daemon.pid, uid=USER, stdout=-1)
        heard = []
        threading.Thread(target=lambda: heard.extend(map(json.loads, watch.stdout)), daemon=True).start()
        yield
        try:
            wait_until(lambda: any(e["event"] == "egress_denied" and expected in e["words"] for e in heard), f"event that says {expected}")
        finally:
            watch.terminate()


class Rates(World):
    def keeps_to_the_rate(self, octets, began, rate=MBIT8):
        """For octets that have all arrived by now."""
        took, due = time.monotonic() - began, octets / rate
        self.assertGreaterEqual(took, due - SLACK / rate)
        self.assertLess(took, 2 * due + 2)

    def send(self, s, length):
        send_octets(s, length)
        s.shutdown(socket.SHUT_WR)

    def moves(self, sender, receiver, length):
        """One direction of a connection, to its end: a task."""
        sending = Task(self.send, sender, length)
        def receive():
            got = take_octets(receiver)
            sending.result()
            self.assertEqual(got, (length, digest_of(length)))
        return Task(receive)

    def test_a_download_and_an_upload(self):
        self.limited('rate = "8mbit"')
        for address in FAR:
            for download in (True, False):
                with self.subTest(address=address, download=download):
                    client, server = self.opened(address)
                    began = time.monotonic()
                    self.moves(server, client, 2 * MBIT8).result() if download else self.moves(client, server, 2 * MBIT8).result()
                    self.keeps_to_the_rate(2 * MBIT8, began)
        self.assertEqual(self.counter("drop_egress_limit"), 0)         # connections wait and lose nothing

    def test_all_connections_and_directions_have_one_rate(self):
        self.limited('rate = "8mbit"')
        ends = [self.opened(address, PORT + n) for n, address in enumerate(FAR)]
        began = time.monotonic()
        tasks = [task for client, server in ends for task in (self.moves(server, client, MBIT8 // 2), self.moves(client, server, MBIT8 // 2))]
        for task in tasks:
            task.result()
        self.keeps_to_the_rate(2 * MBIT8, began)

    def test_what_peers_open_has_the_rate_too(self):
        self.limited('rate = "8mbit"')
        client, server = pair(self.remote, self.inside, HOST4, 8000, PORT)
        with client, server:
            began = time.monotonic()
            self.moves(server, client, 2 * MBIT8).result()
            self.keeps_to_the_rate(2 * MBIT8, began)

    def test_another_rate_while_octets_move(self):
        self.limited('rate = "8mbit"')
        client, server = self.opened(FAR4)
        began = time.monotonic()
        task = self.moves(server, client, 20 * MBIT8)
        time.sleep(1)
        self.limit_anew('rate = "10gbit"')
        task.result()
        self.assertLess(time.monotonic() - began, 15)
        self.limit_anew('rate = "8mbit"')
        began = time.monotonic()
        self.moves(client, server, 2 * MBIT8).result()
        self.keeps_to_the_rate(2 * MBIT8, began)

    def test_datagrams_and_pings_pass_while_a_connection_uses_up_the_rate(self):
        self.limited('rate = "8mbit"')
        client, server = self.opened(FAR4)
        downloading = self.moves(server, client, 60 * MBIT8)
        for address in FAR:
            with self.subTest(address=address), self.far.bound(address, OTHER, UDP) as far, self.inside.connected(address, OTHER, UDP) as s:
                s.settimeout(1)
                far.settimeout(1)
                answered = 0
                for _ in range(50):
                    with contextlib.suppress(TimeoutError):
                        s.send(b"question")
                        far.sendto(b"answer", far.recvfrom(100)[1])
                        answered += s.recv(100) == b"answer"
                    time.sleep(0.005)
                said = self.guest.run("ping", "-n", "-q", "-c", "20", "-i", "0.02", "-W", "5", address, check=False).stdout
                self.assertGreaterEqual(answered, 45)
                self.assertGreaterEqual(int(re.search(r"(\d+) received", said)[1]), 18)
        self.assertTrue(downloading.is_alive(), "the rate was not used up all the time")
        self.limit_anew("")
        downloading.result()

    def test_datagrams_beyond_the_rate_are_dropped_and_counted(self):
        self.limited('rate = "8mbit"')
        for address in FAR:
            with self.subTest(address=address), self.far.bound(address, PORT, UDP) as server, self.inside.connected(address, PORT, UDP) as client:
                server.settimeout(2)
                before = self.counter("drop_egress_limit")
                came = []

                def take():
                    with contextlib.suppress(TimeoutError):
                        while True:
                            came.append(len(server.recv(2000)))
                taking, began = Task(take), time.monotonic()
                sent = 0
                while time.monotonic() - began < 2:
                    for _ in range(10):
                        client.send(bytes(1000))
                        sent += 1000
                    time.sleep(0.002)
                elapsed = time.monotonic() - began
                taking.result()
                self.assertLessEqual(sum(came), MBIT8 * (elapsed + 0.1) + SLACK)
                self.assertGreater(sum(came), MBIT8 * elapsed / 4)
                dropped = self.counter("drop_egress_limit") - before
                self.assertGreater(dropped, 0)
                self.assertLessEqual(1000 * dropped + sum(came), sent)

    def test_pings_beyond_the_rate_are_dropped_and_counted(self):
        self.limited('rate = "200kbit"')
        for address in FAR:
            with self.subTest(address=address):
                before, began = self.counter("drop_egress_limit"), time.monotonic()
                said = self.guest.run("ping", "-n", "-q", "-c", "1000", "-i", "0.002", "-s", "292", "-W", "1", address, check=False).stdout
                elapsed = time.monotonic() - began
                answered = int(re.search(r"(\d+) received", said)[1])
                self.assertGreater(answered, 3)        # requests use up most of the rate, whether or not they are answered
                self.assertLessEqual(answered * 600, 25_000 * elapsed + SLACK)
                self.assertGreater(self.counter("drop_egress_limit"), before)


class Connections(World):
    def test_the_next_one_is_refused_until_one_ends(self):
        log = f"{self.host.dir}/audit{self.guest.pid}"
        self.limited("connections = 3", "--audit-log", log)
        ends = [self.opened(address, port) for address, port in ((FAR4, PORT), (FAR6, PORT), (FAR4, PORT + 2))]
        with self.events("beyond its limit of connections"):
            for address in FAR:
                self.is_refused(address)
        for client, server in ends:         # of these nothing is lost
            client.sendall(b"question")
            self.assertEqual(exactly(server, 8), b"question")
        self.assertGreaterEqual(self.counter("drop_egress_limit"), 6)
        for s in ends.pop():
            s.close()

        def passes():
            with contextlib.suppress(OSError):
                return meet(self.inside, self.far, FAR6, OTHER, TCP)
        wait_until(passes, "room for another connection")
        self.daemon.stop()
        with open(log) as f:
            lines = [json.loads(line) for line in f]
        refused = [line for line in lines if line["event"] == "refused"]
        self.assertEqual({(line["protocol"], line["remote"]["address"]) for line in refused}, {(protocol, address) for protocol in ("tcp", "udp", "echo") for address in FAR})
        for line in refused:
            self.assertEqual((line["reason"], line["verdict"], line["passed"], line["ground"], "flow" in line), ("egress_limit", "allow", False, "profile", False))

    def test_flows_of_all_protocols_count(self):
        self.limited("connections = 2")
        meet(self.inside, self.far, FAR4, PORT, UDP)                # its flow stays for a while
        self.guest.run("ping", "-n", "-c", "1", FAR6)
        for address in FAR:
            self.is_refused(address)

    def test_in_the_mode_audit_limits_hold(self):
        self.limited("connections = 1", rules='profile = "deny-all"\nmode = "audit"')
        self.opened(FAR4)
        self.is_refused(FAR6)

    def test_what_peers_open_does_not_count(self):
        self.limited("connections = 1")
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                for s in pair(self.remote, self.inside, HOST4, 8000, PORT):
                    stack.enter_context(s)
            self.opened(FAR4)
            self.is_refused(FAR4)

    def test_another_number_while_connections_stand(self):
        self.limited("connections = 2")
        ends = [self.opened(address) for address in FAR]
        self.is_refused(FAR4)
        self.limit_anew("connections = 3")
        ends.append(self.opened(FAR4, OTHER))
        self.is_refused(FAR6)
        self.limit_anew("connections = 1")
        for client, server in ends:         # those that stand go on
            client.sendall(b"question")
            self.assertEqual(exactly(server, 8), b"question")
        self.is_refused(FAR4)
        for client, server in ends[1:]:
            client.close()
            server.close()
        self.is_refused(FAR6)
        self.limit_anew("")
        self.opened(FAR6, OTHER)


class Quotas(World):
    QUOTA = 3 << 20

    def test_used_up_it_ends_all_and_lets_nothing_begin(self):
        log = f"{self.host.dir}/audit{self.guest.pid}"
        self.limited('quota = "3MiB/day"', "--audit-log", log)
        idle, (client, server) = self.opened(FAR6), self.opened(FAR4)
        with self.far.bound(FAR4, OTHER, UDP) as far, self.inside.connected(FAR4, OTHER, UDP) as datagrams:
            datagrams.send(b"one")
            self.assertEqual(far.recv(10), b"one")
            for sender, receiver in ((client, server), (server, client)):       # both directions, a third each
                task = Task(exactly, receiver, self.QUOTA // 3)
                send_octets(sender, self.QUOTA // 3)
                task.result()
            self.assertEqual(self.counter("flow_end_egress_limit"), 0)
            sending = Task(send_octets, client, 4 * self.QUOTA)
            for s in (server, *idle):
                with self.assertRaises(ConnectionResetError):
                    while s.recv(1 << 16):
                        pass
                    self.fail("an end, and no reset")
            with self.assertRaises(ConnectionError):
                sending.result()
            with self.assertRaises(OSError) as refused:
                for _ in range(100):        # its flow may end a moment later
                    datagrams.send(b"two")
                    time.sleep(0.05)
            self.assertIn(refused.exception.errno, PROHIBITED)
        with self.events("or its quota"):
            for address in FAR:
                self.is_refused(address)
        with self.assertRaises(ConnectionResetError), self.remote.connected(HOST4, 8000) as peer:
            peer.recv(1)
        self.assertEqual(self.counter("flow_end_egress_limit"), 3)
        self.assertGreaterEqual(self.counter("drop_egress_limit"), 6)
        self.daemon.stop()
        self.check_what_was_recorded(log)

    def check_what_was_recorded(self, log):
        with open(log) as f:
            lines = [json.loads(line) for line in f]
        ended = [line for line in lines if line["event"] == "ended"]
        self.assertEqual(sorted((line["protocol"], line["remote"]["address"]) for line in ended), [("tcp", FAR4), ("tcp", FAR6), ("udp", FAR4)])
        self.assertEqual({line["reason"] for line in ended}, {"egress_limit"})
        moved = sum(line["octets_from_guest"] + line["octets_to_guest"] for line in ended)
        self.assertGreaterEqual(moved, 2 * self.QUOTA // 3)        # the rest of it may have been cut off on its way
        self.assertLess(moved, 2 * self.QUOTA)
        refused = [line for line in lines if line["event"] == "refused"]
        self.assertEqual({line["reason"] for line in refused}, {"egress_limit"})
        self.assertEqual({line["protocol"] for line in refused}, {"tcp", "udp", "echo"})

    def test_what_was_used_outlives_another_policy(self):
        self.limited('quota = "3MiB/day"')
        client, server = self.opened(FAR4)
        task = Task(take_octets, server)
        with contextlib.suppress(ConnectionError):
            send_octets(client, 2 * self.QUOTA)
            client.recv(1)
        with self.assertRaises(ConnectionResetError):
            task.result()
        for text in ('quota = "3MiB/day"', 'quota = "2MiB/day"', 'quota = "3145728B/day"'):
            self.limit_anew(text)
            self.is_refused(FAR6)
        self.limit_anew('quota = "30MiB/day"')
        client, server = self.opened(FAR6)
        client.sendall(b"question")
        self.assertEqual(exactly(server, 8), b"question")
        self.assertEqual(json.loads(self.tapioca("policy", "show", "--json", self.daemon.pid))["policy"]["limit"]["quota"], "30MiB/day")


class RatesOfOneWorker(Rates, unittest.TestCase):
    pass


class RatesOfTwoWorkers(Rates, unittest.TestCase):
    workers = 2


class ConnectionsOfOneWorker(Connections, unittest.TestCase):
    pass


class ConnectionsOfTwoWorkers(Connections, unittest.TestCase):
    workers = 2


class QuotasOfOneWorker(Quotas, unittest.TestCase):
    pass


class QuotasOfTwoWorkers(Quotas, unittest.TestCase):
    workers = 2


if __name__ == "__main__":
    netns_test.main()
