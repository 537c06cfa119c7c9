#!/usr/bin/env python3
"""Where a guest may connect, exchanged while it runs (tapioca policy, tapioca why): as a whole or not at all, and what is denied
then ends; what is allowed goes on."""
import errno
import json
import os
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import NO_PORTS, Daemon, Guest
from hosts import FAR4, FAR6, REMOTE4, REMOTE6, ROUTER4, USER, SimulatedHost, wait_until
from inside import Place, Task, digest_of, guest_place, meet, pair, remote_place, send_octets, take_octets
from services import PATTERN

PORT, OTHER = 7000, 7001
REFUSED = {errno.EHOSTUNREACH, errno.EACCES}
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
OPEN_TO_ALL = f'allow = ["{FAR4}", "{REMOTE4}", "[{FAR6}]", "[{REMOTE6}]"]\nprofile = "deny-all"\n'
ONLY_FAR = f'profile = "deny-all"\nallow = ["{FAR4}",\n  "[{FAR6}]:{PORT}"]\n'


class Reload(unittest.TestCase):
    def setUp(self):
        self.host = SimulatedHost()
        self.addCleanup(self.host.close)
        os.chmod(self.host.dir, 0o777)
        self.guest = Guest(self.host)
        self.addCleanup(self.guest.close)
        self.inside = guest_place(self.guest)
        self.far, self.remote = Place(f"/run/netns/{self.host.far}"), remote_place(self.host)
        self.path = f"{self.host.dir}/control"

    def start(self, *options):
        self.daemon = Daemon(self.guest, "--workers", 2, "--control", self.path, *options, ports=NO_PORTS)
        self.addCleanup(self.daemon.stop)

    def start_with(self, text, *options):
        self.start("--egress", self.file("first.toml", text), *options)

    def file(self, name, text):
        path = f"{self.host.dir}/{name}"
        with open(path, "w") as file:
            file.write(text)
        return path

    def tapioca(self, *words, status=0):
        done = self.host.run(self.host.binary("tapioca"), *words, uid=USER, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout if status == 0 else done.stderr

    def set(self, text, status=0):
        return self.tapioca("policy", "set", self.file("next.toml", text), status=status)

    def policy(self):
        said = json.loads(self.tapioca("policy", "show", "--json"))
        said.pop("pid")
        return said

    def why(self, destination):
        return json.loads(self.tapioca("why", destination, "--json"))

    def passes(self, address, port=PORT, kind=TCP):
        meet(self.inside, self.far if address in (FAR4, FAR6) else self.remote, address, port, kind)

    def is_refused(self, address, port=PORT, kind=TCP):
        with self.assertRaises(OSError) as refusal:
            self.passes(address, port, kind)
        self.assertIn(refusal.exception.errno, REFUSED, refusal.exception)

    def test_under_load_the_allowed_go_on_and_the_denied_are_reset(self):
        self.start_with(OPEN_TO_ALL)
        kept = [pair(self.inside, self.far, address, PORT) for address in (FAR4, FAR6)]
        lost = [pair(self.inside, self.remote, address, OTHER) for address in (REMOTE4, REMOTE6)]

        over = threading.Event()

        def send(s):
            length = 0
            while not over.is_set():
                send_octets(s, len(PATTERN))
                length += len(PATTERN)
            s.shutdown(socket.SHUT_WR)
            return length
        tasks = [(Task(send, client), Task(take_octets, server)) for client, server in kept]
        for number in range(10):
            self.set(OPEN_TO_ALL + f"# {number}\n")
        for client, server in lost:
            client.sendall(b"still there")
            self.assertEqual(server.recv(100), b"still there")
        self.set(ONLY_FAR)
        for client, server in lost:
            with self.assertRaises(ConnectionResetError):
                client.recv(1)
            with self.assertRaises(ConnectionResetError):
                server.recv(1)
        for number in range(5):
            self.set(ONLY_FAR + f"# {number}\n")
        over.set()
        for sender, receiver in tasks:
            length = sender.result()
            self.assertEqual(receiver.result(), (length, digest_of(length)))
        self.passes(FAR4)
        self.passes(FAR6)
        self.is_refused(FAR6, OTHER)
        self.is_refused(REMOTE4)
        self.is_refused(REMOTE6, kind=UDP)

    def test_datagrams_of_a_flow_that_is_denied_now_are_refused(self):
        self.start_with(OPEN_TO_ALL)
        with self.remote.bound(REMOTE4, PORT, UDP) as server, self.inside.connected(REMOTE4, PORT, UDP) as client:
            client.send(b"one")
            self.assertEqual(server.recv(10), b"one")
            self.set(ONLY_FAR)
            with self.assertRaises(OSError) as refusal:
                for _ in range(20):
                    client.send(b"two")
                    time.sleep(0.05)
            self.assertIn(refusal.exception.errno, REFUSED)
            server.settimeout(0.2)
            with self.assertRaises(TimeoutError):
                server.recv(10)

    def test_connections_that_begin_meanwhile_are_judged_by_one_of_both(self):
        """While two policies take turns that both allow one destination, none to it is refused, and none to what both deny passes."""
        self.start_with(ONLY_FAR)
        wrong, over = [], threading.Event()

        def connect():
            with self.far.bound(FAR4, PORT) as server:
                server.settimeout(5)
                while not over.is_set():
                    try:
                        self.inside.connected(FAR4, PORT).close()
                        server.accept()[0].close()
                    except OSError as why:
                        wrong.append(why)
                    try:
                        self.inside.connects(REMOTE4, PORT)
                        wrong.append("what both deny was connected")
                    except OSError as why:
                        if why.errno not in REFUSED:
                            wrong.append(why)
        task = Task(connect)
        for number in range(30):
            self.set(ONLY_FAR if number % 2 else f'profile = "no-lan"\nallow = ["{FAR4}"]\ndeny = ["192.0.2.0/24"]\n')
        over.set()
        task.result()
        self.assertEqual(wrong, [])

    def test_a_faulty_policy_changes_nothing(self):
        self.start_with(ONLY_FAR)
        before = self.policy()
        for text, told in ((f'profile = "deny-all"\nallow = ["{FAR4}:70000"]', "next.toml:2: allow: "),
                           ('profile = "nothing"', "next.toml:1: profile: "), ('profle = "open"', "next.toml:1: profle"),
                           ('profile = "open', "next.toml:1"), ('[limit]\nrate = "quick"', "next.toml:2: limit.rate: ")):
            with self.subTest(text=text):
                said = self.set(text, status=1)
                self.assertIn(told, said)
                self.assertIn("; ", said)       # the cure stands behind
                self.assertEqual(self.policy(), before)
        self.assertIn("cannot be read", self.tapioca("policy", "set", "/nowhere.toml", status=1))
        self.assertEqual(self.policy(), before)
        self.passes(FAR4)
        self.is_refused(REMOTE4)

    def test_several_files_and_profiles_are_one_policy(self):
        self.start_with("")
        self.tapioca("policy", "set", "internet-only", self.file("a.toml", f'deny = ["{FAR6}/128"]'), self.file("b.toml", f'\nallow = ["{REMOTE4}:{PORT}"]'), self.daemon.pid)
        self.assertEqual(self.policy()["policy"]["profile"], "internet-only")
        self.assertEqual([(os.path.basename(r["file"]), r["line"]) for r in self.policy()["policy"]["rules"]], [("a.toml", 1), ("b.toml", 2)])
        self.passes(FAR4)
        self.passes(REMOTE4)
        self.is_refused(REMOTE4, OTHER)
        self.is_refused(FAR6)
        self.tapioca("policy", "reload", "open")
        self.passes(REMOTE4, OTHER)
        self.assertEqual(self.policy(), {"policy": {"profile": "open", "mode": "enforce", "rules": []}, "locked": False, "fixed": False})

    def locked_lets_only_narrower(self):
        self.assertTrue(self.policy()["locked"])
        for text, told in (("", "profile"), (OPEN_TO_ALL, REMOTE4), (ONLY_FAR.replace(f"]:{PORT}", "]"), FAR6), ('mode = "audit"\n' + ONLY_FAR, "audit")):
            said = self.set(text, status=1)
            self.assertIn("the policy is locked", said)
            self.assertIn(told, said)
        self.is_refused(REMOTE4)
        self.is_refused(FAR6, OTHER)
        self.set(ONLY_FAR)
        self.passes(FAR6)
        self.set(f'profile = "deny-all"\nallow = ["{FAR4}:{PORT}/tcp"]')
        self.passes(FAR4)
        self.is_refused(FAR6)
        self.set(ONLY_FAR, status=1)
        self.is_refused(FAR6)

    def test_locked_at_the_start(self):
        self.start_with(ONLY_FAR, "--egress-lock")
        self.locked_lets_only_narrower()

    def test_locked_while_it_runs(self):
        self.start_with(OPEN_TO_ALL)
        self.assertFalse(self.policy()["locked"])
        self.set(ONLY_FAR)
        self.tapioca("policy", "lock")
        self.locked_lets_only_narrower()

    def ask(self, address, method, **parameters):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(address)
            s.sendall(json.dumps({"method": f"io.github.tapioca.Control.{method}", "parameters": parameters}).encode() + b"\0")
            said = b""
            while not said.endswith(b"\0") and (more := s.recv(65536)):
                said += more
            return json.loads(said[:-1]) if said else None

    def seen(self, method, **parameters):
        script = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.settimeout(5)\ns.connect('\\0' + sys.argv[1])\ns.sendall(bytes.fromhex(sys.argv[2]))\nprint(s.recv(65536).hex())"
        call = json.dumps({"method": f"io.github.tapioca.Control.{method}", "parameters": parameters}).encode() + b"\0"
        said = self.host.run("python3", "-c", script, f"tapioca/{USER}/{self.daemon.pid}", call.hex(), uid=USER).stdout
        return json.loads(bytes.fromhex(said.strip())[:-1])

    def test_the_socket_for_seeing_changes_nothing(self):
        self.start_with(ONLY_FAR)
        before = self.policy()
        for method, parameters in (("ReplacePolicy", {"files": [{"name": "a", "text": 'profile = "open"'}]}), ("LockPolicy", {})):
            self.assertEqual(self.seen(method, **parameters)["error"], "io.github.tapioca.Control.PermissionDenied")
        self.assertEqual(self.seen("GetPolicy")["parameters"], before)
        self.assertEqual(self.policy(), before)
        self.is_refused(REMOTE4)

    def test_calls_that_make_no_sense(self):
        self.start_with(ONLY_FAR)
        before = self.policy()
        for method, parameters in (("ReplacePolicy", {}), ("ReplacePolicy", {"files": [{"name": "a"}]}), ("WhyDestination", {"destination": "a b", "port": 1}), ("WhyDestination", {"destination": FAR4})):
            self.assertEqual(self.ask(self.path, method, **parameters)["error"], "org.varlink.service.InvalidParameter")
        for text in ("a = " + "[" * 5000, '"\\u0000" = 1', "allow = [" + '"192.0.2.7:1",' * 4000 + "]x", "\0"):
            self.assertEqual(self.ask(self.path, "ReplacePolicy", files=[{"name": "a", "text": text}])["error"], "io.github.tapioca.Control.PolicyFaulty")
        with self.assertRaises(ConnectionResetError):
            self.ask(self.path, "ReplacePolicy", files=[{"name": "a", "text": "#" * 70000}])
        self.assertEqual(self.policy(), before)

    def test_a_policy_as_large_as_a_call_is_exchanged_soon(self):
        self.start_with(ONLY_FAR)
        rules = "\n".join(f"  '10.{n >> 8}.{n & 255}.1:{n + 1}'," for n in range(2000))
        began = time.monotonic()
        said = self.ask(self.path, "ReplacePolicy", files=[{"name": "a", "text": f"profile = 'no-lan'\nallow = [\n{rules}\n]"}])
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(said["parameters"]["findings"], [])
        self.assertEqual(len(self.policy()["policy"]["rules"]), 2000)

    def test_names_need_to_be_prepared_for(self):
        self.start_with(ONLY_FAR)
        before = self.policy()
        self.assertIn("cannot be changed", self.set('profile = "deny-all"\nallow = ["example.org:443"]', status=1))
        self.assertEqual(self.policy(), before)

    def test_without_egress_nothing_comes_later(self):
        self.start()
        self.assertTrue(self.policy()["fixed"])
        self.assertIn("--egress open", self.set(ONLY_FAR, status=1))
        self.assertIn("--egress", self.tapioca("policy", "lock", status=1))
        self.passes(REMOTE4)
        answer, = self.why(f"{REMOTE4}:{PORT}")["answers"]
        self.assertEqual((answer["verdict"], answer["ground"]), ("allow", "nobody"))

    def test_why(self):
        self.start_with(f'profile = "internet-only"\ndeny = [\n  "{FAR4}:{OTHER}/tcp",\n  "@metadata"]\nallow = ["{REMOTE4}:{PORT}"]')
        expected = {f"{FAR4}:{PORT}": ("allow", "profile", None), f"{FAR4}:{OTHER}": ("deny", "rule", 3), f"{FAR4}:{OTHER}/udp": ("allow", "profile", None),
                    f"{REMOTE4}:{PORT}/udp": ("allow", "rule", 5), f"{REMOTE4}:{OTHER}": ("deny", "profile", None), f"{REMOTE4}/echo": ("deny", "profile", None),
                    "169.254.169.254:80": ("deny", "rule", 4), f"[{REMOTE6}]:{PORT}": ("deny", "profile", None), f"[{FAR6}]/echo": ("allow", "profile", None),
                    f"{ROUTER4}:{PORT}": ("deny", "profile", None), "[64:ff9b::192.0.2.3]:1": ("deny", "profile", None), "[2002:a9fe:a9fe::1]:80": ("deny", "rule", 4)}
        classes = {REMOTE4: ["@lan"], "169.254.169.254": ["@metadata", "@lan"], ROUTER4: ["@host"], FAR4: []}
        for destination, (verdict, ground, line) in expected.items():
            with self.subTest(destination):
                answer, = self.why(destination)["answers"]
                self.assertEqual((answer["verdict"], answer["ground"], answer.get("rule", {}).get("line")), (verdict, ground, line))
                self.assertEqual(answer["passes"], verdict == "allow")
                if answer["address"] in classes:
                    self.assertEqual(answer["classes"], classes[answer["address"]])
        self.assertEqual(self.why(f"{ROUTER4}:80")["answers"][0]["judged"], {"address": "127.0.0.1", "port": 80})
        self.assertIn('first.toml:3)', self.tapioca("why", f"{FAR4}:{OTHER}"))
        self.assertIn("the host's 127.0.0.1", self.tapioca("why", f"{ROUTER4}:80", self.daemon.pid))
        self.assertIn("no address is known", self.tapioca("why", "example.org:443"))
        for wrong in ("10.0.0.0/8:1", "*.example.org:1", FAR4, f"{FAR4}:1-2", "@lan"):
            self.assertIn("is no destination", self.tapioca("why", wrong, status=1))
        self.passes(FAR4)
        self.is_refused(FAR4, OTHER)

    def test_a_denial_is_an_event_that_names_its_rule(self):
        self.start_with(f'profile = "no-lan"\ndeny = [\n  "{FAR4}:{OTHER}"]')
        watch = self.host.popen(self.host.binary("tapioca"), "watch", "--json", uid=USER, stdout=-1)
        events = []

        def denied(port):
            return next((e for e in events if e["event"] == "egress_denied" and e["remote"]["port"] == port), None)
        threading.Thread(target=lambda: events.extend(json.loads(line) for line in watch.stdout), daemon=True).start()

        def refused_and_heard(address, port):
            self.is_refused(address, port)
            return denied(port)
        by_rule = wait_until(lambda: refused_and_heard(FAR4, OTHER), "event of what a rule denies")
        by_profile = wait_until(lambda: refused_and_heard(REMOTE4, PORT), "event of what the profile denies")
        watch.terminate()
        self.assertEqual((by_rule["topic"], by_rule["protocol"], by_rule["remote"]["address"]), ("flows", "tcp", FAR4))
        self.assertEqual((by_rule["egress"]["line"], by_rule["egress"]["text"]), (3, f"{FAR4}:{OTHER}"))
        self.assertNotIn("egress", by_profile)
        self.assertIn("profile", by_profile["words"])


if __name__ == "__main__":
    netns_test.main()
