#!/usr/bin/env python3
"""varlinkctl of Debian 13's systemd as a client of the control socket: what it is told, it understands."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import debian13
from hosts import SimulatedHost, wait_until

INTERFACE = "io.github.tapioca.Control"


class Varlinkctl(debian13.Installed):
    world = SimulatedHost

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.path = "/tmp/pasta.control"
        argv = ("pasta", "--config-net", "--control", cls.path, "-t", "8000:7000", "-u", "none", "-T", "none", "-U", "none", "--", "sleep", "600")
        cls.pasta = cls.system.popen(*argv)
        wait_until(lambda: os.path.exists(cls.system.seen(cls.path)), "control socket")

    @classmethod
    def tearDownClass(cls):
        cls.pasta.terminate()
        cls.pasta.wait(10)
        super().tearDownClass()

    def varlinkctl(self, *words, check=True):
        return self.system.run("varlinkctl", *words, check=check)

    def test_it_introspects(self):
        self.assertIn(INTERFACE, self.varlinkctl("list-interfaces", self.path).stdout)
        self.assertIn("tapioca", self.varlinkctl("info", self.path).stdout)
        text = self.varlinkctl("introspect", self.path, INTERFACE).stdout
        for part in (f"interface {INTERFACE}", "method GetInfo", "method ListFlows", "error NoSuchFlow"):
            self.assertIn(part, text)

    def test_it_calls(self):
        info = json.loads(self.varlinkctl("-j", "call", self.path, f"{INTERFACE}.GetInfo", "{}").stdout)
        self.assertEqual(info["mode"], "pasta")
        rules = json.loads(self.varlinkctl("-j", "call", self.path, f"{INTERFACE}.ListRules", "{}").stdout)["rules"]
        self.assertEqual(len(rules), 1)
        self.assertIn("7000", rules[0]["text"])

    def test_it_understands_several_replies_and_errors(self):
        said = self.varlinkctl("-j", "--more", "call", self.path, f"{INTERFACE}.ListFlows", "{}").stdout
        self.assertIn('"flows"', said)
        wrong = self.varlinkctl("call", self.path, f"{INTERFACE}.EndFlow", '{"id":"0.tcp.1.1"}', check=False)
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("NoSuchFlow", wrong.stderr + wrong.stdout)


if __name__ == "__main__":
    debian13.main()
