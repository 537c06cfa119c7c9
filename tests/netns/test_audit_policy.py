#!/usr/bin/env python3
"""What the audit log says of an egress policy's verdicts: rule and name, refusals, and what the mode `audit` lets pass; and what is learned from it."""
import errno
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import NO_PORTS, Daemon, Guest
from hosts import FAR4, REMOTE4, RESOLVER4, RESOLVER6, USER, SimulatedHost, run
from inside import Place, guest_place, remote_place
from name_server import A, NO_ERROR, NameServer, ask, record

POLICY = """profile = "deny-all"
allow = [
    "good.test:8080",
    "192.0.2.3:7000/tcp",
]
"""
OPEN, CLOSED = 8080, 8081


class AuditOfPolicy(unittest.TestCase):
    workers = 1

    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        for address, length in ((RESOLVER4, 24), (RESOLVER6, 64)):
            run("ip", "-n", cls.host.remote, "addr", "add", f"{address}/{length}", "dev", "eth0", *(["nodad"] if ":" in address else []))
        cls.server = NameServer(remote_place(cls.host), [RESOLVER4, RESOLVER6], lambda name, kind: [record(name, FAR4)] if name == "good.test" and kind == A else None)
        cls.listening = [Place(f"/run/netns/{cls.host.far}").bound(FAR4, port) for port in (OPEN, CLOSED)] + [remote_place(cls.host).bound(REMOTE4, 7000)]

    @classmethod
    def tearDownClass(cls):
        for s in cls.listening:
            s.close()
        cls.server.close()
        cls.host.close()

    def daemon(self, policy):
        guest = Guest(self.host)
        self.addCleanup(guest.close)
        self.place = guest_place(guest)
        self.policy, self.log = f"{self.host.dir}/policy{guest.pid}.toml", f"{self.host.dir}/audit{guest.pid}"
        with open(self.policy, "w") as f:
            f.write(policy)
        os.chmod(self.policy, 0o644)
        daemon = Daemon(guest, "--workers", self.workers, "--egress", self.policy, "--audit-log", self.log, ports=NO_PORTS)
        self.addCleanup(daemon.stop)
        return daemon

    def connect(self, address, port):
        """The errno, or None."""
        try:
            with self.place.connected(address, port, timeout=5):
                return None
        except OSError as refused:
            return refused.errno

    def lines(self, daemon):
        """All, once it has ended."""
        daemon.stop()
        with open(self.log) as f:
            return [json.loads(line) for line in f]

    def visits(self):
        self.assertEqual(ask(self.place, "203.0.113.53", "good.test").code, NO_ERROR)
        self.assertIsNone(self.connect(FAR4, OPEN))
        self.assertIsNone(self.connect(REMOTE4, 7000))
        return [self.connect(FAR4, CLOSED) for _ in range(3)]

    def test_rule_and_name_stand_with_each_flow_and_refusals_are_summed_up(self):
        daemon = self.daemon(POLICY)
        self.assertEqual(self.visits(), [errno.EHOSTUNREACH] * 3)
        lines = self.lines(daemon)
        self.assertEqual(sum(line.get("count", 1) for line in lines if "refused" in (line["event"], line.get("of"))), 3)
        opened = {line["remote"]["port"]: line for line in lines if line["event"] == "opened"}
        named, plain, query = opened[OPEN], opened[7000], opened[53]
        self.assertEqual((named["name"], named["name_from"], named["ground"], named["verdict"]), ("good.test", "dns", "name", "allow"))
        self.assertEqual(named["rule"], {"text": "good.test:8080", "file": self.policy, "line": 3})
        self.assertEqual((plain["ground"], plain["rule"]["line"], "name" in plain), ("rule", 4, False))
        self.assertEqual((query["ground"], query["host_peer"]["address"]), ("resolver", "127.0.0.1"))
        denied = next(line for line in lines if line["event"] == "refused")
        self.assertEqual((denied["verdict"], denied["passed"], denied["ground"], denied["profile"], denied["reason"]),
                         ("deny", False, "profile", "deny-all", "egress_denied"))
        self.assertEqual((denied["remote"], "flow" in denied), ({"address": FAR4, "port": CLOSED}, False))
        ended = next(line for line in lines if line["event"] == "ended" and line["remote"]["port"] == OPEN)
        self.assertEqual((ended["name"], ended["rule"], ended["flow"]), (named["name"], named["rule"], named["flow"]))

    def test_in_the_mode_audit_what_would_be_denied_passes_and_is_told_and_learned(self):
        daemon = self.daemon('mode = "audit"\n' + POLICY)
        self.assertEqual(self.visits(), [None] * 3)
        lines = self.lines(daemon)
        self.assertEqual(len([line for line in lines if line["event"] == "ended" and line["protocol"] == "tcp"]), 5)
        denied = [line for line in lines if line["event"] == "opened" and line["verdict"] == "deny"]
        self.assertEqual([(line["remote"]["port"], line["passed"], line["ground"]) for line in denied], [(CLOSED, True, "profile")] * 3)
        learned = self.host.run(self.host.binary("tapioca"), "policy", "learn", self.log, uid=USER).stdout
        for rule in ('"good.test:8080/tcp"', f'"{REMOTE4}:7000/tcp"', f'"{FAR4}:{CLOSED}/tcp"'):
            self.assertIn(rule, learned)
        proposed = f"{self.log}.toml"
        with open(proposed, "w") as f:
            f.write(learned)
        os.chmod(proposed, 0o644)
        self.host.run(self.host.binary("tapioca"), "policy", "check", proposed, uid=USER)
        self.daemon(learned)
        self.assertEqual(self.visits(), [None] * 3)


class AuditOfPolicyOfWorkers(AuditOfPolicy):
    workers = 2


if __name__ == "__main__":
    netns_test.main()
