#!/usr/bin/env python3
"""Flows seen in full and live (tapioca flows and watch, WatchFlows, WatchDrops): nothing is missed in silence, and who reads slowly harms nobody."""
import json
import os
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import netns_test
from controlled import OnControlledDaemon
from guests import Daemon, Guest
from hosts import PYTHON, REMOTE4, USER, wait_until
from screen import Screen

MANY = 100_000
# Answers with as many octets as it was sent, when it has all of them.
SERVER = """import socket, threading
def serve(c):
    octets = b""
    while got := c.recv(65536):
        octets += got
    c.sendall(octets)
    c.close()
s = socket.create_server(("0.0.0.0", 7000), backlog=500)
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=s.accept()[:1], daemon=True).start()
"""
# Sends so many octets, waits for a line, and hears the answer.
CLIENT = """import socket, sys
c = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
c.sendall(bytes(int(sys.argv[3])))
print(c.getsockname()[1], flush=True)
sys.stdin.readline()
c.shutdown(socket.SHUT_WR)
while c.recv(65536):
    pass
"""
# One socket that speaks to so many ports from 1000 on, each a flow, of each address.
SPEAKER = """import socket, sys, time
per_socket = 50000
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range((int(sys.argv[2]) + per_socket - 1) // per_socket)]
for s in sockets:
    s.setblocking(False)
sent = 0
while sent < int(sys.argv[2]):
    try:
        sockets[sent // per_socket].sendto(b"x", (sys.argv[1], 1000 + sent % per_socket))
        sent += 1
        if sent % 50 == 0:
            time.sleep(0.001)
    except (BlockingIOError, ConnectionRefusedError):
        time.sleep(0.001)
print("sent", flush=True)
sys.stdin.readline()
"""


def call(method, **parameters):
    return json.dumps({"method": "io.github.tapioca.Control." + method, "parameters": parameters, "more": True}).encode() + b"\0"


class Replies:
    """The replies to a call, as they come."""

    def __init__(self, path, octets):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(path)
        self.socket.sendall(octets)
        self.octets = b""

    def next(self):
        while b"\0" not in self.octets:
            got = self.socket.recv(1 << 20)
            assert got, "the connection was closed"
            self.octets += got
        reply, _, self.octets = self.octets.partition(b"\0")
        return json.loads(reply)

    def events(self, until, seconds=10):
        """Events until that one has come, and how many were lost."""
        found, lost, end = [], 0, time.monotonic() + seconds
        while time.monotonic() < end:
            parameters = self.next()["parameters"]
            found += parameters["events"]
            lost += parameters["lost"]
            if any(until(e) for e in found):
                return found, lost
        raise AssertionError(f"it did not come: {found}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class Watch(OnControlledDaemon, unittest.TestCase):
    program = SERVER

    def flows(self, *words):
        words = words if words and isinstance(words[-1], int) else (*words, self.daemon.pid)
        return [flow for line in self.tapioca("flows", "--json", *words).splitlines() for flow in json.loads(line)["flows"]]

    def client(self, octets=1000, port=7000):
        process = self.guest.popen(PYTHON, "-c", CLIENT, REMOTE4, port, octets, stdin=-1, stdout=-1)
        return process, int(process.stdout.readline())

    def end_client(self, process):
        process.stdin.write("\n")
        process.stdin.flush()
        process.wait()
        process.stdin.close()
        process.stdout.close()

    def speak(self, guest, count):
        """So many flows of UDP begin."""
        process = guest.popen(PYTHON, "-c", SPEAKER, REMOTE4, count, stdin=-1, stdout=-1)
        self.assertEqual(process.stdout.readline(), "sent\n")
        process.kill()
        process.wait()

    def crowded(self, count):
        """An instance of its own with so many flows of UDP, and what speaks to it: a connection to its control socket's path."""
        guest = Guest(self.host)
        self.addCleanup(guest.close)
        path = f"{self.host.dir}/crowded-{count}-{os.getpid()}-{time.monotonic_ns()}"
        daemon = Daemon(guest, "--control", path, "--workers", self.workers)
        self.addCleanup(daemon.stop)
        return guest, daemon, path

    def switches(self):
        with open(f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt_switches"))

    def test_a_connection_is_listed_as_both_sides_see_it(self):
        process, port = self.client(123_456)
        flow = wait_until(lambda: next((f for f in self.flows("-i", f"sport = :{port}") if f["tcp"]["octets_acknowledged"] >= 123_456), None), "all to be acknowledged")
        self.assertEqual((flow["state"], flow["tcp"]["state"]), ("ESTABLISHED", "ESTABLISHED"))
        self.assertEqual(flow["host_peer"], {"address": REMOTE4, "port": 7000})
        self.assertEqual((flow["tcp"]["octets_sent"], flow["tcp"]["octets_received"]), (123_456, 0))
        self.assertGreater(flow["tcp"]["rtt_us"], 0)
        self.assertGreater(flow["tcp"]["congestion_window"], 0)
        local = f"{flow['host_own']['address']}:{flow['host_own']['port']}"
        self.assertIn(local, self.host.run("ss", "-Htn").stdout)
        self.assertNotIn("tcp", self.flows(f"sport = :{port}")[0])
        wait_until(lambda: self.flows(f"sport = :{port}")[0]["idle_ms"] >= 1000, "it to be idle")
        self.end_client(process)

    def test_what_the_guest_asked_for_is_told_from_where_it_leads(self):
        gateway = json.loads(self.tapioca("ps", "--json"))["gateways"][0]
        server = self.host.popen(PYTHON, "-c", SERVER, stdout=-1)
        server.stdout.readline()
        process = self.guest.popen(PYTHON, "-c", CLIENT, gateway, 7000, 1, stdin=-1, stdout=-1)
        port = int(process.stdout.readline())
        flow, = self.flows(f"sport = :{port}")
        self.assertEqual((flow["remote"]["address"], flow["host_peer"]["address"]), (gateway, "127.0.0.1"))
        self.end_client(process)
        cleanup.end_process(server)

    def test_filters(self):
        clients = [self.client() for _ in range(3)]
        ports = [port for _, port in clients]
        shown = lambda text: sorted(f["guest"]["port"] for f in self.flows(text) if f["guest"]["port"] in ports)
        self.assertEqual(shown(f"dport = :7000 and dst {REMOTE4}/24"), sorted(ports))
        self.assertEqual(shown(f"dport = :7000 and not sport = :{ports[0]}"), sorted(ports[1:]))
        self.assertEqual(shown(f"sport = :{ports[0]} or (state established and sport = :{ports[1]})"), sorted(ports[:2]))
        self.assertEqual(shown("proto udp or from peer or dport > 7000"), [])
        self.assertIn(str(ports[0]), self.tapioca("flows", "dport 7000", self.daemon.pid))
        self.assertIn("makes no sense: 'x' is no number", self.tapioca("flows", "dport = x", status=2))
        with Replies(self.path, call("ListFlows", filter={"remote_port": 7001})) as replies:
            self.assertEqual(replies.next()["parameters"]["flows"], [])
        with Replies(self.path, call("ListFlows", filter={"colour": "red"})) as replies:
            self.assertEqual(replies.next()["parameters"], {"parameter": "filter.colour"})
        for process, _ in clients:
            self.end_client(process)

    def test_flows_are_told_as_they_begin_and_end(self):
        with Replies(self.path, call("WatchFlows")) as replies:
            self.assertEqual(replies.next()["parameters"], {"events": [], "lost": 0})
            process, port = self.client(5000)
            opened, _ = replies.events(lambda e: e["event"] == "flow_opened" and e["guest"]["port"] == port)
            self.assertIn(opened[-1]["id"], [f["id"] for f in self.flows()])
            self.end_client(process)
            closed, lost = replies.events(lambda e: e["event"] == "flow_closed" and e["guest"]["port"] == port)
            self.assertEqual((closed[-1]["id"], closed[-1]["reason"], lost), (opened[-1]["id"], "finished", 0))
            self.assertEqual((closed[-1]["octets_from_guest"], closed[-1]["octets_to_guest"]), (5000, 5000))
            self.guest.run(PYTHON, "-c", CLIENT, REMOTE4, 7999, 1, check=False)
            failed, _ = replies.events(lambda e: e["event"] == "flow_closed" and e["remote"]["port"] == 7999)
            self.assertEqual(next(e for e in failed if e["event"] == "connect_failed")["error"], "Connection refused")

    def test_calls_that_make_no_sense(self):
        for wrong, error in (({"method": "WatchFlows"}, "ExpectedMore"), ({"method": "WatchEvents", "parameters": {"topics": ["weather"]}, "more": True}, "InvalidParameter"),
                             ({"method": "WatchEvents", "parameters": {"topics": 1}, "more": True}, "InvalidParameter"),
                             ({"method": "ListFlows", "parameters": {"filter": []}, "more": True}, "InvalidParameter")):
            wrong["method"] = "io.github.tapioca.Control." + wrong["method"]
            with Replies(self.path, json.dumps(wrong).encode() + b"\0") as replies:
                self.assertEqual(replies.next()["error"], "org.varlink.service." + error)

    def test_a_watcher_that_talks_on_and_on_is_let_go(self):
        with Replies(self.path, call("WatchFlows")) as replies:
            replies.next()
            with self.assertRaises(OSError):
                while True:
                    replies.socket.sendall(bytes(10_000))

    def test_drops_are_told_by_reason(self):
        script = f"""import socket
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
for _ in range(7):
    s.sendto(bytes(20), ("{REMOTE4}", 0))
"""
        with Replies(self.path, call("WatchDrops")) as replies:
            replies.next()
            self.guest.run_as_root(PYTHON, "-c", script)
            events, _ = replies.events(lambda e: any(d["reason"] == "unknown_protocol" for d in e["drops"]))
        drops = [d for e in events for d in e["drops"] if d["reason"] == "unknown_protocol"]
        self.assertEqual(drops[-1]["total"], 7 if self.workers == 1 else drops[-1]["total"])
        self.assertIn("a protocol beyond TCP, UDP and ICMP", drops[0]["words"])

    def test_nobody_is_told_while_nobody_watches(self):
        def woken():
            before = self.switches()
            for _ in range(50):
                self.end_client(self.client()[0])
            return self.switches() - before
        with Replies(self.path, call("WatchFlows")) as replies:
            replies.next()
            replies.socket.setblocking(False)
            watched = woken()
        time.sleep(0.2)  # until it is seen that the client has gone
        self.assertLess(woken(), watched / 3)

    def test_a_watcher_that_does_not_read_is_told_how_much_it_lost(self):
        count = MANY
        guest, daemon, path = self.crowded(count)
        with Replies(path, call("WatchFlows")) as slow:
            slow.next()
            self.speak(guest, count)
            self.tapioca("ps")
            events, lost = [], 0
            while lost == 0:  # what waited, and then the gap
                parameters = slow.next()["parameters"]
                events += parameters["events"]
                lost += parameters["lost"]
            self.assertLess(len(events), count)
            begun = daemon.counters()[0]["udp_flows_opened"]
            self.assertEqual(len(events) + lost, begun)
            guest.run(PYTHON, "-c", CLIENT, REMOTE4, 7999, 1, check=False)
            slow.events(lambda e: e["event"] == "connect_failed")  # it goes on

    def test_many_flows_are_listed_once_each(self):
        guest, daemon, path = self.crowded(MANY)
        self.speak(guest, MANY)
        before = daemon.counters()[0]
        self.assertGreater(before["udp_flows_opened"], MANY / 2)  # some may be dropped on their way
        listed = [(f["guest"]["port"], f["remote"]["port"]) for f in self.flows("proto udp", daemon.pid)]
        after = daemon.counters()[0]
        self.assertEqual(len(set(listed)), len(listed))
        # None that was there throughout is missing; the first may have been silent for long enough to end meanwhile.
        self.assertGreaterEqual(len(listed), before["udp_flows_opened"] - after["udp_flows_closed"])
        self.assertLessEqual(len(listed), after["udp_flows_opened"] - before["udp_flows_closed"])
        self.assertLessEqual(len(self.flows("proto udp and dport = :1234", daemon.pid)), sum(remote == 1234 for _, remote in listed))

    def test_a_client_that_is_stopped_has_no_effect(self):
        guest, daemon, path = self.crowded(20_000)
        self.speak(guest, 20_000)
        stopped = []
        for words in (["flows", "--json"], ["watch", "--json"], ["watch"]):
            reader, writer = os.pipe()
            p = self.host.popen(self.host.binary("tapioca"), *words, daemon.pid, uid=USER, stdout=writer)
            os.close(writer)
            time.sleep(0.05)
            p.send_signal(signal.SIGSTOP)
            stopped.append((p, reader))
        times = []
        for port in range(1500, 1505):
            begin = time.monotonic()
            guest.run(PYTHON, "-c", CLIENT, REMOTE4, 7000, 1_000_000, input="\n")
            self.assertLessEqual(len(self.flows(f"dport = :{port} and proto udp", daemon.pid)), 1)
            times.append(time.monotonic() - begin)
        self.assertLess(min(times), 2)
        for p, reader in stopped:
            p.kill()
            p.wait()
            os.close(reader)

    def screen(self, columns, rows, **environment):
        argv, options = self.host.argv([self.host.binary("tapioca"), "watch"], uid=USER), {}
        return Screen(argv, columns, rows, env={**os.environ, "LANG": "C.UTF-8", **environment}, **options)

    def test_the_page(self):
        process, port = self.client(3_000_000)
        for columns, rows in ((80, 24), (200, 60)):
            screen = self.screen(columns, rows)
            screen.wait_for(f":{port}")
            self.guest.run(PYTHON, "-c", CLIENT, REMOTE4, 7999, 1, check=False)
            screen.wait_for("Connection refused")
            page = screen.page()
            self.assertEqual(len(page), rows)
            self.assertEqual([line for line in page if len(line) > columns], [])
            self.assertIn(f"pasta {self.daemon.pid}", page[0])
            for what in ("Received", "Sent", "New flows", "Dropped", "ESTABLISHED", "WHY", "EVENTS"):
                self.assertIn(what, "\n".join(page))
            if os.environ.get("SHOW_PAGES"):
                print("\n".join(page), file=sys.stderr)
            screen.press(b"q" if rows == 24 else b"\x03")
            self.assertEqual(screen.end(), 0, screen.process.stderr.read())
            self.assertTrue(screen.is_restored())
            screen.close()
        self.end_client(process)

    def test_the_page_follows_its_terminal_and_leaves_it_as_it_was(self):
        screen = self.screen(80, 24, NO_COLOR="1")
        screen.wait_for("EVENTS")
        self.assertNotIn("\033[1m", screen.said)
        screen.resize(100, 40)
        wait_until(lambda: screen.read(0.1) or len(screen.page()) == 40, "the larger page")
        screen.resize(30, 10)
        wait_until(lambda: screen.read(0.1) or len(screen.page()) == 10, "the smaller page")
        screen.process.send_signal(signal.SIGTERM)
        self.assertEqual(screen.end(), 0)
        self.assertTrue(screen.is_restored())
        screen.close()

    def test_piped_it_is_a_line_for_each_event(self):
        watcher = self.host.popen(self.host.binary("tapioca"), "watch", uid=USER, stdout=subprocess.PIPE)
        time.sleep(0.3)
        process, port = self.client()
        self.assertRegex(watcher.stdout.readline(), rf"^\d\d:\d\d:\d\d opened tcp [0-9.]+:{port} > {REMOTE4}:7000$")
        self.end_client(process)
        self.assertRegex(watcher.stdout.readline(), r" closed tcp .*: both sides have ended it, 1.00 kB sent, 1.00 kB received$")
        watcher.terminate()
        self.assertEqual(watcher.wait(5), 0)
        watcher.stdout.close()

    def test_it_ends_with_the_instance(self):
        guest = Guest(self.host)
        daemon = Daemon(guest)
        watcher = self.host.popen(self.host.binary("tapioca"), "watch", daemon.pid, uid=USER, stdout=subprocess.PIPE)
        time.sleep(0.3)
        daemon.stop()
        self.assertEqual(watcher.wait(5), 0)
        watcher.stdout.close()
        guest.close()


class WatchWorkers(Watch):
    workers = 3


if __name__ == "__main__":
    netns_test.main()
