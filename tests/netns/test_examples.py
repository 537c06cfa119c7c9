#!/usr/bin/env python3
"""The examples of pasta(1) work when they are pasted: each is run as its reader would, in a simulated host."""
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from hosts import HOST4, REMOTE4, USER, SimulatedHost
from services import PAGE

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
IN_MANUAL = re.compile(r"^\.Bd -literal.*\n((?:(?!\.Ed).*\n)*)", re.M)
BLUE = f"tn{os.getpid()}blue"
# What an example leaves in the background is the command in a namespace, or the namespace alone.
END = '[ -z "$!" ] || { kill $(ps -o pid= --ppid $! | grep . || echo $!); wait $! || true; }\n'


def example(word):
    with open(f"{ROOT}/doc/man/pasta.1") as f:
        blocks = IN_MANUAL.findall(f.read().split(".Sh EXAMPLES\n")[1].split("\n.Sh ")[0])
    found = [block.replace("\\e\n", "\\\n") for block in blocks if word in block]
    assert len(found) == 1, (word, found)
    # The world behind a simulated host is small, names of namespaces are the whole machine's, and a busy machine needs its time.
    script = found[0]
    for shown, run in (("https://example.org/", f"http://{REMOTE4}/"), ("blue", BLUE), ("timeout 30", "timeout 300"), ("timeout 60", "timeout 300"),
                       ("--retry 20", "--retry 100"), ("sleep 60", "sleep 300"), ("sleep 1\n", "until [ \"$(cat /proc/$!/comm)\" = sleep ]; do sleep 0.1; done\n")):
        script = script.replace(shown, run)
    return script


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        os.truncate(f"{cls.host.dir}/resolv.conf", 0)   # the server of the examples asks for its own name, and waits for an answer
        cls.host.start_services()

    @classmethod
    def tearDownClass(cls):
        cls.host.close()

    def paste(self, word, uid=USER):
        """What the only example with this word prints. Its shell gets one line of input, in case that it starts another one."""
        path = f"PATH={self.host.dir}:/usr/sbin:/usr/bin:/sbin:/bin"
        done = self.host.run("env", path, "sh", "-ec", f"cd {self.host.dir}\n{example(word)}{END}", uid=uid, check=False, timeout=120, input="ip route\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_shell_and_command(self):
        said = self.paste("-- ip -br")
        self.assertIn("default via 192.0.2.1", said)
        self.assertIn(HOST4 + "/24", said)

    @netns_test.needs("curl")
    def test_published_port(self):
        self.assertIn("Directory listing", self.paste("-t 8080"))

    @netns_test.needs("curl")
    def test_network_alone(self):
        self.assertEqual(self.paste("--no-map-gw"), PAGE.decode())

    def test_attached_to_a_process(self):
        self.assertIn("default via 192.0.2.1", self.paste("unshare"))

    def test_named_namespace(self):
        self.assertIn(HOST4 + "/24", self.paste("ip netns add", uid=None))
        self.assertFalse(os.path.exists(f"/run/netns/{BLUE}"))

    @netns_test.needs("curl", "tcpdump")
    def test_capture(self):
        said = self.paste("--pcap")
        self.assertIn(PAGE.decode(), said)
        self.assertIn(f" > {REMOTE4}.80: Flags [S]", said)

    @netns_test.needs("curl")
    def test_loopbacks_alone(self):
        self.assertIn("Directory listing", self.paste("--splice-only"))


if __name__ == "__main__":
    netns_test.main()
