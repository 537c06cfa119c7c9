#!/usr/bin/env python3
"""Signs of life: the host's kernel asks a peer as often as the guest does, and what it finds goes back to the guest."""
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import OnServingHost, connected_guest
from hosts import HOST4, HOST6, PYTHON, REMOTE4, REMOTE6, run, wait_until
from passt import Passt, RelayedGuest

# Connects to the echo service, lets its kernel ask for a sign of life each second, and says how the connection ends. Its own
# patience is far longer than that of the host.
CLIENT = """import socket, sys
s = socket.create_connection((sys.argv[1], 7), 10)
s.settimeout(None)
s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
for option, value in ((socket.TCP_KEEPINTVL, 30), (socket.TCP_KEEPCNT, 100), (socket.TCP_KEEPIDLE, int(sys.argv[2]))):
    s.setsockopt(socket.IPPROTO_TCP, option, value)
print("ready", flush=True)
try:
    print(s.recv(1), flush=True)
except OSError as e:
    print(type(e).__name__, flush=True)
"""


class KeepAlive(OnServingHost, unittest.TestCase):
    def clients(self, guest, addresses, interval=1):
        found = []
        for address in addresses:
            process = guest.popen(PYTHON, "-c", CLIENT, address, interval, stdout=subprocess.PIPE)
            self.assertEqual(process.stdout.readline(), "ready\n")
            found.append(process)
        return found

    def timers(self, address):
        """What ss says of the timers of the host's sockets to that address."""
        out = run("ip", "netns", "exec", self.host.name, "ss", "-Htno", "state", "established", "dst", f"[{address}]" if ":" in address else address).stdout
        return [word for word in out.split() if word.startswith("timer:")]

    def asked(self):
        """How many segments the host's kernel has sent to ask for a sign of life."""
        with open(f"/proc/{self.host.holder.pid}/net/netstat") as f:
            lines = [line.split() for line in f]
        return next(int(value) for keys, values in zip(lines[::2], lines[1::2]) for key, value in zip(keys, values) if key == "TCPKeepAlive")

    def vanish(self, remotes=(HOST4, HOST6)):
        """The remote does not answer any more."""
        for address in remotes:
            words = ["-6"] if ":" in address else []
            run("ip", "-n", self.host.remote, *words, "route", "add", "blackhole", address)
            self.addCleanup(run, "ip", "-n", self.host.remote, *words, "route", "del", "blackhole", address, check=False)

    def check(self, guest):
        clients = self.clients(guest, (REMOTE4, REMOTE6))
        before = self.asked()
        wait_until(lambda: self.asked() >= before + 6, "signs of life, asked for by the host", 30)
        for client in clients:
            self.assertIsNone(client.poll())
        self.vanish()
        started = time.monotonic()
        for client in clients:      # nine questions, one or two seconds apart
            self.assertEqual(client.communicate(timeout=90)[0], "ConnectionResetError\n")
        print(f"found after {time.monotonic() - started:.1f} s")

    def test_a_peer_that_vanishes_is_found_for_a_namespace(self):
        guest, daemon = connected_guest(self.host, "--workers", "2")
        self.addCleanup(guest.close)
        self.check(guest)
        self.assertEqual(daemon.stop(), 0, daemon.log())

    @unittest.skipUnless(os.environ.get("TAPIOCA_RELAY"), "needs TAPIOCA_RELAY, the built relay")
    def test_a_peer_that_vanishes_is_found_for_a_machine(self):
        daemon = Passt(self.host)
        guest = RelayedGuest(self.host, daemon)
        self.addCleanup(guest.close)
        self.check(guest)
        self.assertEqual(daemon.stop(), 0, daemon.log())

    def test_who_does_not_ask_has_nobody_asked(self):
        guest, daemon = connected_guest(self.host)
        self.addCleanup(guest.close)
        self.clients(guest, (REMOTE4, REMOTE6), 3600)
        time.sleep(3)
        self.assertEqual(self.timers(REMOTE4) + self.timers(REMOTE6), [])
        self.assertEqual(daemon.stop(), 0, daemon.log())

    def test_a_peer_that_forgets_is_found(self):
        """A reset for an answer, as of a remote that was started anew."""
        guest, daemon = connected_guest(self.host)
        self.addCleanup(guest.close)
        clients = self.clients(guest, (REMOTE4,))
        before = self.asked()
        wait_until(lambda: self.asked() >= before + 2, "signs of life, asked for by the host", 30)
        # The address moves to where nobody knows of the connection.
        run("ip", "-n", self.host.remote, "addr", "del", f"{REMOTE4}/24", "dev", "eth0")
        self.addCleanup(run, "ip", "-n", self.host.remote, "addr", "add", f"{REMOTE4}/24", "dev", "eth0")
        run("ip", "-n", self.host.remote, "route", "add", f"{REMOTE4}/32", "via", "198.51.100.2", "dev", "far0")
        self.addCleanup(run, "ip", "-n", self.host.remote, "route", "del", f"{REMOTE4}/32")
        run("ip", "-n", self.host.remote, "neigh", "add", "proxy", REMOTE4, "dev", "eth0")
        self.addCleanup(run, "ip", "-n", self.host.remote, "neigh", "del", "proxy", REMOTE4, "dev", "eth0")
        run("ip", "-n", self.host.far, "addr", "add", f"{REMOTE4}/32", "dev", "eth0")
        self.addCleanup(run, "ip", "-n", self.host.far, "addr", "del", f"{REMOTE4}/32", "dev", "eth0")
        self.assertEqual(clients[0].communicate(timeout=30)[0], "ConnectionResetError\n")
        self.assertEqual(daemon.stop(), 0, daemon.log())


if __name__ == "__main__":
    netns_test.main()
