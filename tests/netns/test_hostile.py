#!/usr/bin/env python3
"""Floods of a guest and of peers while an unrelated download runs: it keeps at least a third of its rate, memory stays bounded, and all is as before
afterwards. With TAPIOCA_FULL=1 each flood goes as fast as it can for 20 s; else for a moment and at a stated pace.
"""
import contextlib
import itertools
import os
import select
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import netns_test
from flood_frames import OURS, Frames
from guests import OnSimulatedHost, connected_guest
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, ROUTER4, SimulatedHost, run, wait_until
from inside import guest_place, host_place, inside, meet, raise_descriptor_limit, remote_place, resident_kib

FULL = bool(os.environ.get("TAPIOCA_FULL"))
LIMIT = raise_descriptor_limit()
CHEAP, DEAR = (0, 0) if FULL else (20_000, 3000)    # frames a second: answered or dropped; each opening a flow
WINDOW, UNDISTURBED, DISTURBED = (1.0, 5, 20) if FULL else (0.1, 4, 8)
ATTEMPTS = 3        # another program may take the processor during one measurement, but a design that starves does so each time
PORT, SINK = 8000, 7000
BLACK_HOLE4 = "203.0.113.200"
MOST_KIB = 192 * 1024 * (8 if netns_test.SANITIZED else 1)


class Download(threading.Thread):
    """One connection that carries as much as it can from a server to a client that throws it away."""

    def __init__(self, client, server, address):
        super().__init__(daemon=True)
        self.listener = server.bound("", SINK)
        self.client = client.connected(address, SINK)
        self.server, _ = self.listener.accept()
        self.server.settimeout(None)
        self.client.settimeout(None)
        self.octets, self.stopping = 0, False
        self.sender = threading.Thread(target=self._send, daemon=True)
        self.sender.start()
        self.start()

    def _send(self):
        octets = bytes(1 << 18)
        with contextlib.suppress(OSError):
            while not self.stopping:
                self.server.send(octets)

    def run(self):
        buffer = bytearray(1 << 20)
        with contextlib.suppress(OSError):
            while n := self.client.recv_into(buffer, 0, socket.MSG_TRUNC):
                self.octets += n

    def rates(self, windows, look=lambda: None):
        """Octets a second in so many windows of time."""
        result = []
        for _ in range(windows):
            octets, begin = self.octets, time.monotonic()
            time.sleep(WINDOW)
            result.append((self.octets - octets) / (time.monotonic() - begin))
            look()
        return result

    def close(self):
        self.stopping = True
        for s in (self.client, self.server):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
        self.join(10)
        self.sender.join(10)
        for s in (self.listener, self.client, self.server):
            s.close()


class FrameFlood:
    """Frames out of an interface of some namespace."""

    def __init__(self, place, interface, frames, rate):
        with inside(place.path):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.bind((interface, 0))
        self.octets = b"".join(struct.pack("!H", len(f)) + f for f in frames) + b"\0\0"
        self.rate = rate

    def __enter__(self):
        number = self.socket.fileno()
        self.process = subprocess.Popen([os.environ["TAPIOCA_FLOOD"], str(number), str(self.rate)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        pass_fds=[number])
        self.token = cleanup.at_exit(cleanup.end_process, self.process)
        self.process.stdin.write(self.octets)
        self.process.stdin.flush()
        return self

    def __exit__(self, *what):
        with self.socket:
            said = self.process.communicate(timeout=60)[0].split()
        cleanup.now(self.token)
        self.sent, seconds = int(said[0]), float(said[1])
        self.per_second = self.sent / seconds


class Crowd:
    """Connections that are opened as fast as they come and then do as little as they can: a byte now and then, or take nothing."""

    def __init__(self, client, server, address, port, server_port, count, reads=True):
        self.listener = server.bound("", server_port, backlog=4096)
        self.client, self.address, self.port, self.count, self.reads = client, client.endpoint(address, port), port, count, reads
        self.stopping, self.sockets, self.sent = False, [], 0
        self.threads = [threading.Thread(target=t, daemon=True) for t in (self._call, self._serve)]

    def __enter__(self):
        self.begin = time.monotonic()
        for t in self.threads:
            t.start()
        return self

    def _call(self):
        with contextlib.suppress(OSError):
            while not self.stopping:
                if len(self.sockets) < self.count:
                    s = self.client.make(socket.AF_INET6 if len(self.address) == 4 else socket.AF_INET)
                    s.setblocking(False)
                    s.connect_ex(self.address)
                    self.sockets.append(s)
                    self.sent += 1
                    time.sleep(0.0005)
                elif self.reads:        # slowly, each in its turn
                    for s in self.sockets[:200]:
                        with contextlib.suppress(OSError):
                            self.sent += s.send(b"x", socket.MSG_DONTWAIT)
                    time.sleep(0.05)
                else:
                    time.sleep(0.05)

    def _serve(self):
        accepted, poll = [], select.poll()
        poll.register(self.listener, select.POLLIN)
        octets = bytes(1 << 16)
        while not self.stopping:
            for _ in poll.poll(50):
                with contextlib.suppress(OSError):
                    s, _ = self.listener.accept()
                    accepted.append(s)
                    if not self.reads:
                        for _ in range(8):
                            s.send(octets, socket.MSG_DONTWAIT)
        for s in accepted:
            s.close()

    def __exit__(self, *what):
        self.stopping = True
        for t in self.threads:
            t.join(30)
        self.per_second = self.sent / (time.monotonic() - self.begin)
        for s in self.sockets + [self.listener]:
            s.close()


class Hostile:
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        in_host = ("nsenter", f"--net=/run/netns/{cls.host.name}")
        run(*in_host, "sysctl", "-qw", "net.ipv4.tcp_syn_retries=1", "net.ipv4.ip_local_port_range=10000 65535")
        run("ip", "-n", cls.host.remote, "route", "add", "blackhole", f"{BLACK_HOLE4}/32")
        cls.guest, cls.daemon = connected_guest(cls.host, "--workers", cls.workers, ports=("-t", f"{PORT}", "-u", f"{PORT}", "-T", "none", "-U", "none"))
        cls.places = {"host": host_place(cls.host), "guest": guest_place(cls.guest), "remote": remote_place(cls.host)}
        cls.at_rest = cls.flows()
        cls.rows = []
        cls.memory_before = resident_kib(cls.daemon.pid)
        sink = cls.places["guest"].bound("", PORT, socket.SOCK_DGRAM)      # datagrams of peers are welcome, and never read
        cls.open = contextlib.ExitStack()
        cls.open.callback(sink.close)

    @classmethod
    def tearDownClass(cls):
        cls.open.close()
        print(f"\n{'flood':28} {'frames/s':>10} {'undisturbed':>12} {'disturbed':>12} {'share':>6} {'resident':>10}")
        for name, rate, before, during, memory in cls.rows:
            print(f"{name:28} {rate:10.0f} {before / 1e6:7.0f} MB/s {during / 1e6:7.0f} MB/s {during / before:6.2f} {memory:6} KiB")
        print(f"resident before the first: {cls.memory_before} KiB", flush=True)
        status = cls.daemon.stop()
        cls.host.close()
        assert status == 0

    @classmethod
    def flows(cls):
        """TCP flows that began and have not ended, by the daemon's own counters."""
        total, _ = cls.daemon.counters()
        return total["tcp_flows_opened"] + total["tcp_flows_accepted"] - total["tcp_flows_closed"]

    def mac(self, place, interface):
        with inside(place.path), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            s.bind((interface, 0))
            return s.getsockname()[4]

    def from_guest(self, kind, *args, rate=CHEAP, **named):
        """A flood of the guest: the name of a method of Frames."""
        frames = Frames(self.mac(self.places["guest"], "eth0"), OURS, HOST4, HOST6, REMOTE4, REMOTE6)
        return FrameFlood(self.places["guest"], "eth0", getattr(frames, kind)(*args, **named), rate)

    def from_remote(self, kind, *args, rate=CHEAP):
        frames = Frames(self.mac(self.places["remote"], "eth0"), self.mac(self.places["host"], "eth0"), REMOTE4, REMOTE6, HOST4, HOST6)
        return FrameFlood(self.places["remote"], "eth0", getattr(frames, kind)(*args), rate)

    def measured(self, make_flood, memory):
        """The flood's own rate, and that of a download without it, just before or just after, and with it."""
        download = Download(self.places["guest"], self.places["remote"], REMOTE4)
        try:
            download.rates(1)
            before = statistics.median(download.rates(UNDISTURBED))
            with make_flood() as flood:
                download.rates(1)
                during = statistics.median(download.rates(DISTURBED, lambda: memory.append(resident_kib(self.daemon.pid))))
            after = statistics.median(download.rates(UNDISTURBED))
        finally:
            download.close()
        self.assertGreater(flood.sent, 0)
        return flood.per_second, min(before, after), during

    def withstands(self, name, make_flood):
        """The download, what the flood cost, and whether all is well again afterwards."""
        memory = []
        for _ in range(ATTEMPTS):
            rate, undisturbed, disturbed = self.measured(make_flood, memory)
            self.rows.append((name, rate, undisturbed, disturbed, max(memory)))
            if disturbed >= undisturbed / 3:
                break
        self.assertIsNone(self.daemon.process.poll(), self.daemon.log()[-2000:])
        self.assertGreaterEqual(disturbed, undisturbed / 3)
        self.assertLess(max(memory), MOST_KIB)
        meet(self.places["guest"], self.places["remote"], REMOTE4, 6000, socket.SOCK_STREAM, timeout=10)
        wait_until(lambda: self.flows() == self.at_rest, "end of the flows of the flood", 60)

    def test_syns_to_every_port(self):
        self.withstands("SYN, 65535 ports", lambda: self.from_guest("syns", rate=DEAR))

    def test_syns_into_a_black_hole(self):
        self.withstands("SYN, no answer", lambda: self.from_guest("syns", range(1, 30000), destination4=BLACK_HOLE4, rate=DEAR))

    def test_segments_of_no_flow(self):
        self.withstands("segments of no flow", lambda: self.from_guest("strays"))

    def test_segments_that_do_not_fit(self):
        """RST, SYN and ACK by the thousand for a connection that stands, and it goes on standing."""
        with self.places["remote"].bound("", 6001) as listener, self.places["guest"].connected(REMOTE4, 6001) as client:
            server, _ = listener.accept()
            with server:
                type(self).at_rest += 1
                try:
                    self.withstands("ACK, RST, SYN storm", lambda: self.from_guest("misfits", client.getsockname()[1], 6001, REMOTE4))
                finally:
                    type(self).at_rest -= 1
                client.sendall(b"still there")
                server.settimeout(10)
                self.assertEqual(server.recv(100), b"still there")

    def test_datagrams_to_every_port(self):
        self.withstands("UDP, 30000 flows", lambda: self.from_guest("datagrams", rate=DEAR))

    def test_fragments(self):
        self.withstands("fragments", lambda: self.from_guest("fragments"))

    def test_options(self):
        self.withstands("options and headers", lambda: self.from_guest("options"))

    def test_claims(self):
        """ARP and neighbour discovery: nobody believes that the gateway's addresses are the guest's."""
        self.withstands("ARP and ND claims", lambda: self.from_guest("claims", (ROUTER4, HOST4), ("fe80::1", HOST6)))
        self.guest.run("ip", "neigh", "flush", "dev", "eth0")
        meet(self.places["remote"], self.places["guest"], HOST4, PORT, socket.SOCK_STREAM)

    def test_dhcp(self):
        self.withstands("DHCP and DHCPv6", lambda: self.from_guest("dhcp"))

    def test_echo_identifiers(self):
        self.withstands("echo, 30000 identifiers", lambda: self.from_guest("echoes", rate=DEAR))

    def test_closed_windows(self):
        count = min(500, LIMIT // 20)
        self.withstands("windows that stay closed", lambda: Crowd(self.places["guest"], self.places["remote"], REMOTE4, 6002, 6002, count, reads=False))

    def test_spoofed_syns_of_peers(self):
        self.withstands("SYN of peers, spoofed", lambda: self.from_remote("spoofed_syns", PORT))

    def test_datagrams_of_thousands_of_peers(self):
        self.withstands("UDP of 30000 peers", lambda: self.from_remote("spoofed_datagrams", PORT, rate=DEAR))

    def test_slow_peers(self):
        count = min(1500, LIMIT // 20)
        self.withstands("slow connections of peers", lambda: Crowd(self.places["remote"], self.places["guest"], HOST4, PORT, PORT, count))


class HostileWithOneWorker(Hostile, unittest.TestCase):
    workers = 1


@unittest.skipUnless(FULL, "TAPIOCA_FULL is not set")
class HostileWithTwoWorkers(Hostile, unittest.TestCase):
    workers = 2


class Limits(OnSimulatedHost, unittest.TestCase):
    """The options, each with a guest that wants more."""

    @contextlib.contextmanager
    def running(self, *options):
        guest, daemon = connected_guest(self.host, *options)
        try:
            yield guest, guest_place(guest), daemon
            self.assertEqual(daemon.stop(), 0)
        finally:
            daemon.stop()
            guest.close()

    def test_connections_at_a_time(self):
        with self.running("--max-tcp-flows", "3") as (_, place, daemon), remote_place(self.host).bound("", 6003) as listener:
            open_now = [place.connected(REMOTE4, 6003) for _ in range(3)]
            with self.assertRaises(TimeoutError):
                place.connected(REMOTE4, 6003, timeout=0.5)
            self.assertGreaterEqual(daemon.counters()[0]["drop_flow_limit"], 1)
            accepted = [listener.accept()[0] for _ in range(3)]
            for s in (open_now[0], accepted[0]):
                s.close()
            place.connected(REMOTE4, 6003).close()
            for s in open_now[1:] + accepted[1:]:
                s.close()

    def test_new_flows_a_second(self):
        with self.running("--max-new-flows", "20") as (_, place, daemon):
            for port in range(200):
                with place.make(socket.AF_INET, socket.SOCK_DGRAM) as s:
                    s.sendto(b"new", (REMOTE4, 10000 + port))
            total = wait_until(lambda: (lambda t: t if t["udp_flows_opened"] + t["drop_new_flow_rate"] >= 200 else None)(daemon.counters()[0]), "200 datagrams")
            self.assertGreaterEqual(total["udp_flows_opened"], 20)
            self.assertGreater(total["drop_new_flow_rate"], 0)

    def test_memory_for_fragments(self):
        with self.running("--max-reassembly", "1", "--workers", "1") as (guest, place, daemon), inside(place.path), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
            s.bind(("eth0", 0))
            for frame in itertools.islice(Frames(s.getsockname()[4], OURS, HOST4, HOST6, REMOTE4, REMOTE6).fragments(), 10):
                s.send(frame)
            wait_until(lambda: daemon.counters()[0]["drop_fragment_no_memory"] == 9, "nine that made room for the next")


class ManyPorts(unittest.TestCase):
    """A guest that binds thousands of ports under -t auto takes no more than a share of our descriptors."""

    def test_the_share_is_kept_and_named_and_what_was_left_out_comes_later(self):
        host = SimulatedHost()
        try:
            self._bind_thousands(host)
        finally:
            host.close()

    def _bind_thousands(self, host):
        guest, daemon = connected_guest(host, ports=("-t", "auto", "-u", "none", "-T", "none", "-U", "none"), prefix=("prlimit", "--nofile=400:400"))
        place = guest_place(guest)
        sockets = [place.bound("", 20000 + n) for n in range(300)]
        wait_until(lambda: "are forwarded automatically at a time" in daemon.log(), "warning", 30)
        told = [line for line in daemon.log().splitlines() if "forwarded automatically" in line]
        self.assertEqual(len(told), 1)
        share = int(told[0].split("No more than ")[1].split()[0])
        self.assertIn("ulimit -n", told[0])
        self.assertLess(share, 101)
        listening = lambda: sum(1 for line in run("nsenter", f"--net=/run/netns/{host.name}", "ss", "-Hltn").stdout.splitlines() if ":20" in line)
        wait_until(lambda: listening() == share, "as many listening sockets as the share", 30)
        meet(guest_place(guest), remote_place(host), REMOTE4, 6000, socket.SOCK_STREAM)     # there are descriptors left
        for s in sockets[:200]:
            s.close()
        wait_until(lambda: listening() == min(share, 100), "room for those that were left out", 30)
        self.assertEqual(daemon.log().count("forwarded automatically"), 1)
        for s in sockets:
            s.close()
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    netns_test.main()
