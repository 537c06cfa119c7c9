#!/usr/bin/env python3
"""Forwarding rules by our own interface (AddRule, DeleteRule, ReplaceRules, `tapioca rules`): who added what, as a whole or not at all, counted."""
import json
import os
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import netns_test
from controlled import OnControlledDaemon
from hosts import HOST4, PYTHON, USER, wait_until
from inside import Task
from rule_calls import ASK, CALLER, SERVER, spec

OF_THE_START = [("command line", "TCP [*]:8000  =>  7000")]


class RuleCalls(OnControlledDaemon, unittest.TestCase):
    @classmethod
    def options(cls):
        cls.pesto_path = f"{cls.host.dir}/conf"
        return "-c", cls.pesto_path

    @classmethod
    def serve(cls):
        return cls.guest.popen(PYTHON, "-c", SERVER, 7000, 7001, stdout=-1)

    def setUp(self):
        self.call("ReplaceRules", rules=[spec("8000:7000")], owner="command line")
        for owner in {r["owner"] for r in self.rules()} - {"command line"}:
            self.call("ReplaceRules", rules=[], owner=owner)
        self.assertEqual(self.owned(), OF_THE_START)

    def say(self, method, path=None, **parameters):
        """The whole reply."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(path or self.path)
            s.sendall(json.dumps({"method": "io.github.tapioca.Control." + method, "parameters": parameters}).encode() + b"\0")
            said = b""
            while not said.endswith(b"\0"):
                said += s.recv(65536)
            return json.loads(said[:-1])

    def call(self, method, **parameters):
        said = self.say(method, **parameters)
        self.assertNotIn("error", said)
        return said["parameters"]

    def refused(self, method, **parameters):
        """The error's name and parameters."""
        said = self.say(method, **parameters)
        self.assertIn("error", said)
        return said["error"].removeprefix("io.github.tapioca.Control."), said["parameters"]

    def rules(self):
        return self.call("ListRules")["rules"]

    def rule(self, rule_id):
        return next(r for r in self.rules() if r["id"] == rule_id)

    def owned(self):
        return [(r["owner"], r["text"]) for r in self.rules()]

    def listed(self):
        return [(r["id"], r["owner"], r["text"]) for r in self.rules()]

    def add(self, ports, owner="me", **where):
        added, = self.call("AddRule", rule=spec(ports, **where), owner=owner)["rules"]
        return added

    def pesto(self, *options):
        return self.host.run(self.host.binary("pesto"), *options, self.pesto_path).stdout

    def tapioca(self, *words, status=0):
        return super().tapioca("rules", *words, "--control", self.path, status=status)

    def ask(self, port, how="tcp", count=1, address=HOST4):
        return self.host.run_remote(PYTHON, "-c", ASK, address, port, how, count, check=False).stdout == "answered\n"

    def taken(self, port):
        """Somebody else has the port until the test ends."""
        other = self.host.popen(PYTHON, "-c", f"import socket, time\ns = socket.create_server(('', {port}))\nprint(flush=True)\ntime.sleep(600)", stdout=-1)
        other.stdout.readline()
        self.addCleanup(cleanup.end_process, other)

    def test_a_rule_is_added_used_and_deleted(self):
        self.assertFalse(self.ask(8001))
        tcp, udp = self.add("8001:7001"), self.add("8001:7001", protocol="udp")
        self.assertTrue(self.ask(8001))
        self.assertTrue(self.ask(8001, "udp"))
        self.assertEqual(self.owned(), [*OF_THE_START, ("me", "TCP [*]:8001  =>  7001"), ("me", "UDP [*]:8001  =>  7001")])
        self.call("DeleteRule", id=tcp["id"])
        self.call("DeleteRule", rule=spec("8001:7001", protocol="udp"))
        self.assertFalse(self.ask(8001))
        self.assertFalse(self.ask(8001, "udp"))
        self.assertEqual(self.refused("DeleteRule", id=udp["id"]), ("NoSuchRule", {"rule": str(udp["id"])}))
        self.assertEqual(self.refused("DeleteRule", rule=spec("8001:7001")), ("NoSuchRule", {"rule": "TCP [*]:8001  =>  7001"}))

    def test_what_is_there_is_no_error_and_stays_whose_it_is(self):
        first = self.add("8001:7001")
        again = self.add("8001:7001", owner="another")
        self.assertEqual((again["id"], again["owner"]), (first["id"], "me"))
        changes = self.daemon.log().count("rules have been changed")
        of_the_start, = self.call("AddRule", rule=spec("8000:7000"))["rules"]
        self.assertEqual(self.daemon.log().count("rules have been changed"), changes)
        self.assertEqual(of_the_start["owner"], "command line")

    def test_an_id_is_never_given_to_another_rule(self):
        ids = []
        for n in range(300):    # more than there are slots
            ids.append(self.add(f"{8001 + n % 2}:7001")["id"])
            self.call("DeleteRule", id=ids[-1])
        self.assertEqual(ids, sorted(set(ids)))

    def test_a_rule_in_the_way_is_named(self):
        error, why = self.refused("AddRule", rule=spec("7999-8001:7001-7003"))
        self.assertEqual((error, why["rule"]), ("RuleRefused", "TCP [*]:7999-8001  =>  7001-7003"))
        self.assertIn("conflict: TCP [*]:7999-8001  =>  7001-7003 versus TCP [*]:8000  =>  7000", why["why"])

    def test_a_port_that_is_taken_is_named_and_nothing_changes(self):
        self.taken(8301)
        before = self.rules()
        error, why = self.refused("AddRule", rules=[spec("8300:7001"), spec("8301:7001"), spec("8302:7001", protocol="udp")])
        self.assertEqual((error, why["rule"]), ("RuleRefused", "TCP [*]:8301  =>  7001"))
        self.assertIn("8301: Address already in use", why["why"])
        self.assertEqual(self.rules(), before)
        self.assertFalse(self.ask(8300))

    def test_a_port_of_root_is_refused_with_the_reason(self):
        if self.host.run("sysctl", "-n", "net.ipv4.ip_unprivileged_port_start").stdout.strip() == "0":
            self.skipTest("no port is root's here")
        for side in ("host", "guest"):
            error, why = self.refused("AddRule", rule=spec("81", side=side))
            self.assertEqual(error, "RuleRefused")
            self.assertIn("81", why["rule"])
            self.assertIn("privileges were given up at the start", why["why"])

    def test_what_cannot_be_read_is_refused_with_advice(self):
        for ports, advice in (("80x", "is no port"), ("127.0.0.1:8080:80", "write 127.0.0.1/8080:80"), ("8080-8070", "ends before it begins")):
            error, why = self.refused("AddRule", rule=spec(ports))
            self.assertEqual((error, why["rule"]), ("RuleRefused", "-t " + ports))
            self.assertIn(advice, why["why"])
        for wrong in ({}, {"rule": 7}, {"rule": {"side": "host"}}, {"rule": spec("80", side="left")}, {"rule": spec("80", protocol="sctp")}, {"rule": spec("")},
                      {"rules": {}}, {"rules": [7]}, {"rule": spec("80"), "owner": 7}, {"rule": spec("80"), "owner": "a\nb"}, {"rule": spec("80"), "owner": "x" * 65}):
            with self.subTest(wrong=wrong):
                self.assertEqual(self.refused("AddRule", **wrong)[0], "org.varlink.service.InvalidParameter")
        for wrong in ({}, {"id": "7"}, {"id": -7}, {"id": 7, "rule": spec("80")}):
            with self.subTest(wrong=wrong):
                self.assertEqual(self.refused("DeleteRule", **wrong)[0], "org.varlink.service.InvalidParameter")

    def test_an_owner_deletes_its_own(self):
        mine, other = self.add("8001:7001"), self.add("8002:7001", owner="another")
        self.assertEqual(self.refused("DeleteRule", id=other["id"], owner="me"), ("RuleOfAnother", {"id": other["id"], "owner": "another"}))
        self.assertEqual(self.refused("DeleteRule", rules=[spec("8001:7001"), spec("8002:7001")], owner="me")[0], "RuleOfAnother")
        self.call("ReplaceRules", rules=[spec("8003:7001"), spec("8002:7001")], owner="me")
        self.assertEqual(self.owned(), [*OF_THE_START, ("another", "TCP [*]:8002  =>  7001"), ("me", "TCP [*]:8003  =>  7001")])
        self.assertTrue(self.ask(8003))
        self.assertFalse(self.ask(8001))
        self.assertNotIn(mine["id"], [r["id"] for r in self.rules()])

    def test_all_are_replaced_or_none(self):
        self.taken(8402)
        self.add("8401:7001")
        before = self.listed()
        for bad in (spec("8402:7001"), spec("8400:7002"), spec("nonsense")):
            self.assertEqual(self.refused("ReplaceRules", rules=[spec("8400:7001"), bad])[0], "RuleRefused")
            self.assertEqual(self.listed(), before)
            self.assertTrue(self.ask(8401))
            self.assertFalse(self.ask(8400))
        said = self.call("ReplaceRules", rules=[spec("8400:7001"), spec("8401:7001"), spec("8400:7001")])["rules"]
        self.assertEqual([r["text"] for r in said], ["TCP [*]:8400  =>  7001", "TCP [*]:8401  =>  7001"])
        self.assertEqual(self.owned(), [("me", "TCP [*]:8401  =>  7001"), ("control", "TCP [*]:8400  =>  7001")])
        self.call("ReplaceRules", rules=[])
        self.assertEqual(self.rules(), [])

    def test_a_rule_of_the_guests_side(self):
        server = self.host.popen(PYTHON, "-c", SERVER, 9001, stdout=-1)
        self.addCleanup(cleanup.end_process, server)
        server.stdout.readline()
        rule = self.add("9001", side="guest")
        done = self.guest.run(PYTHON, "-c", ASK, "127.0.0.1", 9001, "tcp", 5000)
        self.assertEqual(done.stdout, "answered\n")
        counted = self.rule(rule["id"])
        self.assertEqual((counted["flows"], counted["octets_to_guest"], counted["octets_from_guest"]), (1, 5000, 5000))

    def test_a_rule_that_follows_the_other_side(self):
        rules = self.call("AddRule", rule=spec("auto,6990-7001"), owner="me")["rules"]
        wait_until(lambda: self.rule(rules[0]["id"])["bound"] == {"count": 2, "ports": "7000-7001"}, "ports of the guest")
        self.assertTrue(self.ask(7001))

    def test_it_counts(self):
        rule, udp = self.add("8001:7001"), self.add("8001:7001", protocol="udp")
        self.assertEqual((rule["flows"], rule["octets_to_guest"], rule["octets_from_guest"]), (0, 0, 0))
        for _ in range(3):
            self.assertTrue(self.ask(8001, count=100_000))
        self.assertTrue(self.ask(8001, "udp", count=50))
        counted = lambda r: tuple(self.rule(r["id"])[name] for name in ("flows", "octets_to_guest", "octets_from_guest"))
        wait_until(lambda: counted(rule) == (3, 300_000, 300_000), f"counts, not {counted(rule)}")
        self.assertEqual(counted(udp), (1, 50, 5))
        self.call("DeleteRule", id=rule["id"])
        self.assertEqual(self.add("8001:7001")["flows"], 0)     # another rule

    def test_past_the_tap_it_counts_as_well(self):
        rule = self.add("8001:7001")
        done = self.host.run(PYTHON, "-c", ASK, "127.0.0.1", 8001, "tcp", 70_000)
        self.assertEqual(done.stdout, "answered\n")
        wait_until(lambda: self.rule(rule["id"])["octets_from_guest"] == 70_000, "counts")
        self.assertEqual((self.rule(rule["id"])["flows"], self.rule(rule["id"])["octets_to_guest"]), (1, 70_000))

    def test_ports_that_are_not_had_are_told(self):
        self.taken(8502)
        rules = self.call("AddRule", rule=spec("~1-8499,~8505-65535"), owner="me")["rules"]
        self.assertEqual([r["bound"] for r in rules], [{"count": 4, "ports": "8500-8501,8503-8504"}])
        self.assertEqual([r["missing"] for r in rules], [[{"count": 1, "ports": "8502", "why": "Address already in use"}]])

    def test_a_flow_names_its_rule(self):
        rule = self.add("8001:7001")
        script = ASK.replace('print("answered")', 'print("answered", flush=True)\nsys.stdin.readline()')
        client = self.host.popen(*self.host.in_remote(PYTHON, "-c", script, HOST4, 8001, "tcp", 1), stdin=-1, stdout=-1)
        client.stdout.readline()
        lines = self.host.run(self.host.binary("tapioca"), "flows", "--json", uid=USER).stdout.splitlines()
        flows = [flow for line in lines for flow in json.loads(line)["flows"]]
        cleanup.end_process(client)
        self.assertIn(rule["id"], [flow.get("rule") for flow in flows])

    def test_the_neighbours_of_a_rule_that_changes_lose_nobody(self):
        rate, seconds = 500, 4
        caller = self.host.popen(*self.host.in_remote(PYTHON, "-c", CALLER, HOST4, 8000, rate, seconds), stdout=-1)
        changes = 0
        while caller.poll() is None:
            rule = self.add("8100-8110:7100-7110")
            self.call("ReplaceRules", rules=[spec("8100-8105:7200-7205"), spec("8111:7001")], owner="me")
            self.call("DeleteRule", rules=[spec("8100-8105:7200-7205"), spec("8111:7001")])
            changes += 1
            self.assertNotIn(rule["id"], [r["id"] for r in self.rules()])
        answered, took, *wrong = caller.stdout.read().split(maxsplit=2)
        self.assertEqual(wrong, [])
        self.assertEqual(int(answered), rate * seconds)
        self.assertGreater(changes, 20)

    def test_the_socket_for_seeing_refuses(self):
        name = f"\0tapioca/{USER}/{self.daemon.pid}"
        speak = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.settimeout(5)\ns.connect('\\0' + sys.argv[1])\ns.sendall(bytes.fromhex(sys.argv[2]))\nprint(s.recv(9999)[:-1].decode())"
        for method, parameters in (("AddRule", {"rule": spec("8001:7001")}), ("DeleteRule", {"id": 1}), ("ReplaceRules", {"rules": []})):
            octets = json.dumps({"method": "io.github.tapioca.Control." + method, "parameters": parameters}).encode() + b"\0"
            said = json.loads(self.host.run(PYTHON, "-c", speak, name[1:], octets.hex(), uid=USER).stdout)
            self.assertEqual(said["error"], "io.github.tapioca.Control.PermissionDenied")
        self.assertEqual(self.owned(), OF_THE_START)

    def test_pesto_keeps_owners(self):
        mine = self.add("8001:7001")
        self.pesto("-A", "-t", "8002:7001")
        self.assertEqual(self.owned(), [*OF_THE_START, ("me", "TCP [*]:8001  =>  7001"), ("pesto", "TCP [*]:8002  =>  7001")])
        self.pesto("-D", "-t", "8000:7000", "-t", "8002:7001")
        self.assertEqual([(r["id"], r["owner"]) for r in self.rules()], [(mine["id"], "me")])

    def test_the_tool_adds_shows_and_deletes(self):
        said = json.loads(self.tapioca("add", "-t", "8001:7001", "-u", "8001:7001", "--owner", "web", "--json"))
        tcp, udp = (r["id"] for r in said["rules"])
        self.assertTrue(self.ask(8001))
        line, = [line.split() for line in self.tapioca().splitlines() if "TCP [*]:8001" in line]
        self.assertEqual(line[:3] + line[7:9], [str(self.daemon.pid), str(tcp), "host", "web", "1"])
        self.assertIn("web", self.tapioca("add", "-t", "8001:7001"))    # once more is success
        self.assertIn("belongs to web", self.tapioca("delete", tcp, "-o", "me", status=1))
        self.assertEqual(self.tapioca("delete", tcp), "")
        self.assertIn(f"there is no rule {tcp}", self.tapioca("delete", tcp, status=1))
        self.assertEqual(self.rule(udp)["owner"], "web")
        self.tapioca("delete", "-u", "8001:7001", "--owner", "web")
        self.tapioca("replace", "-t", "8002:7001", "--owner", "web")
        self.assertEqual(self.owned(), [*OF_THE_START, ("web", "TCP [*]:8002  =>  7001")])
        self.tapioca("replace", "-t", "none", "--owner", "web")
        self.assertEqual(self.owned(), OF_THE_START)

    def test_the_tool_says_what_is_wrong(self):
        self.taken(8003)
        self.assertIn("rule TCP [*]:8003  =>  7001: Listen failed for HOST TCP port */8003: Address already in use",
                      self.tapioca("add", "-t", "8003:7001", status=1))
        self.assertIn("conflict", self.tapioca("add", "-t", "8000:7001", status=1))
        self.assertIn("needs -t", self.tapioca("add", status=2))
        seen = self.host.run(self.host.binary("tapioca"), "rules", "add", "-t", "8001:7001", self.daemon.pid, uid=USER)
        self.assertIn("8001", seen.stdout)      # by the path that it says that it has

    def test_changes_by_all_ways_at_once(self):
        """Each of them keeps its own rules, and each change is as if it were alone."""
        def by_call(owner, port):
            for _ in range(30):
                rule = self.add(f"{port}:7001", owner=owner)
                self.assertIn((owner, f"TCP [*]:{port}  =>  7001"), self.owned())
                self.call("DeleteRule", id=rule["id"], owner=owner)
        def by_pesto(port):
            for _ in range(15):
                self.pesto("-A", "-t", f"{port}:7001")
                self.assertIn(("pesto", f"TCP [*]:{port}  =>  7001"), self.owned())
                self.pesto("-D", "-t", f"{port}:7001")
        tasks = [Task(by_call, "a", 8601), Task(by_call, "b", 8602), Task(by_pesto, 8603)]
        for task in tasks:
            task.result()
        self.assertEqual(self.owned(), OF_THE_START)
        self.assertTrue(self.ask(8000))

    def test_a_call_that_wants_no_answer_is_done(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.path)
            call = {"method": "io.github.tapioca.Control.AddRule", "parameters": {"rule": spec("8001:7001")}, "oneway": True}
            s.sendall(json.dumps(call).encode() + b"\0")
            wait_until(lambda: ("control", "TCP [*]:8001  =>  7001") in self.owned(), "the rule")


class RuleCallsOfWorkers(RuleCalls):
    workers = 2


if __name__ == "__main__":
    netns_test.main()
