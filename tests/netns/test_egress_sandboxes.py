#!/usr/bin/env python3
"""A command in bubblewrap, in a namespace of ours with an egress policy: what it may reach, what is seen of that outside, and that it changes nothing."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from documented_host import PAGES, documented_host
from hosts import PYTHON, REMOTE4, REMOTE6, USER

PAGE = "A page from the other side"
POLICY = """profile = "deny-all"
allow = ["example.org:80"]
"""
BWRAP = ("bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-all", "--share-net", "--die-with-parent")
# What a client says of each destination, and then nothing until its input ends.
VISIT = 'for to in "$@"; do echo "== $to"; curl -sS --noproxy "*" --max-time 20 "http://$to/" 2>&1; done; echo "== end"; cat'
# Asks for a policy without any rule at the control socket of that path.
WIDEN = """import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect(sys.argv[1])
call = {"method": "io.github.tapioca.Control.ReplacePolicy", "parameters": {"files": [{"name": "open", "text": 'profile = "open"'}]}}
s.sendall(json.dumps(call).encode() + b"\\0")
print(json.loads(s.recv(65536)[:-1]).get("error", "widened"))
"""


@netns_test.needs("bwrap", "curl", "dnsmasq")
class Bubblewrap(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = documented_host()
        cls.addClassCleanup(cls.host.close)
        cls.policy = f"{cls.host.dir}/agent.toml"
        with open(cls.policy, "w") as f:
            f.write(POLICY)
        cls.controls = f"{cls.host.dir}/controls"
        os.mkdir(cls.controls)
        os.chown(cls.controls, USER, USER)

    def words(self, *command, options=(), sandbox=()):
        """The command line of a recipe: the namespace, in it the sandbox, in it the command."""
        return (self.host.binary(), "--config-net", "--quiet", "--egress", self.policy, *options, "--", *BWRAP, *sandbox, *command)

    def test_one_name_and_nothing_else(self):
        process = self.host.popen(*self.words("sh", "-c", VISIT, "sh", "example.org", "other.example", PAGES[0], REMOTE4, f"[{REMOTE6}]"),
                                  uid=USER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = "".join(iter(process.stdout.readline, "== end\n"))
        parts = {destination: text for destination, _, text in (part.partition("\n") for part in said.split("== ")[1:])}
        for allowed in ("example.org", PAGES[0]):       # it has asked for the name
            self.assertIn(PAGE, parts.pop(allowed), said)
        self.assertIn("Could not resolve host", parts.pop("other.example"))
        self.assertEqual(len(parts), 2)
        for text in parts.values():
            self.assertRegex(text, "No route to host|Permission denied|Couldn't connect|Failed to connect")
        self.seen_outside()
        process.communicate("", timeout=30)
        self.assertEqual(process.returncode, 0)

    def seen_outside(self):
        """By the same user, on the host."""
        def tapioca(*words):
            return self.host.run(self.host.binary("tapioca"), *words, uid=USER).stdout
        shown = json.loads(tapioca("policy", "show", "--json"))
        self.assertEqual([(r["text"], r["file"], r["line"]) for r in shown["policy"]["rules"]], [("example.org:80", self.policy, 2)])
        for destination, verdict, ground in ((f"{PAGES[0]}:80", "allow", "name"), (f"{REMOTE4}:80", "deny", "profile")):
            answer, = json.loads(tapioca("why", destination, "--json"))["answers"]
            self.assertEqual((answer["verdict"], answer["ground"]), (verdict, ground))
        self.assertIn("example.org", tapioca("dns"))

    def widens(self, *options, sandbox=()):
        """What the sandboxed command hears when it wants more."""
        path = f"{self.controls}/{len(os.listdir(self.controls))}"
        done = self.host.run(*self.words(PYTHON, "-c", WIDEN, path, options=("--control", path, *options), sandbox=sandbox), uid=USER, check=False)
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]

    def test_the_control_socket_is_to_be_kept_out_or_the_policy_locked(self):
        self.assertEqual(self.widens(), "widened")
        self.assertIn("No such file", self.widens(sandbox=("--tmpfs", self.controls)))
        self.assertEqual(self.widens("--egress-lock"), "io.github.tapioca.Control.PolicyLocked")


if __name__ == "__main__":
    netns_test.main()
