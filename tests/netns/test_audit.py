#!/usr/bin/env python3
"""The audit log (--audit-log): every flow once, with all that is known of it; and with --audit-required, nothing that is not in it."""
import collections
import itertools
import json
import os
import stat
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from controlled import OnControlledDaemon
from guests import Daemon, Guest, OnSimulatedHost
from hosts import HOST4, PYTHON, REMOTE4, REMOTE6, ROUTER4, USER, wait_until

# Echoes what comes by TCP and UDP; connections until their end.
SERVER = """import selectors, socket, sys
selector = selectors.DefaultSelector()
listener = socket.create_server(("::", 7000), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1000)
selector.register(listener, selectors.EVENT_READ)
for address in ("192.0.2.3", "2001:db8::3") * (sys.argv[1:] != ["no datagrams"]):  # so that answers come from there
    for port in range(7000, 7010):
        datagrams = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind((address, port))
        selector.register(datagrams, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in selector.select():
        s = key.fileobj
        if s is listener:
            selector.register(s.accept()[0], selectors.EVENT_READ)
        elif s.type == socket.SOCK_DGRAM:
            octets, peer = s.recvfrom(65536)
            s.sendto(octets * 2, peer)
        else:
            try:
                octets = s.recv(65536)
            except OSError:
                octets = b""
            if octets:
                s.sendall(octets)
            else:
                selector.unregister(s)
                s.close()
"""
# ADDRESS ADDRESS6 FIRST COUNT: so many of each sort, from ports of their own; each says and hears something. Prints what, as JSON. Ten
# flows of UDP are from one port, which is one socket for the daemon: descriptors may be few.
MIXED = """import json, random, socket, struct, sys
v4, v6, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
did, chance = [], random.Random(18)
def tcp(to, number, size):
    port = first + number
    with socket.create_connection((to, 7000), 20, ("::" if ":" in to else "0.0.0.0", port)) as s:
        s.sendall(bytes(size))
        s.shutdown(socket.SHUT_WR)
        got = 0
        while octets := s.recv(65536):
            got += len(octets)
        return port, 7000, got
def udp(to, number, size):
    port, remote = first + number // 10, 7000 + number % 10
    with socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(20)
        s.bind(("", port))
        s.connect((to, remote))
        s.send(bytes(size))
        return port, remote, len(s.recv(65536))
def echo(to, number, size):
    port = first + number
    family, protocol, kind = (socket.AF_INET6, 58, 128) if ":" in to else (socket.AF_INET, 1, 8)
    with socket.socket(family, socket.SOCK_DGRAM, protocol) as s:
        s.settimeout(20)
        s.bind(("", port))
        s.connect((to, 0))
        s.send(struct.pack("!BBHHH", kind, 0, 0, 0, 1) + bytes(size))
        return port, 0, len(s.recv(65536)) - 8
for number in range(count):
    for sort in (tcp, udp, echo):
        to, size = chance.choice((v4, v6)), chance.randrange(1, 1200)
        port, remote, got = sort(to, number, size)
        did.append((sort.__name__, port, to, remote, size, got))
print(json.dumps(did))
"""
# ADDRESS COUNT FIRST: one datagram to each of so many ports. Prints how many were sent.
SCAN = """import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in range(int(sys.argv[3]), int(sys.argv[3]) + int(sys.argv[2])):
    try:
        s.sendto(b"x" * 10, (sys.argv[1], port))
    except OSError:
        pass
    if port % 64 == 0:
        time.sleep(0.002)
"""


def lines_in(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


def by_event(lines):
    sorted_out = collections.defaultdict(list)
    for line in lines:
        sorted_out[line["event"]].append(line)
    return sorted_out


def key_of(line):
    return line["protocol"], line["guest"]["port"], line["remote"]["address"], line["remote"]["port"]


def ends_of(did, lines):
    """Of these flows alone: those of other tests may end meanwhile."""
    keys = {one[:4] for one in did}
    return [line for line in by_event(lines)["ended"] if key_of(line) in keys]


class Audit(OnControlledDaemon, unittest.TestCase):
    program = SERVER
    ports = itertools.count(10_000, 100)  # each use has a hundred of its own

    @classmethod
    def options(cls):
        cls.log = f"{cls.host.dir}/audit"
        return ("--audit-log", cls.log, "--audit-required")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.guest.run("sysctl", "-qw", "net.ipv4.ping_group_range=0 0")

    def recorded(self, after, enough, timeout=30):
        """Lines behind the first so many, once enough(lines) is true."""
        return wait_until(lambda: (lines := lines_in(self.log)[after:]) and enough(lines) and lines, "lines of the audit log", timeout)

    def traffic(self, count):
        """What flows of each sort did, so many of each."""
        return self.guest.popen(PYTHON, "-c", MIXED, REMOTE4, REMOTE6, next(self.ports), count, stdout=-1)

    def done(self, traffic):
        return [tuple(one) for one in json.loads(traffic.communicate(timeout=300)[0])]

    def test_a_file_is_its_owners(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.log).st_mode), 0o600)

    def test_each_of_ten_thousand_flows_is_there_once_with_all_that_is_known_of_it(self):
        before = len(lines_in(self.log))
        did = []
        for _ in range(9):
            sources = [self.traffic(100) for _ in range(4)]
            did += [one for source in sources for one in self.done(source)]
        self.assertGreaterEqual(len(did), 10_000)
        # Of echo the last end a minute after what they said last.
        said = self.recorded(before, lambda said: len(ends_of(did, said)) >= len(did), 120)
        lines, ended = by_event(said), ends_of(did, said)
        opened = lines["opened"]
        self.assertEqual(sorted(key_of(line) for line in opened), sorted(one[:4] for one in did))
        for line in opened:
            self.assertEqual((line["origin"], line["verdict"], line["passed"], line["ground"]), ("guest", "allow", True, "no policy"))
            self.assertEqual(line["host_peer"], line["remote"])
        self.assertEqual(lines["lost"], [])
        self.check_octets(did, ended)
        reasons = {(line["protocol"], line["reason"]) for line in ended}
        self.assertEqual(reasons, {("tcp", "finished"), ("udp", "idle"), ("echo", "idle")} | {("echo", "displaced")} & reasons)

    def check_octets(self, did, ended):
        expected = collections.Counter(did)
        recorded = collections.Counter((*key_of(line), line["octets_from_guest"], line["octets_to_guest"]) for line in ended)
        self.assertEqual(recorded - expected, collections.Counter())
        self.assertEqual(expected - recorded, collections.Counter())

    def test_datagrams_and_echoes_are_counted_in_lists_and_at_the_end(self):
        before = len(lines_in(self.log))
        did = [one for one in self.done(self.traffic(5)) if one[0] != "tcp"]
        listed = [flow for line in self.tapioca("flows", "--json").splitlines() for flow in json.loads(line)["flows"]]
        for *key, size, got in did:
            found = [f for f in listed if key_of(f) == tuple(key)]
            self.assertEqual([(f["octets_from_guest"], f["octets_to_guest"]) for f in found], [(size, got)])
            self.assertLess(found[0]["age_ms"], 60_000)
            self.tapioca("end", "-c", self.path, found[0]["id"])
        ended = ends_of(did, self.recorded(before, lambda said: len(ends_of(did, said)) >= len(did)))
        self.check_octets(did, ended)
        self.assertEqual({line["reason"] for line in ended}, {"on_request"})

    def test_peers_and_the_host_itself(self):
        before = len(lines_in(self.log))
        server = self.guest.popen(PYTHON, "-c", SERVER, "no datagrams", stdout=-1)
        server.stdout.readline()
        said = self.host.run(*self.host.in_remote(PYTHON, "-c", f"""import socket
with socket.create_connection(("{HOST4}", 8000)) as s:
    s.sendall(b"hello")
    print(s.recv(5))"""))
        self.assertIn("hello", said.stdout)
        self.guest.run("ping", "-c", "3", "-i", "0.2", "192.0.2.1")
        again = lambda said: sum(line["count"] for line in by_event(said)["suppressed"] if line["of"] == "answered")
        ends = lambda said: [line for line in by_event(said)["ended"] if line["origin"] == "peer"]
        lines = self.recorded(before, lambda said: ends(said) and len(by_event(said)["answered"]) + again(said) >= 3)
        self.assertEqual(len(by_event(lines)["answered"]) + again(lines), 3)
        server.kill()
        peer, = ends(lines)
        self.assertEqual((peer["octets_from_guest"], peer["octets_to_guest"], peer["guest"]["port"]), (5, 5, 7000))
        self.assertIn(peer["host_peer"]["address"], (REMOTE4, ROUTER4))
        answered = by_event(lines)["answered"][0]
        self.assertEqual((answered["protocol"], answered["host_peer"]["address"]), ("echo", "127.0.0.1"))

    def test_no_line_is_lost_while_files_are_exchanged(self):
        files = [f"{self.host.dir}/rotated.{number}" for number in range(20)]
        before = len(lines_in(self.log))
        source = self.traffic(100)
        for path in files:
            self.tapioca("policy", "reopen", path, self.path)
            time.sleep(0.05)
        did = self.done(source)
        self.tapioca("policy", "reopen", self.log, self.path)
        lines = [line for path in files for line in lines_in(path)] + lines_in(self.log)[before:]
        self.assertEqual(sorted(key_of(line) for line in by_event(lines)["opened"]), sorted(one[:4] for one in did))
        self.assertEqual(len(by_event(lines)["reopened"]), len(files) + 1)
        self.assertEqual(by_event(lines)["lost"], [])
        self.assertEqual(stat.S_IMODE(os.stat(files[0]).st_mode), 0o600)

    def test_what_is_no_file_is_refused_and_the_log_goes_on(self):
        fifo = f"{self.host.dir}/fifo"
        os.mkfifo(fifo)
        os.chmod(fifo, 0o666)
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.assertIn("goes on as before", self.tapioca("policy", "reopen", fifo, self.path, status=1))
        os.close(reader)
        self.assertIn("goes on as before", self.tapioca("policy", "reopen", "/dev/full", self.path, status=1))
        before = len(lines_in(self.log))
        self.done(self.traffic(1))
        self.recorded(before, lambda said: len(by_event(said)["opened"]) == 3)
        os.unlink(fifo)

    def test_a_policy_is_proposed_for_what_was_contacted(self):
        before = len(lines_in(self.log))
        self.done(self.traffic(3))
        self.recorded(before, lambda said: len(by_event(said)["opened"]) >= 9)
        copy = f"{self.host.dir}/copy"
        with open(self.log) as f, open(copy, "w") as g:
            g.write(f.read())
        policy = self.tapioca("policy", "learn", copy)
        self.assertIn('profile = "deny-all"', policy)
        self.assertIn(f'"{REMOTE4}:7000/tcp"', policy)
        self.assertNotIn("could not be read", policy)


class AuditOfWorkers(Audit):
    workers = 2


class Reader:
    """Of a FIFO; stops and goes on."""

    def __init__(self, path):
        self.lines, self.goes = [], threading.Event()
        self.goes.set()
        self.thread = threading.Thread(target=self.read, args=(path,), daemon=True)
        self.thread.start()

    def read(self, path):
        with open(path) as f:
            for line in f:
                self.goes.wait()
                self.lines.append(json.loads(line))


class AuditRequired(OnSimulatedHost, unittest.TestCase):
    workers = 1

    def daemon(self, *options):
        guest = self.guest()
        daemon = Daemon(guest, *options, "--workers", self.workers)
        self.addCleanup(daemon.stop)
        return guest, daemon

    def witness(self):
        """Counts what arrives of datagrams to ports of the remote: with raw eyes, as nobody listens there."""
        script = """import select, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
s.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE
s.settimeout(0.5)
ports = set()
print("ready", flush=True)
while True:
    try:
        packet = s.recv(2000)
    except TimeoutError:
        if select.select([sys.stdin], [], [], 0)[0]:
            break
        continue
    header = (packet[0] & 15) * 4
    if packet[header + 8:] == b"x" * 10:
        ports.add(int.from_bytes(packet[header + 2:header + 4], "big"))
print(*sorted(ports))
"""
        process = self.host.popen(*self.host.in_remote(PYTHON, "-c", script), stdin=-1, stdout=-1)
        process.stdout.readline()
        return process

    def test_with_a_reader_that_stopped_nothing_passes_that_is_not_recorded(self):
        fifo = f"{self.host.dir}/fifo{self.workers}"
        os.mkfifo(fifo)
        os.chmod(fifo, 0o666)
        reader = Reader(fifo)
        guest, daemon = self.daemon("--audit-log", fifo, "--audit-required")
        witness = self.witness()
        reader.goes.clear()
        guest.run(PYTHON, "-c", SCAN, REMOTE4, 30_000, 10_000)
        self.assertGreater(daemon.counters()[0]["drop_audit_full"], 1000)
        reader.goes.set()
        passed = {int(port) for port in witness.communicate(timeout=60)[0].split()}
        self.assertGreater(len(passed), 1000)
        self.assertLess(len(passed), 30_000)
        wait_until(lambda: any(line.get("reason") == "audit_full" for line in reader.lines), "line of what was refused", 30)
        recorded = collections.Counter(line["remote"]["port"] for line in reader.lines if line["event"] == "opened")
        self.assertEqual(passed - set(recorded), set())
        self.assertEqual(max(recorded.values()), 1)
        before = len(reader.lines)
        guest.run(PYTHON, "-c", SCAN, REMOTE4, 10, 50_000)
        wait_until(lambda: len([l for l in reader.lines[before:] if l["event"] == "opened"]) == 10, "flows after that", 30)
        daemon.stop()
        flows = {line["flow"] for line in reader.lines if line["event"] == "opened"}
        wait_until(lambda: {l["flow"] for l in reader.lines if l["event"] == "ended"} == flows, "end of each", 30)

    def test_on_a_full_disk_nothing_passes_until_there_is_room(self):
        disk = f"{self.host.dir}/disk{self.workers}"
        os.mkdir(disk)
        mount = lambda *words: self.host.run("mount", *words)
        mount("-t", "tmpfs", "-o", "size=64k,mode=777", "tmpfs", disk)
        self.addCleanup(self.host.run, "umount", "-l", disk)
        guest, daemon = self.daemon("--audit-log", f"{disk}/audit", "--audit-required")
        witness = self.witness()
        guest.run(PYTHON, "-c", SCAN, REMOTE4, 2000, 10_000)
        guest.run(PYTHON, "-c", SCAN, REMOTE4, 100, 40_000)
        self.assertGreaterEqual(daemon.counters()[0]["drop_audit_full"], 100)
        mount("-o", "remount,size=16m", disk)
        wait_until(lambda: "can be written again" in daemon.log(), "room", 10)
        guest.run(PYTHON, "-c", SCAN, REMOTE4, 100, 50_000)
        passed = {int(port) for port in witness.communicate(timeout=60)[0].split()}
        self.assertEqual({port for port in passed if 40_000 <= port < 50_000}, set())
        self.assertTrue(set(range(50_000, 50_100)) <= passed)
        daemon.stop()
        lines = [json.loads(line) for line in self.host.run("cat", f"{disk}/audit").stdout.splitlines()]
        recorded = collections.Counter(line["remote"]["port"] for line in lines if line["event"] == "opened")
        self.assertEqual(passed - set(recorded), set())
        self.assertEqual(max(recorded.values()), 1)
        ended = [line["flow"] for line in lines if line["event"] == "ended"]
        self.assertEqual(sorted(ended), sorted(line["flow"] for line in lines if line["event"] == "opened"))

    def test_what_is_not_required_passes_and_what_is_lost_is_told(self):
        fifo = f"{self.host.dir}/kept{self.workers}"
        os.mkfifo(fifo)
        os.chmod(fifo, 0o666)
        reader = Reader(fifo)
        reader.goes.clear()
        guest, daemon = self.daemon("--audit-log", fifo)
        guest.run(PYTHON, "-c", SCAN, REMOTE4, 30_000, 10_000)
        self.assertEqual(daemon.counters()[0]["drop_audit_full"], 0)
        reader.goes.set()
        wait_until(lambda: any(line["event"] == "lost" for line in reader.lines), "line of what was lost", 30)

    def test_it_goes_to_standard_output(self):
        command = f"{self.host.binary()} --config-net --audit-log - -- ping -c 1 {REMOTE4} | cat"
        said = self.host.run("sh", "-c", command, uid=USER).stdout
        lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        self.assertEqual([line["event"] for line in lines if line.get("protocol") == "echo"], ["opened", "ended"])
        self.assertEqual(lines[-1]["reason"], "program_ended")

    def test_it_is_required_only_where_there_is_one(self):
        refused = self.host.run(self.host.binary(), "--audit-required", "--", "true", uid=USER, check=False)
        self.assertEqual((refused.returncode, "--audit-required needs --audit-log" in refused.stderr), (1, True))
        missing = self.host.run(self.host.binary(), "--audit-log", "/nowhere/audit", "--", "true", uid=USER, check=False)
        self.assertEqual((missing.returncode, "Couldn't open audit log /nowhere/audit" in missing.stderr), (1, True))


class AuditRequiredOfWorkers(AuditRequired):
    workers = 2


if __name__ == "__main__":
    netns_test.main()
