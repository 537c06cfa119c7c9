#!/usr/bin/env python3
"""How a peer's TCP connection to a forwarded port ends when the guest refuses it or says nothing, and many of them at once."""
import json
import os
import sys
import time
import unittest
import unittest.mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import netns_test
from guests import OnSimulatedHost, connected_guest
from hosts import HOST4, HOST6, PYTHON, SimulatedHost

PORTS = ("-t", "8000", "-u", "none", "-T", "none", "-U", "none")

SERVER = """
import asyncio, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
async def echo(reader, writer):
    writer.write(await reader.read(100))
    await writer.drain()
    await reader.read(100)
    writer.close()
async def main():
    server = await asyncio.start_server(echo, "", 8000, backlog=2048)
    print("listening", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""

# All connect before any of them speaks, and none leaves before all have had their answer.
BURST = """
import asyncio, json, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
count = int(sys.argv[2])
async def one(i, results):
    reader, writer = await asyncio.open_connection(sys.argv[1], 8000)
    writer.write(b"%d" % i)
    try:
        results[i] = await reader.read(100) == b"%d" % i
    except OSError as e:
        results[i] = False
    return writer
async def main():
    results = {}
    writers = await asyncio.wait_for(asyncio.gather(*(one(i, results) for i in range(count)), return_exceptions=True), 60)
    print(json.dumps({"served": sum(results.values()), "failed": count - sum(results.values())}), flush=True)
asyncio.run(main())
"""

# Connects without waiting for anything; says how many were reset after a second.
FLOOD = """
import select, socket, sys, time
all = [socket.socket() for _ in range(int(sys.argv[2]))]
for s in all: s.setblocking(False); s.connect_ex((sys.argv[1], 8000))
time.sleep(1)
print(sum(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0 for s in all), flush=True)
"""


# How a connection ends, and after how many seconds.
ENDING = """
import errno, json, socket, sys, time
started = time.monotonic()
try:
    with socket.create_connection((sys.argv[1], 8000), 30) as s:
        error = "data" if s.recv(1) else "end"
except OSError as e:
    error = errno.errorcode.get(e.errno)
print(json.dumps([error, time.monotonic() - started]))
"""


class Refusals(unittest.TestCase):
    def setUp(self):
        self.host = SimulatedHost()
        self.addCleanup(self.host.close)

    def start(self):
        self.guest, daemon = connected_guest(self.host, ports=PORTS)
        self.addCleanup(daemon.stop)

    def ending(self, address):
        error, seconds = json.loads(self.host.run_remote(PYTHON, "-c", ENDING, address).stdout)
        self.assertIn(error, ("ECONNRESET", "ECONNREFUSED"))
        return seconds

    def guest_does(self, *statement):
        """What the guest's packet filter does with connections to the port."""
        self.guest.run("nft", "add table inet t; flush table inet t; add chain inet t c { type filter hook input priority 0; }; "
                       f"add rule inet t c tcp dport 8000 {' '.join(statement)}")

    def test_a_closed_port(self):
        self.start()
        for address in (HOST4, HOST6):
            with self.subTest(address=address):
                self.assertLess(self.ending(address), 5)    # nobody waits for the 19 s that silence would take

    @netns_test.needs("nft")
    def test_an_icmp_error_of_every_kind(self):
        self.start()
        for kind in ("port-unreachable", "host-unreachable", "no-route", "admin-prohibited"):
            self.guest_does("reject with icmpx type", kind)
            for address in (HOST4, HOST6):
                with self.subTest(kind=kind, address=address):
                    self.assertLess(self.ending(address), 5)

    @netns_test.needs("nft")
    def test_silence_ends_when_the_hosts_sysctls_say(self):
        self.host.run("sysctl", "-qw", "net.ipv4.tcp_syn_retries=1", "net.ipv4.tcp_syn_linear_timeouts=0")
        self.start()
        self.guest_does("drop")
        seconds = self.ending(HOST4)
        self.assertGreater(seconds, 2.9)    # a SYN at 0 and at 1 s, the end at 3 s
        self.assertLess(seconds, 10)


class Crowds(OnSimulatedHost, unittest.TestCase):
    def from_remote(self, script, count):
        return json.loads(self.host.run_remote(PYTHON, "-c", script, HOST4, count, timeout=120).stdout)

    def test_a_thousand_connections_at_once_are_all_served(self):
        for workers in ("1", "2"):
            with self.subTest(workers=workers):
                guest, daemon = connected_guest(self.host, "--workers", workers, ports=PORTS)
                server = guest.popen(PYTHON, "-c", SERVER, stdout=-1)
                self.addCleanup(cleanup.end_process, server)
                self.assertEqual(server.stdout.readline(), "listening\n")
                self.assertEqual(self.from_remote(BURST, 1000), {"served": 1000, "failed": 0})
                total, _ = daemon.counters()
                self.assertEqual(total["tcp_flows_accepted"], 1000)
                self.assertEqual(total["drop_unanswered_share"], 0)
                self.assertEqual(daemon.stop(), 0)
                guest.close()

    @netns_test.needs("nft")
    def test_connections_that_the_guest_does_not_answer_take_no_more_than_their_share(self):
        poor = f"{self.host.dir}/poor_pasta"
        with open(poor, "w") as script:
            script.write(f'#!/bin/sh\nulimit -n 400\nexec {self.host.binary()} "$@"\n')
        os.chmod(poor, 0o755)
        with unittest.mock.patch.object(self.host, "binary", lambda: poor):
            guest, daemon = connected_guest(self.host, ports=("-t", "8000", *PORTS[2:]))
        guest.run("nft", "add table inet t; add chain inet t c { type filter hook input priority 0; }; "
                  "add rule inet t c tcp dport 8000 drop")
        share = (400 - 1) // 4
        self.assertEqual(self.from_remote(FLOOD, 150), 150 - share)
        total, _ = daemon.counters()
        self.assertEqual(total["drop_unanswered_share"], 150 - share)
        guest.run("nft", "delete table inet t")
        time.sleep(1)    # the client has gone; what it left behind ends with the SYNs that are repeated
        server = guest.popen(PYTHON, "-c", SERVER, stdout=-1)
        self.addCleanup(cleanup.end_process, server)
        self.assertEqual(server.stdout.readline(), "listening\n")
        self.assertEqual(self.from_remote(BURST, 50), {"served": 50, "failed": 0})
        self.assertEqual(daemon.stop(), 0)
        guest.close()


if __name__ == "__main__":
    netns_test.main()
