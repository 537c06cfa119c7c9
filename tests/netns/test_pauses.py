#!/usr/bin/env python3
"""A machine that stands still for a while: its connections live as long as the host's own would, and little is sent twice."""
import os
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import OnServingHost
from hosts import HOST4, PYTHON, REMOTE4, REMOTE6, run
from passt import Passt, RelayedGuest

ENDLESS = 1 << 40


@unittest.skipUnless(os.environ.get("TAPIOCA_RELAY"), "needs TAPIOCA_RELAY, the built relay")
class Pauses(OnServingHost, unittest.TestCase):
    def start(self, mtu, *options):
        self.daemon = Passt(self.host, "-m", mtu, *options)
        self.machine = RelayedGuest(self.host, self.daemon, mtu=mtu)
        self.addCleanup(self.machine.close)

    def download(self, address, length=ENDLESS):
        client = self.machine.popen(PYTHON, f"{self.host.dir}/client.py", "download", address, length, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(1)
        self.assertIsNone(client.poll())
        return client

    def pause(self, seconds):
        relay = self.machine.relay.pid
        os.kill(relay, signal.SIGSTOP)
        self.addCleanup(lambda: self.machine.relay.poll() is None and os.kill(relay, signal.SIGCONT))
        time.sleep(seconds)
        os.kill(relay, signal.SIGCONT)

    def repeated(self):
        return self.daemon.counters()[0]["tcp_retransmits"]

    def test_after_a_pause_nothing_is_sent_twice_for_long(self):
        for mtu in (1500, 65520):
            for length in (0.3, 3):
                with self.subTest(mtu=mtu, length=length):
                    self.start(mtu)
                    clients = [self.download(address) for address in (REMOTE4, REMOTE6)]
                    self.pause(length)
                    time.sleep(1)
                    before, carried = self.repeated(), self.daemon.counters()[0]["octets_to_guest"]
                    time.sleep(2)
                    self.assertGreater(self.daemon.counters()[0]["octets_to_guest"] - carried, 10 << 20)
                    self.assertLessEqual(self.repeated() - before, 20)
                    for client in clients:
                        self.assertIsNone(client.poll())
                        client.kill()
                    self.machine.close()
                    self.assertEqual(self.daemon.stop(), 0, self.daemon.log())

    def test_a_connection_lives_as_long_as_the_hosts_sysctl_says(self):
        """The round trip is short, so retransmissions come after 0.2, 0.6, 1.4, 3.0 and 6.2 s, and the end with the one too many."""
        for retries, answer in ((3, "ConnectionResetError"), (15, "b'b'")):
            with self.subTest(retries=retries):
                run("ip", "netns", "exec", self.host.name, "sysctl", "-qw", f"net.ipv4.tcp_retries2={retries}")
                self.addCleanup(run, "ip", "netns", "exec", self.host.name, "sysctl", "-qw", "net.ipv4.tcp_retries2=15")
                self.start(1500, "-t", "8000")
                self.machine.popen(PYTHON, "-c", ECHO)
                talker = self.host.popen(*self.host.in_remote(PYTHON, "-c", TALKER, HOST4), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                self.assertEqual(talker.stdout.readline(), "ready\n")
                os.kill(self.machine.relay.pid, signal.SIGSTOP)
                talker.stdin.write("\n")
                talker.stdin.flush()
                time.sleep(8)
                os.kill(self.machine.relay.pid, signal.SIGCONT)
                self.assertEqual(talker.stdout.readline(), f"{answer}\n")
                self.machine.close()
                self.assertEqual(self.daemon.stop(), 0, self.daemon.log())


ECHO = """import socket
l = socket.create_server(("", 8000))
s = l.accept()[0]
while octets := s.recv(100):
    s.sendall(octets)
"""
# Speaks once, so that the round trip is known, and then when it is told to; and says what came back.
TALKER = """import socket, sys
import time
for attempt in range(100):
    time.sleep(0.1)
    try:
        s = socket.create_connection((sys.argv[1], 8000), 10)
        s.settimeout(60)
        s.sendall(b"a")
        if s.recv(1) == b"a":
            break
    except OSError:
        pass
print("ready", flush=True)
sys.stdin.readline()
try:
    s.sendall(b"b")
    print(s.recv(1), flush=True)
except OSError as e:
    print(type(e).__name__, flush=True)
"""

if __name__ == "__main__":
    netns_test.main()
