#!/usr/bin/env python3
"""auto: ports that somebody listens on appear on the other side soon, vanish soon, do not chase each other, and cost nothing."""
import contextlib
import os
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import connected_guest
from hosts import HOST4, HOST6, SimulatedHost
from inside import BOTH, Task, accept_or_end, guest_place, host_place, meet, raise_descriptor_limit, remote_place, running_seconds

AUTO = ("-t", "auto", "-u", "auto", "-T", "auto", "-U", "auto")
SOON = 2.0
TCP, UDP = BOTH[0][1], BOTH[1][1]


def answered(place, address, port, kind, server):
    """Whether a client reaches this server's socket right now; a refusal is False."""
    with contextlib.ExitStack() as stack:
        try:
            client = stack.enter_context(place.connected(address, port, kind, timeout=1))
            if kind == TCP:
                client.settimeout(1)
                server.settimeout(1)
                accept_or_end(server, client, stack)
                return True
            client.send(b"question")
            server.settimeout(0.2)
            while True:
                data, peer = server.recvfrom(100)
                server.sendto(data, peer)
                client.settimeout(0.5)
                if client.recv(100) == b"question":
                    return True
        except OSError:
            return False


def refused(place, address, port, kind):
    """Whether a new client is told that there is nobody; flows that are left of earlier ones do not matter."""
    try:
        with place.connected(address, port, kind, timeout=0.1) as client:
            client.send(b"question")
            client.recv(100)
    except ConnectionRefusedError:
        return True
    except OSError:
        pass
    return False


def open_port(place, address, port, kind):
    """Whether anything is bound to this port: a server cannot bind it beside."""
    try:
        with place.bound(address, port, kind):
            return False
    except OSError:
        return True


def within(condition, seconds):
    """How soon the condition came true, or None."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            return None
        time.sleep(0.02)
    return time.monotonic() - began


class Basics:
    """What depends on the workers."""
    @classmethod
    def setUpClass(cls):
        raise_descriptor_limit()
        cls.host = SimulatedHost()
        cls.guest, cls.daemon = connected_guest(cls.host, "--workers", cls.workers, ports=AUTO)
        cls.inner, cls.outer, cls.remote = guest_place(cls.guest), host_place(cls.host), remote_place(cls.host)

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.host.close()

    def setUp(self):
        self.assertIsNone(self.daemon.process.poll(), self.daemon.log()[-2000:])

    @staticmethod
    def comes_and_goes(server_place, server_address, port, kind, clients):
        """A server starts and stops; what went wrong for a client that should reach it soon, and soon no longer."""
        wrong = []
        with server_place.bound(server_address, port, kind) as server:
            for place, address in clients:
                if within(lambda: answered(place, address, port, kind, server), SOON) is None:
                    wrong.append(f"{address} {port}: not reachable")
        for place, address in clients:
            if within(lambda: refused(place, address, port, kind), SOON) is None:
                wrong.append(f"{address} {port}: still there")
        return wrong

    def test_servers_come_and_go(self):
        inner, outer = self.inner, self.outer
        cases = ((inner, "", 5000, ((outer, "127.0.0.1"), (outer, "::1"))), (inner, HOST4, 5002, ((outer, "127.0.0.1"),)),
                 (inner, HOST6, 5004, ((outer, "::1"),)), (outer, "127.0.0.1", 5006, ((inner, "127.0.0.1"),)),
                 (outer, "::1", 5008, ((inner, "::1"),)), (outer, "", 5010, ((inner, "127.0.0.1"), (inner, "::1"))))
        tasks = [(protocol, port, Task(self.comes_and_goes, place, address, port + n, kind, clients))
                 for place, address, port, clients in cases for n, (protocol, kind) in enumerate(BOTH)]
        for protocol, port, task in tasks:
            with self.subTest(protocol=protocol, port=port):
                self.assertEqual(task.result(), [])

    def test_a_server_that_comes_again(self):
        for _ in range(3):
            with self.inner.bound("", 5036) as server:
                self.assertIsNotNone(within(lambda: answered(self.outer, "127.0.0.1", 5036, TCP, server), SOON))
            self.assertIsNotNone(within(lambda: not open_port(self.outer, "127.0.0.1", 5036, TCP), SOON))


class Everything(Basics):
    def test_a_remote_client_reaches_them_too(self):
        for protocol, kind in BOTH:
            with self.inner.bound("", 5030, kind) as server:
                for address in (HOST4, HOST6):
                    with self.subTest(protocol=protocol, address=address):
                        self.assertIsNotNone(within(lambda: answered(self.remote, address, 5030, kind, server), SOON))

    def test_many_at_once(self):
        with contextlib.ExitStack() as stack:
            servers = {port: stack.enter_context(self.inner.bound("", port)) for port in range(6000, 6200)}
            for port in (6000, 6099, 6199):
                self.assertIsNotNone(within(lambda: answered(self.outer, "127.0.0.1", port, TCP, servers[port]), SOON))
        self.assertIsNotNone(within(lambda: not any(open_port(self.outer, "127.0.0.1", port, TCP) for port in (6000, 6099, 6199)), SOON))

    def test_connections_outlive_their_server(self):
        with contextlib.ExitStack() as stack:
            with self.inner.bound("", 5037) as server:
                self.assertIsNotNone(within(lambda: answered(self.outer, "127.0.0.1", 5037, TCP, server), SOON))
                client = stack.enter_context(self.outer.connected("127.0.0.1", 5037))
                accepted, _ = accept_or_end(server, client, stack)
            self.assertIsNotNone(within(lambda: not open_port(self.outer, "127.0.0.1", 5037, TCP), SOON))
            client.sendall(b"still there")
            accepted.settimeout(3)
            self.assertEqual(accepted.recv(100), b"still there")

    def test_no_port_keeps_itself_open(self):
        """What -t opened on the host is no reason for -T to open it in the guest, nor the other way round, whoever looks first."""
        rows = [(here, there, port, kind) for here, there, port in ((self.inner, self.outer, 5040), (self.outer, self.inner, 5041)) for _, kind in BOTH]
        with contextlib.ExitStack() as stack:
            for here, _, port, kind in rows:
                stack.enter_context(here.bound("127.0.0.1", port, kind))
            for _, there, port, kind in rows:
                self.assertIsNotNone(within(lambda: open_port(there, "127.0.0.1", port, kind), SOON))
            time.sleep(2.2)             # time for the other direction's scans
        for here, there, port, kind in rows:
            with self.subTest(port=port, kind=kind.name):
                self.assertIsNotNone(within(lambda: not open_port(there, "127.0.0.1", port, kind), SOON), "the listener survives its reason")
                self.assertFalse(open_port(here, "127.0.0.1", port, kind))

    def test_a_port_in_use_on_both_sides(self):
        with self.inner.bound("", 5051) as inner, self.outer.bound("", 5051) as outer:
            time.sleep(2.2)
            for place, server in ((self.outer, outer), (self.inner, inner)):       # each side keeps its own
                self.assertTrue(answered(place, "127.0.0.1", 5051, TCP, server))
            outer.close()
            self.assertIsNotNone(within(lambda: answered(self.outer, "127.0.0.1", 5051, TCP, inner), 2 * SOON))

    def test_a_udp_port_follows_its_tcp_port(self):
        """A protocol may speak TCP first and bind its UDP socket only when asked (iperf3)."""
        with self.inner.bound("", 5050):
            self.assertIsNotNone(within(lambda: open_port(self.outer, "127.0.0.1", 5050, UDP), SOON))
            meet(self.outer, self.inner, "127.0.0.1", 5050, UDP)

    def test_ephemeral_ports_are_left_alone(self):
        with self.inner.bound("", 40000), self.inner.bound("", 40001, UDP):
            time.sleep(2.2)
            self.assertFalse(open_port(self.outer, "127.0.0.1", 40000, TCP))
            self.assertFalse(open_port(self.outer, "127.0.0.1", 40001, UDP))


class AutoWithOneWorker(Everything, unittest.TestCase):
    workers = 1


class AutoWithTwoWorkers(Everything if os.environ.get("TAPIOCA_FULL") else Basics, unittest.TestCase):
    workers = 2


class Limited(unittest.TestCase):
    """auto with ports beside it."""
    def test_only_the_ports_of_the_list(self):
        host = SimulatedHost()
        self.addCleanup(host.close)
        guest, daemon = connected_guest(host, ports=("-t", "5000-5001:5100-5101,auto", "-u", "~5003,auto", "-T", "none", "-U", "none"))
        inner, outer = guest_place(guest), host_place(host)
        with inner.bound("", 5100) as mapped, inner.bound("", 5002), inner.bound("", 5003, UDP), inner.bound("", 5004, UDP) as allowed:
            self.assertIsNotNone(within(lambda: answered(outer, "127.0.0.1", 5000, TCP, mapped), SOON))
            self.assertIsNotNone(within(lambda: answered(outer, "127.0.0.1", 5004, UDP, allowed), SOON))
            for port, kind in ((5001, TCP), (5002, TCP), (5100, TCP), (5003, UDP)):
                self.assertFalse(open_port(outer, "127.0.0.1", port, kind))
        daemon.stop()


def reading_seconds(pid):
    """Processor time that this machine takes to list the sockets of a namespace as text: how fast it is."""
    best = 1
    for _ in range(5):
        begin = time.thread_time()
        for table in ("tcp", "tcp6", "udp", "udp6"):
            with open(f"/proc/{pid}/net/{table}", "rb") as file:
                file.read()
        best = min(best, time.thread_time() - begin)
    return best


class Idle(unittest.TestCase):
    """10 000 sockets in the namespace, none of which does anything: 4000 connections' ends, 3000 TCP and 3000 UDP servers."""
    @staticmethod
    def idle_share(pid, seconds=5):
        before = running_seconds(pid)
        time.sleep(seconds)
        return (running_seconds(pid) - before) / seconds

    def test_the_processor_is_left_alone(self):
        limit = raise_descriptor_limit()
        host = SimulatedHost()
        self.addCleanup(host.close)
        guest, daemon = connected_guest(host, ports=AUTO)
        place, kept = guest_place(guest), []
        count = min(3000, (limit - 500) * 3 // 10)
        for port in range(20000, 20000 + count):
            kept.append(place.bound("", port, TCP, backlog=8))
            kept.append(place.bound("", port, UDP))
        for n in range(count * 2 // 3):
            server = kept[2 * (n % count)]
            kept.append(place.connected("::1", server.getsockname()[1]))
            kept.append(server.accept()[0])
        print(f"{len(kept)} sockets")
        time.sleep(3)               # for what the daemon opens on the host
        used = min(self.idle_share(daemon.pid) for _ in range(3))   # other work on the machine makes a stretch dearer, never cheaper
        tables = reading_seconds(guest.pid)
        print(f"idle: {100 * used:.2f} % of a processor; to read the kernel's tables in text takes {1000 * tables:.1f} ms")
        for s in kept:
            s.close()
        self.assertEqual(daemon.stop(), 0)
        if not netns_test.SANITIZED:
            self.assertLess(used, max(0.005, tables / 6))    # a second of it; on a slow machine both take longer


if __name__ == "__main__":
    netns_test.main()
