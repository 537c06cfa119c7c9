#!/usr/bin/env python3
"""The command lines of doc/guide/differences.md do what the page says. Where TAPIOCA_PEERS is the directory of upstream's programs, they do there what it says of them."""
import os
import pathlib
import shutil
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import netns_test
from hosts import USER, SimulatedHost

PEERS = os.environ.get("TAPIOCA_PEERS", "")
PAGE = pathlib.Path(HERE, "..", "..", "doc/guide/differences.md")
SOCKETS = "import socket, subprocess, sys; a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); " \
    "sys.exit(subprocess.run(['timeout', '2', 'passt', '-q', '-f', '-F', str(a.fileno())], pass_fds=[a.fileno()]).returncode)"

# The beginning of a row of the page; a script for sh; what we print, and whether we succeed; what upstream prints, and whether it succeeds.
# A status of 124 is timeout's: the program went on.
REFUSED = [
    ("`pasta -m 20 --config-net`", "pasta -q -m 20 --config-net -- ip link show eth0", "Couldn't set MTU in namespace", 1, "mtu 1500", 0),
    ("`--fd N` with N", "timeout 2 passt -q -f -F 3 3</etc/passwd", "Could not move --fd descriptor", 1, "", 124),
    ("`--fd N` with N", f'python3 -c "{SOCKETS}"', "Could not move --fd descriptor", 1, "", 124),
    ("`--outbound-if4 NAME`", "pasta -q --outbound-if4 none0 --config-net -- true", "Invalid interface name", 1, "", 0),
    ("`--outbound-if4 NAME`", "pasta -q --outbound-if6 none0 --config-net -- true", "Invalid interface name", 1, "", 0),
    ("`--splice-only -t 80 -T 80`", "pasta -q --splice-only -t 5080 -T 5080 -- true", "in a circle", 1, "", 0),
    ("`-M` with zero", "pasta -q -M 01:00:5e:00:00:01 --config-net -- true", "Invalid MAC address", 1, "", 0),
    ("`--dns` with a group", "pasta -q -D 224.0.0.1 --config-net -- true", "Cannot use DNS address", 1, "", 0),
    ("`--socket PATH`", "echo kept >plain; timeout 2 passt -q -f -s ./plain; status=$?; cat plain; exit $status", "kept", 1, "", 124),
]
TAKEN = [
    ("`-g ADDRESS` outside", "pasta -q -g 10.9.9.1 --config-net -- ip route", "default via 10.9.9.1", 0, "Couldn't set IPv4 route(s)", 1),
    ("`-m 1000 --config-net`", "pasta -q -m 1000 --config-net -- ip address", "192.0.2.2/24", 0, "Couldn't set IPv6 address(es)", 1),
    ("`-m 0`", "pasta -q -m 0 --config-net -- true 2>&1 | grep 'too small' || echo no warning", "no warning", 0, "MTU 0 is too small", 0),
    ("`--no-tcp` or", "pasta -q --no-tcp --config-net -- true", "", 0, "TCP not enabled", 1),
    ("`--no-tcp` or", "pasta -q --no-udp --config-net -- true", "", 0, "UDP not enabled", 1),
    ("`-t %eth0/80", "pasta -q -t %eth0/5080 -t %lo/5080 --config-net -- true", "", 0, "Forwarding configuration conflict", 1),
    ("`-D ''`", "pasta -q -D '' --config-net -- true", "", 0, "Cannot use DNS address", 1),
    ("`-D ''`", "pasta -q -S '' --config-net -- true", "", 0, "Cannot use DNS search domain", 1),
    ("`-S \"a b c\"`", "rm -f ./s; timeout 2 passt -f -s ./s -S 'a b c' 2>&1 | grep -c '^ *[abc]$'", "3", 0, "0", 1),
    ("`--stats 1 -f`", "pasta -q --stats 1 -f --config-net -- true", "", 0, "Can't display statistics", 1),
]


class Differences(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.upstream = f"{cls.host.dir}/upstream"
        os.mkdir(cls.upstream)
        for name in os.listdir(PEERS) if PEERS and os.path.isdir(PEERS) else ():
            if name.split(".")[0] in ("pasta", "passt"):
                shutil.copy(os.path.join(PEERS, name), cls.upstream)
        cls.has_upstream = os.path.exists(f"{cls.upstream}/pasta")

    @classmethod
    def tearDownClass(cls):
        cls.host.close()

    def outcome(self, directory, script):
        done = self.host.run("env", f"PATH={directory}:/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-c", f"cd {self.host.dir} && rm -f plain && {{ {script}\n}} 2>&1",
                             uid=USER, check=False, timeout=30)
        return done.stdout, done.returncode

    def judge(self, rows, directory, ours):
        for row, script, said, status, other_said, other_status in rows:
            with self.subTest(row=row, script=script):
                text, got = self.outcome(directory, script)
                self.assertIn(said if ours else other_said, text)
                self.assertEqual(got, status if ours else other_status, text)

    def test_what_is_refused_here(self):
        self.judge(REFUSED, self.host.dir, True)

    def test_what_is_taken_here(self):
        self.judge(TAKEN, self.host.dir, True)

    def test_what_upstream_does_with_them(self):
        if not self.has_upstream:
            self.skipTest("needs upstream's pasta and passt in the directory TAPIOCA_PEERS")
        self.judge(REFUSED + TAKEN, self.upstream, False)

    def test_each_row_that_is_run_stands_in_the_page(self):
        page = PAGE.read_text()
        for row, *_ in REFUSED + TAKEN:
            self.assertIn(f"\n| {row}", page)


if __name__ == "__main__":
    netns_test.main()
