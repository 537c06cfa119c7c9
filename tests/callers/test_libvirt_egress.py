#!/usr/bin/env python3
"""A machine of libvirt's with an egress policy, by the recipe of the guide: libvirt hands on no such option, so passt is started beside it."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "guest"))
import debian13
import guest_test
import scenario
from debian13 import HOME, RUNTIME
from hosts import REMOTE4, REMOTE6
from scenario import NAMES
from test_libvirt import DOMAIN, KINDS, Domain, Session
from test_podman_egress import ALLOWED, OTHER, PAGE, POLICY, world

SOCKET = f"{RUNTIME}/vm.socket"


class OwnPasst(Domain):
    """The interface of the guide: whoever listens at that path is its network."""
    template = DOMAIN.replace("<backend type='passt' logFile='{base}.log'/> ", "")
    kinds = {"vhostuser": (f"<source type='unix' path='{SOCKET}' mode='client'/>", KINDS["vhostuser"][1])}


class Policy(Session):
    world = staticmethod(world)

    @classmethod
    def setUpClass(cls):
        """passt as its user starts it, in a terminal that it leaves; and the machine."""
        super().setUpClass()
        cls.policy, cls.control = f"{HOME}/.config/tapioca/egress/agent.toml", f"{RUNTIME}/control"
        cls.system.write(cls.policy, POLICY)
        cls.system.run("passt", "--vhost-user", "--socket", SOCKET, "--egress", "agent", "--control", cls.control)
        cls.machine = OwnPasst(cls.system, cls.files, ports="", kind="vhostuser")
        scenario.configure(cls.machine, heed_mtu=True)

    def visit(self, address):
        """By nc and nslookup: the guest's wget cannot look up anything, as it is linked statically."""
        return self.machine.run(f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 10 {address} 80 2>&1", check=False).output

    def look_up(self, name):
        return self.machine.run(f"nslookup {name} 2>&1", check=False).output

    def is_refused(self, *addresses):
        for address in addresses:
            with self.subTest(address=address):
                self.assertRegex(self.visit(address), "No route to host|Host is unreachable|Permission denied")

    def tapioca(self, *words):
        return self.system.run(self.host.binary("tapioca"), *words).stdout

    def verdict(self, destination):
        answer, = json.loads(self.tapioca("why", destination, "--json"))["answers"]
        return answer["verdict"], answer["ground"]

    def test_one_name_and_then_the_internet(self):
        self.is_refused(*NAMES[ALLOWED], REMOTE4, REMOTE6)
        said = self.look_up(ALLOWED)
        for address in NAMES[ALLOWED]:
            self.assertIn(f"Address: {address}", said)
            self.assertIn(PAGE, self.visit(address))
        self.assertIn("NXDOMAIN", self.look_up(OTHER))
        self.is_refused(NAMES[OTHER][0], REMOTE4, REMOTE6)

        shown = json.loads(self.tapioca("policy", "show", "--json"))
        self.assertEqual((shown["policy"]["profile"], [(r["text"], r["file"], r["line"]) for r in shown["policy"]["rules"]]), ("deny-all", [(f"{ALLOWED}:80", self.policy, 3)]))
        self.assertIn(f"{self.policy}:3", self.tapioca("why", f"{ALLOWED}:80"))
        self.assertEqual(self.verdict(f"{NAMES[ALLOWED][0]}:80"), ("allow", "name"))
        self.assertEqual(self.verdict(f"{REMOTE4}:80"), ("deny", "profile"))
        self.assertIn(ALLOWED, self.tapioca("dns"))

        self.tapioca("policy", "set", "internet-only")
        self.assertEqual(self.verdict(f"{NAMES[ALLOWED][0]}:80"), ("allow", "profile"))
        for address in NAMES[ALLOWED]:
            self.assertIn(PAGE, self.visit(address))
        self.is_refused(REMOTE4, REMOTE6)


if __name__ == "__main__":
    debian13.main(guest_test.missing)
