#!/usr/bin/env python3
"""Forwarding rules that change while pasta runs (--conf-path): as a whole or not at all, and without harm to what stays."""
import os
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import netns_test
from guests import Daemon, Guest
from hosts import HOST4, HOST6, SimulatedHost, wait_until

NOTHING = ("-u", "none", "-T", "none", "-U", "none")
# Answers each connection, or datagram, with the address that it came from.
SERVER = """import socket, sys, threading
def tcp(port):
    s = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=500)
    while True:
        c, peer = s.accept()
        c.sendall(peer[0].encode())
        c.close()
def udp(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(("::", port))
    while True:
        s.sendto(b"heard", s.recvfrom(100)[1])
for port in map(int, sys.argv[1:]):
    threading.Thread(target=tcp, args=(port,), daemon=True).start()
    threading.Thread(target=udp, args=(port,), daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""
# As many connections as it can in so many seconds: how many were answered, and what went wrong with the others.
CALLER = """import socket, sys, time
end, answered, wrong = time.monotonic() + float(sys.argv[3]), 0, []
while time.monotonic() < end:
    try:
        c = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
        answered += c.recv(100) != b""
        c.close()
    except OSError as why:
        wrong.append(str(why))
    time.sleep(0.001)
print(answered, *wrong)
"""
ASK = """import socket, sys
kind = socket.SOCK_DGRAM if sys.argv[3] == "udp" else socket.SOCK_STREAM
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, kind)
s.settimeout(2)
s.connect((sys.argv[1], int(sys.argv[2])))
if kind == socket.SOCK_DGRAM: s.send(b"?")
print(s.recv(100).decode())
"""


class Rules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.guest = Guest(cls.host)
        cls.path = f"{cls.host.dir}/control"
        cls.daemon = Daemon(cls.guest, "-c", cls.path, ports=("-t", "8000:7000", *NOTHING))
        cls.server = cls.guest.popen("python3", "-c", SERVER, 7000, 7001, stdout=-1)
        cls.server.stdout.readline()

    @classmethod
    def tearDownClass(cls):
        cleanup.end_process(cls.server)
        cls.daemon.stop()
        cls.host.close()

    def setUp(self):
        self.pesto("-t", "8000:7000", "-T", "none")
        wait_until(lambda: self.shown().split() == "HOST TCP [*]:8000 => 7000 SPLICE".split(), "rules of the beginning")

    def tearDown(self):
        self.assertIsNone(self.daemon.process.poll(), self.daemon.log())

    def pesto(self, *options, status=0):
        done = self.host.run(self.host.binary("pesto"), *options, self.path, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout

    def shown(self):
        return self.pesto().split("\n", 1)[1]

    def ask(self, port, address=HOST4, how="tcp"):
        """What is answered; None if nothing is."""
        return self.host.run_remote("python3", "-c", ASK, address, port, how, check=False).stdout.strip() or None

    def calls(self, port, seconds):
        return self.host.popen(*self.host.in_remote("python3", "-c", CALLER, HOST4, port, seconds), stdout=-1)

    def assert_none_lost(self, caller, at_least):
        answered, *wrong = caller.stdout.read().split(maxsplit=1)
        self.assertEqual(wrong, [])
        self.assertGreater(int(answered), at_least)

    def test_a_rule_comes_and_goes(self):
        self.assertIsNone(self.ask(8001))
        self.pesto("-A", "-t", "8001:7001", "-u", "8001:7001")
        for address in (HOST4, HOST6):
            wait_until(lambda where=address: self.ask(8001, where), "the new rule")
            self.assertEqual(self.ask(8001, address, "udp"), "heard")
        self.pesto("-D", "-t", "8001:7001", "-u", "8001:7001")
        wait_until(lambda: self.ask(8001) is None, "the end of the rule")
        self.assertIsNone(self.ask(8001, how="udp"))

    def test_the_guest_sees_who_calls(self):
        before = self.ask(8000)
        self.pesto("-A", "-t", "8001:7001")
        wait_until(lambda: self.ask(8001), "the new rule")
        self.assertEqual(self.ask(8001), before)

    def test_the_same_port_published_twenty_times(self):
        for _ in range(20):
            self.pesto("-A", "-t", "8002:7001")
            wait_until(lambda: self.ask(8002), "the port")
            self.pesto("-A", "-t", "8002:7001")     # once more is success
            self.pesto("-D", "-t", "8002:7001")
        self.assertEqual(self.shown().split(), "HOST TCP [*]:8000 => 7000 SPLICE".split())

    def test_neighbours_are_not_disturbed(self):
        caller = self.calls(8000, 4)
        for _ in range(30):
            self.pesto("-A", "-t", "8100-8110:7100-7110")
            self.pesto("-D", "-t", "8100-8110:7100-7110")
        self.assert_none_lost(caller, 500)

    def test_a_range_that_grows_or_leads_elsewhere_loses_nobody(self):
        self.pesto("-t", "8200-8203:7000-7003")
        wait_until(lambda: self.ask(8201), "the range")
        caller = self.calls(8201, 3)
        for rule in ("8200-8205:7000-7005", "8201:7001", "8201:7000", "8199-8202:6999-7002") * 5:
            self.pesto("-t", rule)
        self.assert_none_lost(caller, 300)

    def test_all_or_nothing(self):
        taken = self.host.popen("python3", "-c", "import socket, time\ns = socket.create_server(('', 8301))\nprint(flush=True)\ntime.sleep(60)", stdout=-1)
        taken.stdout.readline()
        self.pesto("-t", "8300-8301:7000-7001", status=1)
        cleanup.end_process(taken)
        self.assertIn("Kept the forwarding rules as they were: Rule TCP [*]:8300-8301", self.daemon.log())
        self.assertIn("8301: Address already in use", self.daemon.log())
        self.assertIn("[*]:8000", self.shown())
        self.assertIsNotNone(self.ask(8000))
        self.assertIsNone(self.ask(8300))

    def test_ports_of_root_are_refused_with_their_rule(self):
        if self.host.run("sysctl", "-n", "net.ipv4.ip_unprivileged_port_start").stdout.strip() == "0":
            self.skipTest("no port is root's here")
        self.pesto("-A", "-t", "80:7000", status=1)
        self.assertIn("Rule TCP [*]:80", self.daemon.log())
        self.assertNotIn("[*]:80 ", self.shown())

    def test_the_guest_reaches_the_host_by_a_new_rule(self):
        server = self.host.popen("python3", "-c", SERVER, 9001, stdout=-1)
        server.stdout.readline()
        self.pesto("-A", "-T", "9001")
        wait_until(lambda: self.guest.run("python3", "-c", ASK, "127.0.0.1", 9001, "tcp", check=False).stdout.strip(), "the host's server")
        cleanup.end_process(server)

    def test_a_client_that_says_nothing_blocks_nobody(self):
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(self.path)
            started = time.monotonic()
            self.assertIsNotNone(self.ask(8000))
            self.shown()
            self.assertLess(time.monotonic() - started, 4)

    def test_halves_of_messages_change_nothing(self):
        for part in (b"\1", b"\1\0\0\0\1", b"\1\0\0\0\1" + bytes(55), b"\xff", b"\1\xff\xff\xff\xff", b"\2" + bytes(1000)):
            with self.subTest(part=part[:6]), socket.socket(socket.AF_UNIX) as client:
                client.settimeout(5)
                client.connect(self.path)
                try:
                    client.sendall(part)
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(4096):
                        pass
                except (BrokenPipeError, ConnectionResetError):
                    pass
        self.assertIn("[*]:8000", self.shown())


if __name__ == "__main__":
    netns_test.main()
