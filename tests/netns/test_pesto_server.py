#!/usr/bin/env python3
"""Our pesto with servers that say anything: other capabilities, other interfaces, messages cut and bent, refusals.

Where TAPIOCA_PEERS is the directory of upstream's programs, its pesto is given the same, and must print and send the same.
"""
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from hosts import known_part
from pesto_server import BEST_EFFORT, DUAL, END, SCAN, Scripted, greeting, pif, rule, splice, v4

OURS = os.path.join(os.environ.get("TAPIOCA_BIN", ""), "pesto")
UPSTREAM = os.path.join(os.environ.get("TAPIOCA_PEERS", ""), "pesto")
EMPTY = greeting(pif(), splice()) + END
MANY = [rule(port) for port in range(1, 256)]

# The server's octets, and options. Both clients do the same.
ALIKE = (
    (b"",), (greeting()[:10],), (greeting(magic=b"basil:x\0"),), (greeting(version=0) + END,), (greeting(version=3) + END,),
    (greeting(name_size=64) + END,), (greeting(interface_size=32) + END,), (greeting(name_size=1, interface_size=1) + END,),
    (greeting() + END,), (greeting() + END, "-A"), (greeting() + END, "-A", "-t", "80"), (greeting() + END, "-A", "-T", "80"),
    (greeting(pif()),), (greeting(pif(rule(80)))[:-5],), (greeting(pif())[:50],), (greeting(pif()) + END + b"more", "-A"),
    (greeting(*(pif(id=i, name=b"P%d" % i) for i in range(1, 6))) + END,), (greeting(pif(), pif(name=b"X")) + END,),
    (greeting(splice(), pif()) + END, "-s", "-t", "80", "-T", "81"), (greeting(pif(name=b"abc")) + END, "-s", "-t", "80"),
    (greeting(pif(id=7), splice(), pif(id=200, name=b"FOO")) + END, "-s", "-t", "80", "-C", "FOO"),
    (greeting(pif(name=b"a" * 128)) + END,), (greeting(pif(name=b"")) + END,), (greeting(pif(name=b"HOST\0zz")) + END,),
    (greeting(pif(*MANY)) + END, "-A"), (greeting(pif(*MANY)) + END, "-A", "-t", "1000"), (greeting(pif(*MANY)) + END, "-D", "-t", "2"),
    (greeting(pif(*MANY, rule(300))) + END,), (greeting(pif(count=0xffffffff)),),
    (greeting(pif(capabilities=0xffffffff)) + END, "-d"),
    (greeting(pif(capabilities=0x3e)) + END, "-s", "-t", "80"), (greeting(pif(capabilities=0x3e)) + END, "-t", "1.2.3.4/80"),
    (greeting(pif(capabilities=0x3d)) + END, "-s", "-t", "80"), (greeting(pif(capabilities=0x3d)) + END, "-t", "[::]/80"),
    (greeting(splice(capabilities=0x3e)) + END, "-s", "-T", "80"),
    (greeting(pif(capabilities=0x3b)) + END, "-t", "80"), (greeting(pif(capabilities=0x3b)) + END, "-t", "none"),
    (greeting(pif(capabilities=0x37)) + END, "-u", "80"), (greeting(pif(capabilities=0x2f)) + END, "-t", "auto"),
    (greeting(pif(capabilities=0x1f)) + END, "-t", "%lo/80"), (greeting(splice(capabilities=0x1f)) + END, "-s", "-T", "80"),
    (greeting(splice(capabilities=0x1d)) + END, "-s", "-T", "80"), (greeting(splice(capabilities=0x1e)) + END, "-s", "-A", "-U", "80-90"),
    (EMPTY, "-s", "-A", "-t", "all"), (EMPTY, "-s", "-t", "auto", "-u", "~1-1000", "-T", "8000-8010,auto,~8005", "-U", "all"),
    (EMPTY, "-t", "all:10.0.0.1"), (EMPTY, "-s", "-t", "0.0.0.0/all:10.0.0.1"), (EMPTY, "-D", "-t", "80"), (EMPTY, "-D", "-t", "x"),
    (EMPTY, "-D", "-t", "0"), (EMPTY, "-D", "-t", "81:10.0.0.1/80"), (greeting(pif(capabilities=0x3d)) + END, "-D", "-t", "[::]/80"),
    (greeting(pif(capabilities=0x3b)) + END, "-D", "-t", "80"), (EMPTY, "-D", "-u", "80,80"),
    (greeting(pif(rule(80, 90))) + END, "-D", "-t", "80-90", "-t", "80-90"), (greeting(splice(capabilities=0x1f)) + END, "-T", "x"),
    (greeting(pif(rule(80, flags=DUAL | SCAN))) + END,), (greeting(pif(rule(80, flags=DUAL | BEST_EFFORT))) + END, "-A"),
    (greeting(pif(rule(80, flags=0), rule(80, address=v4("0.0.0.0"), flags=0))) + END, "-A"),
    (greeting(pif(rule(80, address=v4("1.2.3.4"), flags=0), rule(80, address=v4("1.2.3.5"), flags=0))) + END, "-s", "-D", "-t", "1.2.3.5/80"),
    (greeting(pif(rule(80, flags=DUAL | BEST_EFFORT))) + END, "-D", "-t", "80"), (greeting(pif(rule(80, to=81))) + END, "-D", "-t", "80"),
    (greeting(pif(rule(80, interface=b"lo"))) + END, "-D", "-t", "80"), (greeting(pif(rule(80, 90))) + END, "-D", "-t", "80"),
    (greeting(pif(rule(80, 90, protocol=17))) + END, "-D", "-t", "80"),
    (greeting(pif(rule(80, target=v4("10.0.0.1"), address=v4("0.0.0.0"), flags=0))) + END, "-A", "-t", "0.0.0.0/81:10.0.0.2/8000"),
)
# What ours refuses to hear of a rule; upstream's client passes it on.
BENT_RULES = {
    "Rule has invalid flags 0xf8": rule(80, flags=0xff), "Unsupported protocol 0x1 for forwarding rule": rule(80, protocol=1),
    "Rule has invalid port range 90-80": rule(90, 80), "Forwarding rule attempts to map from port 0": rule(0, 80),
    "Forwarding rule attempts to map to port 0": rule(1, 100, 65500), "Interface name was not NULL terminated": rule(80, interface=b"x" * 16),
    "Rule has an invalid interface name": rule(80, interface=b"\033[2J"),
    "Dual stack rule has non-wildcard address 1.2.3.4": rule(80, address=v4("1.2.3.4")),
}


class Client(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.directory = self.enterContext(tempfile.TemporaryDirectory(prefix="tapioca-pesto-"))

    def outcome(self, program, octets, *options, **named):
        """(status, standard output, standard error, what was sent)"""
        path = f"{self.directory}/socket"
        server = Scripted(path, octets, **named)
        done = subprocess.run([program, *options, path], capture_output=True, text=True, timeout=20)
        server.join(20)
        return done.returncode, done.stdout, done.stderr, bytes(server.received).hex()

    @unittest.skipUnless(os.access(UPSTREAM, os.X_OK), "needs upstream's pesto in the directory TAPIOCA_PEERS")
    def test_like_upstreams(self):
        for octets, *options in ALIKE:
            with self.subTest(octets=octets[:300], options=options):
                upstream, ours = (self.outcome(program, octets, *options) for program in (UPSTREAM, OURS))
                self.assertEqual((*ours[:2], known_part(ours[2]), ours[3]), (*upstream[:2], known_part(upstream[2]), upstream[3]))

    def test_pieces_of_any_size(self):
        octets = greeting(pif(rule(80), rule(81, protocol=17)), splice(rule(22, interface=b"lo"))) + END
        whole = self.outcome(OURS, octets, "-s", "-A", "-t", "90")
        self.assertEqual(whole[0], 0)
        self.assertIn("    UDP [*]:81  =>  81 \n", whole[1])
        for piece in (1, 7, 56, 137, 200):
            with self.subTest(piece=piece):
                self.assertEqual(self.outcome(OURS, octets, "-s", "-A", "-t", "90", piece=piece), whole)

    def test_cut_anywhere(self):
        octets = greeting(pif(rule(80))) + END
        for size in range(0, len(octets), 9):
            with self.subTest(size=size):
                status, out, said, sent = self.outcome(OURS, octets[:size], "-A", "-t", "90")
                self.assertEqual((status, out, sent), (1, "", ""))
                self.assertEqual(said, "Couldn't read server greeting: No data available\n" if size < 20 else "Error reading from control socket\n")

    def test_rules_that_nobody_can_mean(self):
        for said, bent in BENT_RULES.items():
            with self.subTest(said=said):
                self.assertEqual(self.outcome(OURS, greeting(pif(bent)) + END, "-A"), (1, "", said + "\n", ""))

    def test_names_that_a_terminal_would_obey(self):
        self.assertEqual(self.outcome(OURS, greeting(pif(name=b"HO\033[2JST")) + END)[:2], (1, ""))

    def test_the_older_version_is_refused(self):
        self.assertEqual(self.outcome(OURS, greeting(version=1) + END), (1, "", "Unknown server protocol version 1 < 2\n", ""))

    def test_a_server_that_says_why_it_refuses(self):
        for said in (b"Listen failed for HOST TCP port */80: Permission denied", b"One\nTwo\n"):
            with self.subTest(said=said):
                status, out, error, sent = self.outcome(OURS, EMPTY, "-s", "-A", "-t", "80", farewell=said)
                self.assertEqual((status, error), (1, f"The server refused the new rules: {said.decode().strip()}\n"))
                self.assertNotIn("Updated", out)
        self.assertEqual(self.outcome(OURS, EMPTY, "-C", "HOST", farewell=b"\033[2J")[2], "The server refused the new rules: ?[2J\n")

    def test_a_server_that_does_not_hear_it_out(self):
        for hears in (1, 5, 30, 60):
            with self.subTest(hears=hears):
                self.assertEqual(self.outcome(OURS, EMPTY, "-A", "-t", "80", hears=hears, shut=False)[:3],
                                 (1, "", "The server refused the new rules; its log says why\n"))

    def test_nothing_is_sent_after_a_mistake_or_without_a_change(self):
        octets = greeting(pif(rule(80)), splice()) + END
        for status, *options in ((1, "-A", "-t", "81", "-t", "x"), (1, "-t", "81", "-D", "-t", "82"), (0, "-A", "-t", "80"), (0,), (0, "-s")):
            with self.subTest(options=options):
                outcome = self.outcome(OURS, octets, *options)
                self.assertEqual((outcome[0], outcome[3]), (status, ""))

    def test_options_that_do_not_exist(self):
        for argv, said in ((("--nosuch",), "unrecognized option '--nosuch'"), (("-Z",), "invalid option -- 'Z'"), (("--add=3",), "doesn't allow an argument"),
                           (("-t",), "option requires an argument -- 't'"), (("--tcp", "80"), "option '--tcp' is ambiguous; possibilities: '--tcp-ports' '--tcp-ns'"),
                           (("--de",), "option '--de' is ambiguous; possibilities: '--delete' '--debug'")):
            with self.subTest(argv=argv):
                done = subprocess.run([OURS, *argv], capture_output=True, text=True, timeout=20)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertTrue(done.stderr.startswith(f"{OURS}: "), done.stderr)
                self.assertIn(said, done.stderr)

    def test_options_behind_the_path(self):
        path = f"{self.directory}/socket"
        for argv in ((path, "-s", "-A", "-t", "80"), ("-A", path, "-t", "80", "-s"), ("-A", "-t", "80", "-s", "--", path)):
            with self.subTest(argv=argv):
                server = Scripted(path, EMPTY)
                done = subprocess.run([OURS, *argv], capture_output=True, text=True, timeout=20)
                server.join(20)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("    TCP [*]:80  =>  80 \n", done.stdout)

    def test_a_full_standard_output(self):
        with open("/dev/full", "w") as full:
            server = Scripted(f"{self.directory}/socket", EMPTY)
            done = subprocess.run([OURS, f"{self.directory}/socket"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=20)
            server.join(20)
        self.assertEqual((done.returncode, done.stderr), (1, "Couldn't write to standard output: No space left on device\n"))


if __name__ == "__main__":
    netns_test.main()
