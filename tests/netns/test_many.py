#!/usr/bin/env python3
"""Many connections from outside: in a loop, all at once, in a burst. What a round took is given back: descriptors, flows, pipes, memory.

Both ends of each connection are in this process, which has the same limit of open files as the daemon.
"""
import contextlib
import itertools
import os
import select
import selectors
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import connected_guest
from hosts import HOST4, REMOTE4, SimulatedHost, wait_until
from inside import (anonymous_octets, descriptors, exactly, guest_place, host_place, inside, raise_descriptor_limit, remote_place, resident_kib, settled)

PORTS = ("-t", "8000", "-u", "8000", "-T", "9000", "-U", "9000")
LIMIT = raise_descriptor_limit()
LOOP, BURST = 10_000, 1000
# A connection takes two descriptors here; in the daemon one over the tap, and two and perhaps two pipes through the bypass.
TAP_OPEN, BYPASS_OPEN = min(5000, (LIMIT - 1000) // 2), min(5000, (LIMIT - 1000) // 3)
# name, client, address, port, server, how many at once
PATHS = (("tap", "remote", HOST4, 8000, "guest", TAP_OPEN), ("bypass in", "host", "127.0.0.1", 8000, "guest", BYPASS_OPEN),
         ("bypass out", "guest", "::1", 9000, "host", BYPASS_OPEN))


def connections(place):
    """How many connections the kernel knows in a namespace, without those that only wait for late segments."""
    with inside(place.path):
        tables = [open(f"/proc/thread-self/net/{name}").readlines()[1:] for name in ("tcp", "tcp6")]
    return sum(line.split()[3] not in ("06", "0A") for table in tables for line in table)


class Rounds:
    """A client's and a server's sockets in one loop, neither ever waiting for a single one."""

    def __init__(self, client, server, address, port, server_address):
        self.client, self.endpoint = client, client.endpoint(address, port)
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = server.bound(server_address, port, backlog=4096)
        self.listener.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.listener.close()

    def exchanges(self, total, at_once):
        """Opens, echoes a line on, and closes so many connections; how many went right."""
        right, started = 0, 0
        with selectors.EpollSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ, None)
            under_way = 0
            while right < total:
                while started < total and under_way < at_once:
                    self._open(selector, started)
                    started, under_way = started + 1, under_way + 1
                ready = selector.select(20)
                if not ready:
                    raise TimeoutError(f"{right} of {total} came to their end, {under_way} are stuck")
                for key, _ in ready:
                    if key.data is None:
                        self._accept(selector)
                    elif key.data == "server":
                        self._serve(selector, key.fileobj)
                    elif self._finish(selector, key):
                        right, under_way = right + 1, under_way - 1
        return right

    def _open(self, selector, number):
        s = self.client.make(self.family)
        s.setblocking(False)
        s.connect_ex(self.endpoint)
        selector.register(s, selectors.EVENT_WRITE, [b"%08d" % number, b""])

    def _accept(self, selector):
        for _ in range(64):
            try:
                s, _ = self.listener.accept()
            except BlockingIOError:
                return
            s.setblocking(False)
            selector.register(s, selectors.EVENT_READ, "server")

    def _serve(self, selector, s):
        if data := s.recv(100):
            s.send(data)
        else:
            selector.unregister(s)
            s.close()

    def _finish(self, selector, key):
        s, (line, answer) = key.fileobj, key.data
        if key.events & selectors.EVENT_WRITE:
            s.send(line)
            selector.modify(s, selectors.EVENT_READ, [line, b""])
            return False
        data = s.recv(100)
        key.data[1] = answer + data
        if data and len(key.data[1]) < len(line):
            return False
        if key.data[1] != line:
            raise AssertionError(f"{line} came back as {key.data[1]}")
        selector.unregister(s)
        s.close()
        return True

    def open_all(self, count):
        """So many connections that stay, as (client, server) in no order."""
        clients, servers = [], []
        for n in range(count):
            s = self.client.make(self.family)
            s.setblocking(False)
            s.connect_ex(self.endpoint)
            clients.append(s)
            if n % 100 == 99:
                self._take(servers, n + 1 - 200)        # never more than some 200 that wait
        self._take(servers, count)
        return clients, servers

    def _take(self, servers, until):
        while len(servers) < until:
            if not select.select([self.listener], [], [], 20)[0]:
                raise TimeoutError(f"{len(servers)} of {until} connections were accepted")
            servers.append(self.listener.accept()[0])


class Many:
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        for namespace in (cls.host.name, cls.host.remote):
            cls.host.run("nsenter", f"--net=/run/netns/{namespace}", "sysctl", "-qw", "net.ipv4.ip_local_port_range=10000 65535", "net.core.somaxconn=4096")
        cls.guest, cls.daemon = connected_guest(cls.host, "--workers", cls.workers, ports=PORTS)
        cls.guest.run_as_root("sysctl", "-qw", "net.ipv4.ip_local_port_range=10000 65535", "net.core.somaxconn=4096")
        cls.places = {"host": host_place(cls.host), "guest": guest_place(cls.guest), "remote": remote_place(cls.host)}

    @classmethod
    def tearDownClass(cls):
        status = cls.daemon.stop()
        cls.host.close()
        assert status == 0

    @contextlib.contextmanager
    def rounds(self, path):
        """What runs the connections of a path, as a case of its own."""
        name, client, address, port, server, _ = path
        with self.subTest(path=name), Rounds(self.places[client], self.places[server], address, port, address if server == "host" else "") as made:
            yield made

    def open_descriptors(self):
        return descriptors(self.daemon.pid)

    def flows(self):
        """TCP flows that began and have not ended, by the daemon's own counters."""
        total, _ = self.daemon.counters()
        return sum(total[name] for name in ("tcp_flows_opened", "tcp_flows_accepted", "spliced_flows_opened")) - \
            total["tcp_flows_closed"] - total["spliced_flows_closed"]

    def gives_back(self, form):
        """Runs the form twice: the second time must leave as many descriptors as the first, no flow, and hardly more memory."""
        form()
        before = settled(self.open_descriptors, "descriptors")
        memory = resident_kib(self.daemon.pid)
        form()
        after = settled(self.open_descriptors, "descriptors")
        # sockets that wait in a pool for new connections are some more or less; connections show in the kernel's table
        self.assertLess(abs(after.pop("socket") - before.pop("socket")), 64 * self.workers)
        self.assertEqual(after, before)
        for name in ("host", "guest"):
            wait_until(lambda: not connections(self.places[name]), f"end of the connections of the {name}")
        self.assertEqual(self.flows(), 0)
        after = resident_kib(self.daemon.pid)
        print(f"resident: {memory} KiB, then {after} KiB")
        if not netns_test.SANITIZED:
            self.assertLessEqual(after, 1.1 * memory)

    def test_opened_and_closed_in_a_loop(self):
        for path in PATHS:
            with self.rounds(path) as rounds:
                began = time.monotonic()
                half = self.loop // 2
                self.gives_back(lambda: self.assertEqual(rounds.exchanges(half, 50), half))
                print(f"{path[0]}: {self.loop} connections in {time.monotonic() - began:.1f} s")

    def test_open_at_once(self):
        for path in PATHS:
            with self.rounds(path) as rounds:

                def form():
                    clients, servers = rounds.open_all(path[5])
                    self.assertEqual(len(servers), path[5])
                    # each carries something both ways while all are open
                    self.assertEqual(self.passed(clients, servers), path[5])
                    self.assertEqual(self.passed(servers, clients), path[5])
                    for s in clients + servers:
                        s.close()
                self.gives_back(form)
                print(f"{path[0]}: {path[5]} connections at once (the limit of open files is {LIMIT})")

    @staticmethod
    def passed(writers, readers):
        """How many of the numbers that the writers send come out of some reader, each once."""
        for n, s in enumerate(writers):
            s.setblocking(True)
            s.sendall(n.to_bytes(4, "big"))
        seen = set()
        for s in readers:
            s.settimeout(20)
            seen.add(exactly(s, 4))
        return len(seen)

    def test_a_burst(self):
        """All of them call in the same instant; nobody waits for a SYN to be sent again (1 s), though the guest's server is slow to accept."""
        for path in PATHS:
            with self.rounds(path) as rounds:
                began = time.monotonic()
                self.assertEqual(rounds.exchanges(BURST, BURST), BURST)
                print(f"{path[0]}: a burst of {BURST} was served in {time.monotonic() - began:.2f} s")

    def test_clients_that_reset(self):
        for path in PATHS:
            with self.rounds(path) as rounds:

                def form():
                    clients, servers = rounds.open_all(500)
                    for s in clients:
                        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                        s.close()
                    for s in servers:
                        s.settimeout(10)
                        with self.assertRaises(ConnectionResetError):
                            s.recv(1)
                        s.close()
                self.gives_back(form)


@unittest.skipIf(netns_test.SANITIZED, "sanitizers keep memory of their own")
class IdleFlows(unittest.TestCase):
    """What a connection over the tap costs while nothing happens, beyond what the first ones cost."""
    FIRST, FLOWS = 500, min(4000, (LIMIT - 1000) // 2 - 500)

    def grows(self, client, address, server):
        with contextlib.closing(SimulatedHost()) as host:
            guest, daemon = connected_guest(host, "--workers", 1, ports=PORTS)
            places = {"guest": guest_place(guest), "remote": remote_place(host)}
            with Rounds(places[client], places[server], address, 8000, "") as rounds, contextlib.ExitStack() as opened:
                for s in itertools.chain(*rounds.open_all(self.FIRST)):
                    opened.enter_context(s)
                memory, sockets = anonymous_octets(daemon.pid), descriptors(daemon.pid)["socket"]
                for s in itertools.chain(*rounds.open_all(self.FLOWS)):
                    opened.enter_context(s)
                each = (anonymous_octets(daemon.pid) - memory) / self.FLOWS
                print(f"from the {client}: {each:.0f} octets a flow")
                self.assertLessEqual(each, 256)
                self.assertEqual(descriptors(daemon.pid)["socket"] - sockets, self.FLOWS)
            self.assertEqual(daemon.stop(), 0)

    def test_one_from_outside_takes_a_descriptor_and_at_most_256_octets(self):
        self.grows("remote", HOST4, "guest")

    def test_one_of_the_guest_takes_a_descriptor_and_at_most_256_octets(self):
        self.grows("guest", REMOTE4, "remote")


class ManyWithOneWorker(Many, unittest.TestCase):
    workers, loop = 1, LOOP


class ManyWithTwoWorkers(Many, unittest.TestCase):
    workers, loop = 2, LOOP if os.environ.get("TAPIOCA_FULL") else LOOP // 2


if __name__ == "__main__":
    netns_test.main()
