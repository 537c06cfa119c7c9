#!/usr/bin/env python3
"""Whose datagrams are whose: ports that several guests, users and addresses want, answers from elsewhere, and a host that moves."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import OnServingHost, connected_guest
from hosts import HOST4, HOST6, PYTHON, REMOTE4, REMOTE6, USER, run

OTHER_USER = 10002
PAIRS = ((REMOTE4, HOST4), (REMOTE6, HOST6))
SOCKET = """import json, socket, sys, time
def udp(address="", port=0, like="0.0.0.0"):
    s = socket.socket(socket.AF_INET6 if ":" in address + like else socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3)
    s.bind((address, int(port))); return s
def hear(s, patience):
    s.settimeout(patience)
    try: return s.recvfrom(65536)
    except OSError: return None
"""
# sends numbered lines for a second, and tells what came back
TALK = SOCKET + """tag, own, port, peer, at = sys.argv[1:]
s = udp(own, port, like=peer); got = []
for i in range(20):
    s.sendto(b"%s %d" % (tag.encode(), i), (peer, int(at))); end = time.monotonic() + 0.05
    while (left := end - time.monotonic()) > 0:
        if (d := hear(s, left)): got.append(d[0].decode())
while (d := hear(s, 1)): got.append(d[0].decode())
print(json.dumps(got))"""
# the ports at which each of the servers sees one socket; services.py answers with them at port 37
SEEN = SOCKET + """port, *peers = sys.argv[1:]
s = udp("", port, like=peers[0]); seen = []
for peer in peers:
    s.sendto(b"?", (peer, 37)); seen.append(json.loads(s.recvfrom(2048)[0])["port"])
print(json.dumps(seen))"""
# asks one socket, and hears who answers
ASK = SOCKET + """peer, port, expected, patience = sys.argv[1:]
s = udp(like=peer); s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1); s.sendto(b"question", (peer, int(port))); got = []
while len(got) < int(expected) and (d := hear(s, float(patience))): got.append([d[1][0], d[1][1], d[0].decode()])
print(json.dumps(got))"""
# answers like a TFTP server, from another port, and once from another address
ELSEWHERE = SOCKET + """own, port, other = sys.argv[1:]
s = udp(own, port); print("ready", flush=True)
while True:
    _, peer = s.recvfrom(2048) if s.settimeout(None) is None else None
    stranger = udp(other); stranger.sendto(b"stranger", peer); stranger.close()
    own_port = udp(own); own_port.sendto(b"from %d" % own_port.getsockname()[1], peer); own_port.settimeout(3)
    try: own_port.sendto(b"and " + own_port.recv(100), peer)
    except OSError: pass"""
# a member of a group that answers from its own address
MEMBER = SOCKET + """group, port, own = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind((group, int(port)))
if 224 <= int(group.split(".")[0]) < 240: s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(own))
print("ready", flush=True)
while True:
    _, peer = s.recvfrom(2048); udp(own).sendto(b"here", peer)"""
TAKE = """import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
try: s.bind((sys.argv[1], int(sys.argv[2]))); print("taken")
except OSError as e: print(e.errno)"""
# many clients that each ask once
BURST = SOCKET + """peer, port, count = sys.argv[1:]
clients = [udp(like=peer) for _ in range(int(count))]
for s in clients: s.connect((peer, int(port)))
for s in clients: s.send(b"question")
print(sum(hear(s, 3) is not None for s in clients))"""
ECHO = SOCKET + """s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20); s.bind(("::", int(sys.argv[1]))); print("ready", flush=True)
while True:
    d, peer = s.recvfrom(65536); s.sendto(d + b" %d" % peer[1], peer)"""
# converses, is silent for a while, and then hears what the other end has to say
CONVERSE = SOCKET + """peer, port = sys.argv[1:]
s = udp(like=peer)
for i in range(4): s.sendto(b"%d" % i, (peer, int(port))); s.recvfrom(100)
s.sendto(b"later", (peer, int(port))); print(json.dumps([d[0].decode() for d in (hear(s, 3), hear(s, 12)) if d]))"""
LATER = SOCKET + """import threading
s = udp(sys.argv[1], sys.argv[2]); s.settimeout(None); print("ready", flush=True)
while True:
    d, peer = s.recvfrom(2048); s.sendto(d, peer)
    if d == b"later": threading.Timer(7, s.sendto, (b"it is later", peer)).start()"""
# goes on asking; each answer is a line
TICK = SOCKET + """peer, port, local = sys.argv[1:]
s = udp("", local, like=peer); n = 0
while True:
    n += 1; s.sendto(b"%d" % n, (peer, int(port))); d = hear(s, 0.2); print("answer" if d else "silence", flush=True); time.sleep(0.05)"""


class Ports(OnServingHost, unittest.TestCase):
    def connected(self, *options, uid=USER, **named):
        guest, daemon = connected_guest(self.host, *options, uid=uid, **named)
        self.addCleanup(guest.close)
        self.addCleanup(daemon.stop)
        return guest, daemon

    def ready(self, process):
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def remote(self, script, *words):
        return self.ready(self.host.popen("nsenter", f"--net=/run/netns/{self.host.remote}", "--", PYTHON, "-c", script, *words, stdout=-1))

    def python(self, guest, script, *words, **options):
        return json.loads(guest.run(PYTHON, "-c", script, *words, **options).stdout)

    def talk(self, places, peer, port=7):
        """Each (guest, tag, own address, own port) talks at the same time; what each of them heard."""
        running = [guest.popen(PYTHON, "-c", TALK, tag, own, own_port, peer, port, stdout=-1) for guest, tag, own, own_port in places]
        return [json.loads(process.communicate(timeout=30)[0]) for process in running]

    def check_own(self, places, heard):
        for (_, tag, *_), lines in zip(places, heard):
            self.assertEqual([line for line in lines if not line.startswith(tag + " ")], [])
            self.assertEqual(len(lines), 20)

    def test_guests_with_one_source_port_hear_their_own_answers(self):
        first, _ = self.connected()
        for uid in (OTHER_USER, USER):
            second, _ = self.connected(uid=uid)
            for remote, _ in PAIRS:
                with self.subTest(uid=uid, remote=remote):
                    places = [(first, "first", "", 5555), (second, "second", "", 5555)]
                    self.check_own(places, self.talk(places, remote))

    def test_two_addresses_of_one_guest_hear_their_own_answers(self):
        for workers in ("1", "2"):
            guest, _ = self.connected("--workers", workers)
            device = guest.run("ip", "-o", "route", "show", "default").stdout.split(" dev ")[1].split()[0]
            guest.run("ip", "addr", "add", "192.0.2.77/32", "dev", device)
            guest.run("ip", "addr", "add", "2001:db8::77/128", "dev", device, "nodad")
            for remote, own, other in ((REMOTE4, HOST4, "192.0.2.77"), (REMOTE6, HOST6, "2001:db8::77")):
                with self.subTest(remote=remote, workers=workers):
                    places = [(guest, "one", own, 5556), (guest, "two", other, 5556)]
                    self.check_own(places, self.talk(places, remote))
            self.doCleanups()

    def test_clients_of_two_guests_past_the_tap_and_over_it_hear_their_own_answers(self):
        """The host's own clients use one source port towards two guests: by loopback addresses of the host."""
        for splice in (True, False):
            guests = [self.connected(*([] if splice else ["--no-splice"]), uid=uid, ports=("-t", "none", "-u", f"{port}:7", "-T", "none", "-U", "none"))[0]
                      for uid, port in ((USER, 6001), (OTHER_USER, 6002))]
            for guest in guests:
                self.ready(guest.popen(PYTHON, "-c", ECHO, 7, stdout=-1))
            for address in ("127.0.0.1", "::1"):
                with self.subTest(splice=splice, address=address):
                    got = json.loads(self.host.run(PYTHON, "-c", SOCKET + """s = udp(sys.argv[1], 6100); got = []
for i in range(5):
    for port in (6001, 6002):
        s.sendto(b"%d" % port, (sys.argv[1], port)); d = hear(s, 3); got.append(d and [d[0].decode().split()[0], d[1][1]])
print(json.dumps(got))""", address).stdout)
                    self.assertEqual(got, [["6001", 6001], ["6002", 6002]] * 5)
            self.doCleanups()

    def test_nobody_takes_over_a_port_that_is_forwarded_or_in_use(self):
        guest, _ = self.connected(ports=("-t", "none", "-u", "6003", "-T", "none", "-U", "6004"))
        for remote, host in PAIRS:
            self.assertEqual(self.python(guest, SEEN, 6005, remote), [6005])
            for where, port in ((self.host, 6003), (self.host, 6005), (guest, 6004)):
                for address in (("::" if ":" in host else "0.0.0.0"), "::1" if ":" in host else "127.0.0.1", *([host] if where is self.host else [])):
                    with self.subTest(port=port, address=address):
                        named = {"uid": OTHER_USER} if where is self.host else {}
                        self.assertEqual(where.run(PYTHON, "-c", TAKE, address, port, **named).stdout.strip(), "98")   # EADDRINUSE

    def test_every_peer_of_a_burst_is_answered(self):
        guest, _ = self.connected(ports=("-t", "none", "-u", "6006", "-T", "none", "-U", "none"))
        self.ready(guest.popen(PYTHON, "-c", ECHO, 6006, stdout=-1))
        for _, address in PAIRS:
            with self.subTest(address=address):
                done = self.host.run_remote(PYTHON, "-c", BURST, address, 6006, 300)
                self.assertEqual(int(done.stdout), 300)

    def test_one_socket_has_one_port_whoever_it_talks_to(self):
        for workers in ("1", "2"):
            guest, _ = self.connected("--workers", workers)
            for remotes in ((REMOTE4, "198.51.100.1"), (REMOTE6, "2001:db8:f::1")):
                for port in (6007, 0, 123):
                    with self.subTest(remotes=remotes, port=port, workers=workers):
                        seen = self.python(guest, SEEN, port, *remotes)
                        self.assertEqual(len(set(seen)), 1)
            self.doCleanups()

    def test_a_guest_calls_others_from_the_port_at_which_it_is_called(self):
        for workers in ("1", "2"):
            guest, _ = self.connected("--workers", workers, ports=("-t", "none", "-u", "6009:6010", "-T", "none", "-U", "none"))
            for remote, _ in PAIRS:
                with self.subTest(remote=remote, workers=workers):
                    self.assertEqual(self.python(guest, SEEN, 6010, remote), [6009])
            self.doCleanups()

    def test_answers_from_another_port_arrive_and_those_of_strangers_do_not(self):
        for own, other in ((REMOTE4, "192.0.2.1"), (REMOTE6, "2001:db8::1")):
            guest, daemon = self.connected()
            with self.subTest(own=own):
                self.remote(ELSEWHERE, own, 6011, other)
                (address, port, text), = self.python(guest, ASK, own, 6011, 1, 3)
                self.assertEqual((address, text), (own, f"from {port}"))
                self.assertEqual(daemon.counters()[0]["drop_no_flow"], 1)

    def test_members_of_a_group_answer_from_their_own_addresses(self):
        guest, _ = self.connected()
        run("ip", "-n", self.host.remote, "route", "replace", "224.0.0.0/4", "dev", "eth0")
        for group, port in (("239.255.255.250", 1900), ("192.0.2.255", 6012), ("255.255.255.255", 6013)):
            with self.subTest(group=group):
                self.remote(MEMBER, group, port, REMOTE4)
                got = self.python(guest, ASK, group, port, 1, 3)
                self.assertEqual([(address, text) for address, _, text in got], [(REMOTE4, "here")])

    def test_a_conversation_at_a_resolvers_port_goes_on_after_a_silence(self):
        guest, _ = self.connected()
        waiting = []
        for port in (53, 853):
            for remote in (REMOTE4, REMOTE6):
                self.remote(LATER, remote, port)
                waiting.append((port, remote, guest.popen(PYTHON, "-c", CONVERSE, remote, port, stdout=-1)))
        for port, remote, process in waiting:
            with self.subTest(port=port, remote=remote):
                self.assertEqual(json.loads(process.communicate(timeout=40)[0]), ["later", "it is later"])

    def test_peers_that_are_alike_to_the_guest_are_kept_apart(self):
        """Two rules lead to one port, and loopback addresses of the host are all seen as the gateway."""
        guest, _ = self.connected("--no-splice", ports=("-t", "none", "-u", "6014:6016,6015:6016", "-T", "none", "-U", "none"))
        self.ready(guest.popen(PYTHON, "-c", ECHO, 6016, stdout=-1))
        seen = set()
        for own, to in (("127.0.0.1", ("127.0.0.1", 6014)), ("127.0.0.1", ("127.0.0.1", 6015)), ("127.0.0.2", ("127.0.0.1", 6014)), ("127.0.0.3", ("127.0.0.3", 6015))):
            got = json.loads(self.host.run(PYTHON, "-c", SOCKET + """own, to, port = sys.argv[1:]
s = udp(own, 6017); got = []
for _ in range(2): s.sendto(b"q", (to, int(port))); d = hear(s, 3); got.append([d[1][0], d[1][1], d[0].decode().split()[1]])
print(json.dumps(got))""", own, *to).stdout)
            with self.subTest(own=own, to=to):
                self.assertEqual([(address, port) for address, port, _ in got], [to, to])
                self.assertEqual(len({number for *_, number in got}), 1)
                seen.add(got[0][2])
        self.assertGreaterEqual(len(seen), 3)

    def test_a_server_takes_no_descriptor_for_each_of_its_peers(self):
        guest, daemon = self.connected(ports=("-t", "none", "-u", "6018", "-T", "none", "-U", "none"))
        self.ready(guest.popen(PYTHON, "-c", ECHO, 6018, stdout=-1))
        before = len(os.listdir(f"/proc/{daemon.pid}/fd"))
        self.host.run_remote(PYTHON, "-c", BURST, HOST4, 6018, 100)
        self.assertEqual(len(os.listdir(f"/proc/{daemon.pid}/fd")), before)


class Moving(OnServingHost, unittest.TestCase):
    """The host's addresses change under what is running."""

    def test_flows_go_on_when_the_hosts_address_changes(self):
        guest, daemon = connected_guest(self.host)
        self.addCleanup(guest.close)
        self.addCleanup(daemon.stop)
        for remote, port, old, new in ((REMOTE4, 6200, HOST4 + "/24", "192.0.2.66/24"), (REMOTE6, 6202, HOST6 + "/64", "2001:db8::66/64")):
            with self.subTest(remote=remote):
                process = guest.popen(PYTHON, "-c", TICK, remote, 7, port, stdout=-1)
                self.assertEqual(process.stdout.readline(), "answer\n")
                nodad = ["nodad"] if ":" in new else []
                self.host.ip("addr", "del", old, "dev", "eth0")
                self.host.ip("addr", "add", new, "dev", "eth0", *nodad)
                family, router = ("-6", "fe80::1") if ":" in new else ("-4", "192.0.2.1")
                self.host.ip(family, "route", "replace", "default", "via", router, "dev", "eth0")
                lines = [process.stdout.readline() for _ in range(20)]
                self.assertIn("answer\n", lines[:10], lines)
                self.assertEqual(lines[-5:], ["answer\n"] * 5)
                process.kill()

    def test_an_interface_that_comes_back_under_its_name_is_used_again(self):
        self.host.ip("link", "add", "vpn0", "type", "veth", "peer", "name", "nowhere")
        self.host.ip("link", "set", "vpn0", "up")
        self.host.ip("addr", "add", "192.0.2.98/32", "dev", "vpn0")
        self.host.ip("route", "add", "default", "dev", "vpn0", "metric", "100")
        self.host.ip("link", "set", "nowhere", "up")
        guest, daemon = connected_guest(self.host, "--outbound-if4", "vpn0")
        self.addCleanup(guest.close)
        self.addCleanup(daemon.stop)
        process = guest.popen(PYTHON, "-c", TICK, REMOTE4, 7, 6201, stdout=-1)
        self.assertEqual(process.stdout.readline(), "silence\n")
        self.host.ip("link", "del", "vpn0")
        process.stdout.readline()
        process.stdout.readline()
        run("ip", "-n", self.host.name, "link", "add", "vpn0", "type", "veth", "peer", "name", "vpn1", "netns", self.host.remote)
        run("ip", "-n", self.host.remote, "link", "set", "vpn1", "up")
        run("ip", "-n", self.host.remote, "addr", "add", "192.0.2.99/32", "dev", "vpn1")
        run("ip", "-n", self.host.remote, "route", "add", "192.0.2.98/32", "dev", "vpn1")
        self.host.ip("link", "set", "vpn0", "up")
        self.host.ip("addr", "add", "192.0.2.98/32", "dev", "vpn0")
        self.host.ip("route", "add", REMOTE4 + "/32", "dev", "vpn0")
        lines = [process.stdout.readline() for _ in range(20)]
        process.kill()
        self.assertIn("answer\n", lines)


if __name__ == "__main__":
    netns_test.main()
