#!/usr/bin/env python3
"""What is seen and changed from outside (--control, tapioca): all of it, by whom it may, and without harm to anything else."""
import json
import os
import random
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from controlled import OnControlledDaemon
from guests import Daemon, Guest
from hosts import PYTHON, REMOTE4, USER, wait_until

CONNECTIONS = 200
OTHER_USER = USER + 7
# Takes connections and keeps them; what it receives it sends back.
SERVER = """import selectors, socket, sys
s, selector = socket.create_server(("0.0.0.0", 7000), backlog=500), selectors.DefaultSelector()
selector.register(s, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in selector.select():
        if key.fileobj is s:
            selector.register(s.accept()[0], selectors.EVENT_READ)
            continue
        try:
            octets = key.fileobj.recv(65536)
        except ConnectionResetError:
            print("reset", flush=True)
            octets = b""
        if octets:
            key.fileobj.sendall(octets)
        else:
            selector.unregister(key.fileobj)
            key.fileobj.close()
"""
# Opens so many connections and keeps them until a line comes; then says how many were reset.
CLIENT = """import socket, sys
all = [socket.create_connection((sys.argv[1], 7000), 10) for _ in range(int(sys.argv[2]))]
print(*sorted(c.getsockname()[1] for c in all), flush=True)
sys.stdin.readline()
resets = 0
for c in all:
    c.setblocking(False)
    try:
        c.recv(1)
    except BlockingIOError:
        pass
    except ConnectionResetError:
        resets += 1
print(resets, flush=True)
"""
# Speaks to the abstract socket, as whoever runs it: prints what is answered, in hexadecimal digits.
SPEAKER = """import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(3)
try:
    s.connect("\\0tapioca/" + sys.argv[1] + "/" + sys.argv[2])
    s.sendall(bytes.fromhex(sys.argv[3]))
    print(s.recv(65536).hex())
except OSError as why:
    print("refused", type(why).__name__)
"""


def call(method, more=False, **parameters):
    name = method if method.startswith("org.") else "io.github.tapioca.Control." + method
    return json.dumps({"method": name, "parameters": parameters, "more": more}).encode() + b"\0"


class Control(OnControlledDaemon, unittest.TestCase):
    program = SERVER

    def tearDown(self):
        super().tearDown()
        self.assertEqual(len(self.instances()), 1)

    def instances(self, **named):
        return [json.loads(line) for line in self.tapioca("ps", "--json", **named).splitlines()]

    def flows(self, *words):
        return [flow for line in self.tapioca("flows", "--json", *words).splitlines() for flow in json.loads(line)["flows"]]

    def clients(self, count):
        process = self.guest.popen(PYTHON, "-c", CLIENT, REMOTE4, count, stdin=-1, stdout=-1)
        return process, [int(port) for port in process.stdout.readline().split()]

    def end_clients(self, process):
        process.stdin.write("\n")
        process.stdin.flush()
        resets = int(process.stdout.readline())
        process.wait()
        return resets

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        s.connect(self.path)
        return s

    def ask(self, *octets):
        """The replies to a call through the socket at the path."""
        with self.connect() as s:
            s.sendall(b"".join(octets))
            said = b""
            while True:
                said += s.recv(65536)
                replies = said.split(b"\0")
                if said.endswith(b"\0") and not json.loads(replies[-2]).get("continues"):
                    return [json.loads(r) for r in replies[:-1]]

    def speak(self, uid, octets):
        argv = [PYTHON, "-c", SPEAKER, str(USER), str(self.daemon.pid), octets.hex()]
        return self.host.run(*argv, uid=uid).stdout.strip()

    def test_an_instance_is_listed_for_its_user_and_for_root(self):
        for uid in (USER, None):
            one, = self.instances(uid=uid)
            self.assertEqual((one["pid"], one["mode"], one["workers"]), (self.daemon.pid, "pasta", self.workers))
            self.assertEqual(one["control_path"], self.path)
        self.assertIn(str(self.daemon.pid), self.tapioca("ps"))

    def test_another_user_gets_nothing(self):
        self.assertEqual(self.instances(uid=OTHER_USER), [])
        self.assertIn(self.speak(OTHER_USER, call("GetInfo")), ("", "refused ConnectionResetError", "refused BrokenPipeError"))
        self.assertIn(b"version", bytes.fromhex(self.speak(USER, call("GetInfo"))))

    def test_the_guest_gets_nothing(self):
        argv = [PYTHON, "-c", SPEAKER, str(USER), str(self.daemon.pid), call("GetInfo").hex()]
        self.assertEqual(self.guest.run(*argv).stdout.strip(), "refused ConnectionRefusedError")

    def test_all_connections_are_listed_once(self):
        process, ports = self.clients(CONNECTIONS)
        for _ in range(20):
            listed = [f for f in self.flows() if f["remote"]["port"] == 7000]
            self.assertEqual(sorted(f["guest"]["port"] for f in listed), ports)
            self.assertEqual(len({f["id"] for f in listed}), CONNECTIONS)
        one = listed[0]
        self.assertEqual((one["protocol"], one["way"], one["origin"], one["remote"]["address"]), ("tcp", "tap", "guest", REMOTE4))
        self.assertIn(one["id"], self.tapioca("flows", self.daemon.pid))
        self.assertEqual(self.end_clients(process), 0)

    def test_flows_are_listed_while_a_transfer_runs(self):
        script = f"""import socket, time
c, end, sent = socket.create_connection(("{REMOTE4}", 7000)), time.monotonic() + 3, 0
print("ready", flush=True)
while time.monotonic() < end:
    c.sendall(bytes(20000))
    got = 0
    while got < 20000:
        got += len(c.recv(65536))
    sent += got
print(sent)
"""
        transfer = self.guest.popen(PYTHON, "-c", script, stdout=-1)
        transfer.stdout.readline()
        listings = 0
        while transfer.poll() is None:
            if flows := self.flows():
                self.assertEqual(len([f for f in flows if f["remote"]["port"] == 7000]), 1)
                listings += 1
        self.assertGreater(listings, 5)
        self.assertGreater(int(transfer.stdout.read()), 1_000_000)

    def test_a_flow_is_ended_for_both_its_ends(self):
        process, ports = self.clients(3)
        victim = next(f for f in self.flows() if f["guest"]["port"] == ports[1])
        self.tapioca("end", victim["id"])
        self.assertEqual(self.server.stdout.readline(), "reset\n")
        wait_until(lambda: victim["id"] not in [f["id"] for f in self.flows()], "end of the flow")
        self.assertIn("may have ended", self.tapioca("end", victim["id"], status=1))
        self.assertEqual(len([f for f in self.flows() if f["guest"]["port"] in ports]), 2)
        self.assertEqual(self.end_clients(process), 1)

    def test_the_socket_for_seeing_changes_nothing(self):
        process, _ = self.clients(1)
        flow = next(f["id"] for f in self.flows() if f["remote"]["port"] == 7000)
        said = json.loads(bytes.fromhex(self.speak(USER, call("EndFlow", id=flow))).rstrip(b"\0"))
        self.assertEqual(said["error"], "io.github.tapioca.Control.PermissionDenied")
        self.assertIn(flow, [f["id"] for f in self.flows()])
        self.assertEqual(self.end_clients(process), 0)

    def test_it_describes_itself(self):
        about, = self.ask(call("org.varlink.service.GetInfo"))
        self.assertIn("io.github.tapioca.Control", about["parameters"]["interfaces"])
        for interface in about["parameters"]["interfaces"]:
            text, = self.ask(call("org.varlink.service.GetInterfaceDescription", interface=interface))
            self.assertIn("interface " + interface, text["parameters"]["description"])
        for wrong, error in ((call("Nothing"), "MethodNotFound"), (call("org.other.Get"), "InterfaceNotFound"),
                             (call("ListFlows"), "ExpectedMore"), (call("EndFlow", id="x"), "InvalidParameter")):
            said, = self.ask(wrong)
            self.assertEqual(said["error"], "org.varlink.service." + error)

    def test_calls_that_come_in_pieces_or_together(self):
        octets = call("GetInfo")
        with self.connect() as s:
            for octet in octets:
                s.sendall(bytes([octet]))
            self.assertIn(b"version", s.recv(65536))
        many = 100
        with self.connect() as s:
            s.sendall(octets * many)
            said = b""
            while said.count(b"\0") < many:
                said += s.recv(65536)
        self.assertEqual(said.count(b'"mode":"pasta"'), many)

    def test_garbage_and_what_is_cut_harm_nothing(self):
        chance = random.Random(16)
        whole = [call("ListFlows", True), call("GetCounters"), call("EndFlow", id="0.tcp.1.1"), b"{\"a\":" * 2000, b"[" * 60000 + b"\0",
                 b"x" * 200_000, b"{}\0", b"\0" * 1000, b'{"method":' + b"[1," * 20000 + b"\0"]
        before = self.memory()
        for number in range(10_000):
            octets = bytearray(chance.choice(whole))
            for _ in range(chance.randrange(4)):
                octets[chance.randrange(len(octets))] = chance.randrange(256)
            with self.connect() as s:
                try:
                    s.sendall(octets[:chance.randrange(len(octets) + 1)])
                    if number % 7 == 0:
                        s.settimeout(0.01)
                        s.recv(100)
                except OSError:
                    pass
        self.assertIn("version", self.instances()[0])
        self.assertLess(self.memory() - before, 1 << 20)

    def memory(self):
        """Octets that the daemon has for itself."""
        with open(f"/proc/{self.daemon.pid}/status") as f:
            return next(int(line.split()[1]) << 10 for line in f if line.startswith("RssAnon:"))

    def test_a_client_that_never_reads_harms_nobody(self):
        process, ports = self.clients(CONNECTIONS)
        silent = []
        for _ in range(20):
            s = self.connect()
            s.settimeout(0.2)
            try:
                while True:
                    s.sendall(call("ListFlows", True) * 100 + call("GetCounters") * 100)
            except OSError:
                pass
            silent.append(s)
        before = time.monotonic()
        self.assertEqual(len([f for f in self.flows() if f["guest"]["port"] in ports]), CONNECTIONS)
        self.assertLess(time.monotonic() - before, 2)
        self.assertLess(self.memory(), 20_000 << 10)
        for s in silent:
            s.close()
        self.assertEqual(self.end_clients(process), 0)

    def test_many_clients_at_once(self):
        answers = []

        def look():
            for _ in range(20):
                answers.extend(self.instances())
        threads = [threading.Thread(target=look) for _ in range(5)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual({a["pid"] for a in answers}, {self.daemon.pid})
        self.assertEqual(len(answers), 100)

    def test_metrics(self):
        text = self.tapioca("metrics")
        self.assertTrue(text.endswith("# EOF\n"))
        self.assertEqual(text.count("# EOF"), 1)
        families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
        self.assertEqual(len(families), len(set(families)))
        self.assertIn('tapioca_ignored_total{pid="%d",reason="address_news"}' % self.daemon.pid, text)
        self.assertRegex(text, r'tapioca_drops_total\{pid="\d+",reason="\w+"\} \d+')
        self.assertRegex(text, r'tapioca_flows\{pid="\d+",kind="tcp"\} \d+')

    def test_rules(self):
        said, = [json.loads(line) for line in self.tapioca("rules", "--json").splitlines()]
        self.assertEqual([(r["side"], r["text"]) for r in said["rules"]], [("host", "TCP [*]:8000  =>  7000")])
        self.assertIn("8000", self.tapioca("rules"))

    def test_none_is_seen_that_does_not_want_to_be(self):
        guest = Guest(self.host)
        daemon = Daemon(guest, "--control", "none")
        self.assertEqual([one["pid"] for one in self.instances()], [self.daemon.pid])
        daemon.stop()
        guest.close()

    def test_a_socket_that_cannot_be_made_is_no_reason_to_give_up(self):
        guest = Guest(self.host)
        daemon = Daemon(guest, "--control", "/nowhere/control")
        self.assertEqual(daemon.log().count("No control socket"), 1)
        self.assertEqual(len(self.instances()), 2)
        daemon.stop()
        guest.close()

    def test_in_the_background_it_has_the_number_of_its_pid_file(self):
        guest, pid_path = Guest(self.host), f"{self.host.dir}/background.pid"
        self.host.run(self.host.binary(), "--config-net", "--pid", pid_path, "-t", "none", "-T", "none", guest.pid, uid=USER)
        with open(pid_path) as f:
            pid = int(f.read())
        self.assertEqual({one["pid"] for one in self.instances()}, {self.daemon.pid, pid})
        os.kill(pid, 15)
        wait_until(lambda: len(self.instances()) == 1, "end of the daemon")
        guest.close()


class ControlOfWorkers(Control):
    workers = 3


if __name__ == "__main__":
    netns_test.main()
