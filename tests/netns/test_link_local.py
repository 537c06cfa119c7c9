#!/usr/bin/env python3
"""The addresses of IPv6, the link-local one among them, work when the command starts, and when the daemon has gone into the background.

The kernel lets an address receive when a worker of its own has come by and has made the route to it in the table `local`.
"""
import ipaddress
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import NO_PORTS, OnServingHost
from hosts import HOST6, PYTHON, USER

STARTS, QUESTIONS = (200, 50) if os.environ.get("TAPIOCA_FULL") else (40, 10)
LOCAL = 0x80000000      # RTF_LOCAL of <linux/ipv6_route.h>
TABLES = "/proc/net/if_inet6", "/proc/net/ipv6_route"
ASK = """
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.settimeout(0.5)
s.connect(("fe80::1", 7, 0, socket.if_nametoindex("eth0")))
s.send(b"who")
assert s.recv(100) == b"who"
"""


def of_hex(text):
    return str(ipaddress.IPv6Address(bytes.fromhex(text)))


def addresses(if_inet6):
    return {of_hex(line.split()[0]) for line in if_inet6.splitlines() if line.split()[-1] != "lo"}


def received(ipv6_route):
    """The addresses to which packets are delivered."""
    lines = (line.split() for line in ipv6_route.splitlines())
    return {of_hex(words[0]) for words in lines if words[1] == "80" and int(words[8], 16) & LOCAL}


class LinkLocal(OnServingHost, unittest.TestCase):
    def assert_all_work(self, if_inet6, ipv6_route, some):
        """some: addresses that must be there."""
        given = addresses(if_inet6)
        self.assertTrue(some <= given, given)
        self.assertTrue(any(a.startswith("fe80::") for a in given), given)
        self.assertEqual(given - received(ipv6_route), set())

    def start(self, *options, command):
        argv = [self.host.binary(), "-q", "--config-net", *NO_PORTS, *options, "--", *command]
        return subprocess.run(self.host.argv(argv, USER), capture_output=True, text=True, timeout=30, env=self.host.environment(), cwd=self.host.dir)

    def test_every_address_receives_when_the_command_starts(self):
        variants = (), ("--workers", "2"), ("-6",), ("-a", "2001:db8::77", "-g", "fe80::1"), ("--ns-mac-addr", "02:00:00:00:00:07")
        for i in range(STARTS):
            options = variants[i % len(variants)]
            with self.subTest(start=i, options=options):
                done = self.start(*options, command=["cat", *TABLES])
                self.assertEqual(done.returncode, 0, done.stderr)
                lines = done.stdout.splitlines(keepends=True)
                of_table = [[line for line in lines if (len(line.split()) == 6) == first] for first in (True, False)]
                self.assert_all_work(*("".join(table) for table in of_table), {"2001:db8::77" if "-a" in options else HOST6})

    def test_every_address_receives_when_the_parent_has_returned(self):
        """In a namespace that detects duplicates, as most do."""
        for i in range(STARTS // 4):
            with self.subTest(start=i):
                guest = self.guest()
                guest.run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=1", "net.ipv6.conf.default.accept_dad=1")
                pid = f"{self.host.dir}/background.pid"
                self.host.run(self.host.binary(), "-q", "--config-net", "--pid", pid, *NO_PORTS, guest.pid, uid=USER)
                tables = [pathlib.Path(f"/proc/{guest.pid}/{table.removeprefix('/proc/')}").read_text() for table in TABLES]
                os.kill(int(pathlib.Path(pid).read_text()), 15)
                guest.close()
                self.assert_all_work(*tables, {HOST6})

    def test_they_receive_as_soon_where_the_host_has_many_addresses_and_routes(self):
        """More news of routes than the kernel keeps for a reader."""
        added = [f"2001:db8::{n:x}/64" for n in range(0x100, 0x100 + 300)]
        batch = "".join(f"addr add {a} dev eth0 nodad\n" for a in added) + "".join(f"route add 2001:db8:a:{n:x}::/64 dev eth0\n" for n in range(2000))
        undo = "".join(f"addr del {a} dev eth0\n" for a in added) + "route del 2001:db8:a::/48 dev eth0\n" + "".join(f"route del 2001:db8:a:{n:x}::/64 dev eth0\n" for n in range(2000))
        path = f"{self.host.dir}/batch"
        for text in (batch, undo):
            pathlib.Path(path).write_text(text)
            if text == undo:
                break
            self.host.run("ip", "-6", "-batch", path)
            self.addCleanup(self.host.run, "ip", "-6", "-force", "-batch", path, check=False)
        argv = [self.host.binary(), "-d", "--config-net", *NO_PORTS, "--", "cat", *TABLES]
        done = self.host.run(*argv, uid=USER)
        lines = done.stdout.splitlines(keepends=True)
        self.assert_all_work("".join(l for l in lines if len(l.split()) == 6), "".join(l for l in lines if len(l.split()) != 6), {HOST6, "2001:db8::22b"})
        self.assertNotIn("has not put all addresses", done.stderr)

    def test_a_resolver_on_the_link_answers_the_first_question(self):
        for i in range(QUESTIONS):
            with self.subTest(start=i):
                done = self.start("--no-map-gw", command=[PYTHON, "-ISc", ASK])
                self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    netns_test.main()
