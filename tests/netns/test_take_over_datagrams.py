#!/usr/bin/env python3
"""--take-over: UDP and echo flows go on with another process, whoever speaks next."""
import contextlib
import os
import socket
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from flood_frames import checksum
from guests import Guest, OnSimulatedHost
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, RESOLVER4, RESOLVER6, ROUTER4, wait_until
from inside import descriptors, guest_place, host_place, remote_place
from succession import FLOWS, MOVE, SERVES, STATE, YOURS, Between, Replaced, memory
from test_take_over import TIMES, TakeOver

PORTS = ("-t", "none", "-u", "8000:7000", "-T", "none", "-U", "none")
OTHER4, OTHER6 = "192.0.2.22", "2001:db8::22"   # of the host, beside those that it sends from
SERVICE4, SERVICE6 = "192.0.2.99", "2001:db8::99"
PACE = 0.004                                    # the tap holds 500 frames: those of two seconds
UDP = socket.SOCK_DGRAM


class Conversation(threading.Thread):
    """Numbered datagrams from the guest at a steady pace, which the other end sends back; in the order in which they came back."""

    def __init__(self, client, server):
        super().__init__(daemon=True)
        self.client, self.server, self.over, self.gives_up = client, server, threading.Event(), threading.Event()
        self.sent, self.got, self.sources = 0, [], set()
        self.others = [threading.Thread(target=f, daemon=True) for f in (self._answer, self._hear)]
        for s in (client, server):
            s.settimeout(0.2)
        for t in self.others:
            t.start()
        self.start()

    def run(self):
        while not self.over.wait(PACE):
            self.client.sendto(struct.pack("!I", self.sent), self.server.getsockname())
            self.sent += 1

    def _answer(self):
        while not self._is_complete():
            with contextlib.suppress(TimeoutError):
                octets, source = self.server.recvfrom(100)
                self.sources.add(source)
                self.server.sendto(octets, source)

    def _hear(self):
        while not self._is_complete():
            with contextlib.suppress(TimeoutError):
                self.got.append(struct.unpack("!I", self.client.recv(100))[0])

    def _is_complete(self):
        return self.over.is_set() and not self.is_alive() and len(self.got) >= self.sent or self.gives_up.is_set()

    def finish(self):
        self.over.set()
        self.join(10)
        self.others[1].join(10)
        return self.got

    def stop(self):
        self.over.set()
        self.gives_up.set()
        for t in self.others:
            t.join()


class Datagrams(OnSimulatedHost):
    workers = 1
    connection, say, until, steps, changed = TakeOver.connection, TakeOver.say, TakeOver.until, TakeOver.steps, TakeOver.changed

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.host.ip("addr", "add", OTHER4 + "/24", "dev", "eth0")
        cls.host.ip("addr", "add", OTHER6 + "/64", "dev", "eth0", "nodad", "preferred_lft", "0")
        for address in (RESOLVER4 + "/32", RESOLVER6 + "/128"):
            cls.host.run_remote("ip", "addr", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))

    def setUp(self):
        self.guest = Guest(self.host)
        self.addCleanup(self.guest.close)
        self.daemon = Replaced(self.guest, "--workers", self.workers, "--dns-forward", SERVICE4, "--dns-forward", SERVICE6, ports=PORTS)
        self.addCleanup(self.daemon.stop)
        self.inner, self.outer = guest_place(self.guest), remote_place(self.host)

    def pair(self, address):
        """The guest's socket, and a server's; nothing was sent."""
        server = self.outer.bound(address, 0, UDP)
        client = self.inner.make(server.family, UDP)
        for s in (client, server):
            self.addCleanup(s.close)
        return client, server

    def met(self, address):
        """The same when each has spoken once: (client, server, the guest's flow as the server sees it)."""
        client, server = self.pair(address)
        client.sendto(b"question", server.getsockname())
        octets, source = server.recvfrom(100)
        self.assertEqual(octets, b"question")
        server.sendto(b"answer", source)
        self.assertEqual(client.recv(100), b"answer")
        return client, server, source

    def speaks_first(self, met, text=b"news"):
        """The peer, to a guest that has not spoken since; by a socket that is no other's."""
        client, server, source = met
        server.sendto(text, source)
        self.assertEqual(client.recv(100), text)

    def test_conversations_run_through_replacements(self):
        conversations = [Conversation(*self.pair(a)) for a in (REMOTE4, REMOTE6, REMOTE4)]
        for c in conversations:
            self.addCleanup(c.stop)
        self.daemon.replace()
        sockets = descriptors(self.daemon.pid)["socket"]
        for _ in range(TIMES - 1):
            self.daemon.replace()
            time.sleep(0.05)
        for c in conversations:
            self.assertEqual(c.finish(), list(range(c.sent)))
            self.assertEqual(len(c.sources), 1)
        self.assertLessEqual(descriptors(self.daemon.pid)["socket"], sockets)
        print(f"\nconversations of {[c.sent for c in conversations]} datagrams, pauses up to {1000 * max(self.daemon.pauses()):.1f} ms")

    def test_a_peer_that_speaks_first_reaches_the_guest(self):
        all_met = [self.met(a) for a in (REMOTE4, REMOTE6)]
        for i in range(3):
            self.daemon.replace()
            for met in all_met:
                self.speaks_first(met, b"news %d" % i)

    def test_another_port_of_a_peer_reaches_the_guest(self):
        """As an answer from there would have before (RFC 4787, section 5); and other addresses do not."""
        client, _, source = self.met(REMOTE4)
        self.daemon.replace()
        with self.outer.bound("192.0.2.1", 0, UDP) as stranger, self.outer.bound(REMOTE4, 0, UDP) as other:
            stranger.sendto(b"from elsewhere", source)
            other.sendto(b"from another port", source)
            self.assertEqual(client.recvfrom(100), (b"from another port", (REMOTE4, other.getsockname()[1])))

    def test_what_comes_during_the_pause_is_delivered(self):
        all_met = [self.met(a) for a in (REMOTE4, REMOTE6)]

        def speak(kind, value, octets, fds):
            if kind == STATE:
                for client, server, source in all_met:
                    server.sendto(b"to the guest", source)
                    client.sendto(b"to the peer", server.getsockname())
            return kind, value, octets, fds
        before = self.daemon.process
        after = self.daemon.successor(path=Between(self.daemon, speak).path)
        wait_until(lambda: before.poll() is not None, "end of the one before", 20)
        self.daemon.process = after
        for client, server, source in all_met:
            self.assertEqual(client.recv(100), b"to the guest")
            self.assertEqual(server.recvfrom(100), (b"to the peer", source))

    def test_a_server_that_only_answers_does_so_from_the_address_that_was_called(self):
        """Even if its answer is late, and the host would have sent from another address."""
        with self.inner.bound("", 7000, UDP) as server:
            for called in (HOST4, OTHER4, HOST6, OTHER6):
                with self.subTest(called), self.outer.connected(called, 8000, UDP) as peer:
                    peer.send(b"question")
                    octets, source = server.recvfrom(100)
                    self.assertEqual(octets, b"question")
                    self.daemon.replace()
                    server.sendto(b"answer", source)
                    self.assertEqual(peer.recv(100), b"answer")
                    peer.send(b"another")
                    self.assertEqual(server.recvfrom(100), (b"another", source))

    def test_a_query_is_answered_after_the_replacement(self):
        query = struct.pack("!HHHHHH", 4711, 0x100, 1, 0, 0, 0) + b"\7example\3org\0\0\1\0\1"
        answer = query[:2] + b"\x81\x80" + query[4:]
        for service, resolver in ((SERVICE4, RESOLVER4), (SERVICE6, RESOLVER6)):
            with self.subTest(resolver), self.outer.bound(resolver, 53, UDP) as server, self.inner.make(server.family, UDP) as client:
                client.sendto(query, (service, 53))
                octets, source = server.recvfrom(100)
                self.assertEqual(octets, query)
                self.daemon.replace()
                server.sendto(answer, source)
                self.assertEqual(client.recvfrom(100)[0], answer)

    def request(self, address):
        """An echo request from the guest that nobody has answered yet: (its socket, the peer's, what that got, and from whom)."""
        v6 = ":" in address
        protocol = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
        af = socket.AF_INET6 if v6 else socket.AF_INET
        guest, peer = self.inner.make(af, socket.SOCK_RAW, protocol), self.outer.make(af, socket.SOCK_RAW, protocol)
        for s in (guest, peer):
            self.addCleanup(s.close)
        peer.bind((address, 0))
        message = struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, 4711, 1) + b"request"
        if not v6:
            message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
        guest.sendto(message, (address, 0))
        octets, source = self.next_of(peer, 128 if v6 else 8)
        return guest, peer, octets, source

    def next_of(self, s, kind):
        """The next message of that type."""
        while True:
            octets, source = s.recvfrom(1000)
            octets = octets[20:] if s.family == socket.AF_INET else octets
            if octets[0] == kind:
                return octets, source

    def test_an_echo_request_is_answered_after_the_replacement(self):
        for name in ("net.ipv4.icmp_echo_ignore_all", "net.ipv6.icmp.echo_ignore_all"):
            self.host.run_remote("sysctl", "-qw", f"{name}=1")
            self.addCleanup(self.host.run_remote, "sysctl", "-qw", f"{name}=0")
        for address, reply in ((REMOTE4, 0), (REMOTE6, 129)):
            with self.subTest(address):
                guest, peer, octets, source = self.request(address)
                self.daemon.replace()
                octets = bytes([reply, 0, 0, 0]) + octets[4:]
                if reply == 0:
                    octets = octets[:2] + struct.pack("!H", checksum(octets)) + octets[4:]
                peer.sendto(octets, source)
                answer, _ = self.next_of(guest, reply)
                self.assertEqual(answer[4:], struct.pack("!HH", 4711, 1) + b"request")

    def test_ping_misses_no_answer(self):
        with self.guest.popen("ping", "-i", "0.05", "-c", "100", REMOTE4, stdout=-1) as ping:
            while ping.poll() is None:
                self.daemon.replace()
                time.sleep(0.05)
            said = ping.stdout.read()
        self.assertIn("100 received, 0% packet loss", said)
        self.assertNotIn("DUP", said)

    def test_a_flow_that_the_new_options_lead_elsewhere_is_left_behind(self):
        """What went to the host's loopback does so no more where that is not to be reached, though the guest goes on speaking."""
        with host_place(self.host).bound("127.0.0.1", 0, UDP) as server, self.inner.make(socket.AF_INET, UDP) as client:
            to = ROUTER4, server.getsockname()[1]
            client.sendto(b"question", to)
            _, source = server.recvfrom(100)
            server.sendto(b"answer", source)
            self.assertEqual(client.recv(100), b"answer")
            self.daemon.replace()
            server.sendto(b"news", source)
            self.assertEqual(client.recv(100), b"news")
            met = self.met(REMOTE4)
            self.daemon.replace("--no-map-gw")
            client.sendto(b"to the router", to)
            self.speaks_first(met)
            server.settimeout(0.3)
            self.assertRaises(TimeoutError, server.recv, 100)

    def test_a_socket_that_would_be_bound_elsewhere_is_left_behind(self):
        client, server, _ = self.met(REMOTE4)
        self.daemon.replace("--outbound", OTHER4)
        client.sendto(b"question", server.getsockname())
        self.assertEqual(server.recvfrom(100)[1][0], OTHER4)

    def test_a_listener_whose_rule_has_gone_takes_its_flows_along(self):
        with self.inner.bound("", 7000, UDP) as server, self.outer.connected(HOST4, 8000, UDP) as peer:
            peer.send(b"question")
            _, source = server.recvfrom(100)
            met = self.met(REMOTE4)
            self.daemon.ports = (*PORTS[:2], "-u", "8001:7001", *PORTS[4:])
            self.daemon.replace()
            self.speaks_first(met)
            server.sendto(b"answer", source)
            peer.settimeout(0.3)
            self.assertRaises((TimeoutError, ConnectionRefusedError), peer.recv, 100)

    def test_who_vanishes_at_any_step_leaves_the_flows(self):
        all_met = [self.met(a) for a in (REMOTE4, REMOTE6)]
        steps = self.steps()
        for count in range(len(steps) + 1):
            with self.connection() as s:
                for step in steps[:count]:
                    step(s)
            for met in all_met:
                self.speaks_first(met)
        self.daemon.replace()
        for met in all_met:
            self.speaks_first(met)

    def test_the_one_before_is_killed_with_the_flows_on_their_way(self):
        """The new one has them if it had the state."""
        met = self.met(REMOTE4)
        for step in (YOURS, SERVES):
            with self.subTest(step):
                self.daemon.replace_though_killed(step)
                self.speaks_first(met)

    def test_what_is_not_what_it_claims_is_refused(self):
        met = self.met(REMOTE4)
        null = lambda _: os.open("/dev/null", os.O_RDWR)
        of_state = []

        def in_state(change):
            """The state, as it is changed."""
            def with_memory(kind, value, octets, fds):
                if kind == STATE:
                    state = change(bytearray(os.pread(fds[-1], value, 0)))
                    os.close(fds[-1])
                    fds[-1], value = memory(state), len(state)
                    of_state[:] = state
                return kind, value, octets, fds
            return with_memory
        header, socket_record, flow = 70, 70 + 8 + 2, 70 + 8 + 2 + 48

        def octet(at, value):
            def change(state):
                state[at] = value
                return state
            return change
        changes = {"no socket": self.changed(FLOWS, fd=null),
                   "a stream's": self.changed(FLOWS, fd=lambda _: socket.socket(socket.AF_INET, socket.SOCK_STREAM).detach()),
                   "one socket more": in_state(octet(header + 3, 2)), "a ping more": in_state(octet(header + 7, 1)),
                   "no socket's record": in_state(octet(header + 3, 0)), "unknown worker": in_state(octet(header + 8 + 1, 9)),
                   "more flows": in_state(octet(flow - 1, 2)), "no flows": in_state(octet(flow - 1, 0)),
                   "no UDP": in_state(octet(flow + 36, 6)), "listens": in_state(octet(socket_record, 1)),
                   "cut off": in_state(lambda state: state[:-1]), "more behind it": in_state(lambda state: state + b"x")}
        for name, change in changes.items():
            with self.subTest(name):
                said = self.daemon.refused(path=Between(self.daemon, change).path)
                self.assertIn("Couldn't take over", said)
                self.speaks_first(met)
        self.daemon.replace()
        self.speaks_first(met)


class WithOneWorker(Datagrams, unittest.TestCase):
    pass


class WithTwoWorkers(Datagrams, unittest.TestCase):
    workers = 2


if __name__ == "__main__":
    netns_test.main()
