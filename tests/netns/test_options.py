#!/usr/bin/env python3
"""Options whose meaning no other test shows: each is seen at the guest, in the command's world, or on the wire."""
import json
import os
import platform
import socket
import struct
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test

netns_test.needs_module("scapy")
import cleanup
from dhcp_exchange import message4, options4
from guests import NO_PORTS, Guest, OnSimulatedHost, connected_guest
from hosts import HOST4, HOST6, PYTHON, REMOTE4, REMOTE6, ROUTER4, USER, known_part, wait_until
from inside import BOTH, guest_place, host_place, meet, remote_place
from passt import Passt, launcher
from scapy.layers.dhcp6 import DHCP6_Solicit, DHCP6OptClientId, DHCP6OptIA_NA, DUID_LL
from scapy.layers.inet6 import ICMPv6ND_NS
from stream_client import BROADCAST, IP, MAC, UDP, Ether, IPv6, StreamClient, udp_payload

HARDWARE = bytes.fromhex(MAC.replace(":", ""))
DISCOVER = bytes(Ether(dst=BROADCAST, src=MAC) / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67) / message4(HARDWARE, 1, "discover"))
LEAST_LOG = 40960
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}


def arp_request(target, sender=HOST4):
    """As a machine asks for an address, padded to the least length of a frame."""
    return (b"\xff" * 6 + HARDWARE + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + HARDWARE + socket.inet_aton(sender)
            + bytes(6) + socket.inet_aton(target)).ljust(60, b"\0")


def is_arp_reply(frame):
    return frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x02"


class Options(OnSimulatedHost, unittest.TestCase):
    def pasta(self, *argv, uid=USER, check=True):
        return self.host.run(self.host.binary(), *NO_PORTS, *argv, uid=uid, check=check)

    def inside(self, script, *options, **named):
        """The output of a shell script that pasta runs."""
        return self.pasta(*options, "--", "sh", "-c", script, **named).stdout

    def stream(self, daemon_or_socket):
        client = StreamClient(daemon_or_socket)
        self.addCleanup(client.close)
        return client


class Reports(Options):
    def passt(self, *options):
        daemon = Passt(self.host, *options)
        self.addCleanup(daemon.stop)
        return daemon, self.stream(daemon.path)

    def test_statistics_come_when_there_is_news(self):
        daemon, client = self.passt("--stats", "1")
        self.assertIsNotNone(client.ask(arp_request(ROUTER4), is_arp_reply))
        wait_until(lambda: "TCP listens" in daemon.log(), "head of the table")
        head, row = wait_until(lambda: daemon.log()[daemon.log().index("  guest"):].splitlines()[:2][1:] and
                               daemon.log()[daemon.log().index("  guest"):].splitlines()[:2], "first row")
        self.assertEqual(head.split()[:3], ["guest", "clients", "mailbox"])
        self.assertGreaterEqual(int(row.split()[0]), 1)
        self.assertEqual(int(row.split()[1]), 1)        # one client came

    def test_a_log_file_keeps_to_its_size(self):
        path = f"{self.host.dir}/capped.log"
        _, client = self.passt("--trace", "--log-file", path, "--log-size", str(LEAST_LOG))

        def cut():
            client.send(*[DISCOVER] * 50)
            client.collect(50, 10, lambda frame: udp_payload(frame, 68))
            with open(path) as log:
                return " - log truncated at " in log.readline()
        wait_until(cut, "cut of the log", 60)
        self.assertLessEqual(os.path.getsize(path), LEAST_LOG)

    def test_capabilities_are_json_on_standard_output(self):
        for name in ("passt", "pasta"):
            done = self.host.run(self.host.binary(name), "--print-capabilities", uid=USER)
            self.assertEqual((json.loads(done.stdout), done.stderr), ({"type": "net"}, ""))


class Command(Options):
    """What the command of pasta finds."""

    def test_the_gateway_has_the_mac_address_that_was_asked_for(self):
        shown = self.inside(f"ping -c 1 -W 5 {ROUTER4} >/dev/null; ip neigh show {ROUTER4}", "--config-net", "-M", "02:00:00:00:00:0a")
        self.assertIn("02:00:00:00:00:0a", shown)

    def test_addresses_and_routes_are_those_of_the_interface_that_was_named(self):
        self.host.ip("link", "add", "other0", "type", "veth", "peer", "name", "other1")
        self.addCleanup(self.host.ip, "link", "del", "other0")
        self.host.ip("addr", "add", "198.18.0.2/24", "dev", "other0")
        self.host.ip("addr", "add", "2001:db8:18::2/64", "dev", "other0", "nodad")
        for end in ("other0", "other1"):
            self.host.ip("link", "set", end, "up")
        shown = self.inside("ip addr show dev other0; ip route", "--config-net", "-i", "other0")
        for expected in ("inet 198.18.0.2/24", "inet6 2001:db8:18::2/64", "198.18.0.0/24 dev other0"):
            self.assertIn(expected, shown)
        self.assertNotIn(HOST4, shown)

    def test_an_outbound_interface_without_the_family_is_refused(self):
        for options, text in ((("-6", "--outbound-if4", "eth0"), "External interface not usable"), (("-4", "--outbound-if6", "eth0"), "External interface not usable"),
                              (("--outbound-if4", "none0"), "Invalid interface name none0: No such device"), (("-i", "none0"), "Invalid interface name none0: No such device")):
            for name, operand in (("passt", ("-s", f"{self.host.dir}/refused.socket")), ("pasta", ("--", "true"))):
                with self.subTest(options=options, name=name):
                    done = self.host.run(self.host.binary(name), *options, *operand, uid=USER, check=False)
                    self.assertEqual((done.returncode, known_part(done.stderr).splitlines()[-1]), (1, text))

    def test_without_copies_there_is_one_address_and_one_route(self):
        self.host.ip("addr", "add", "192.0.2.8/24", "dev", "eth0")
        self.addCleanup(self.host.ip, "addr", "del", "192.0.2.8/24", "dev", "eth0")
        self.host.ip("route", "add", "198.18.7.0/24", "via", ROUTER4)
        self.addCleanup(self.host.ip, "route", "del", "198.18.7.0/24")
        show = "ip addr show dev eth0; ip route"
        for option, absent, left in (("--no-copy-addrs", "192.0.2.8", "198.18.7.0/24"), ("--no-copy-routes", "198.18.7.0/24", "192.0.2.8")):
            with self.subTest(option=option):
                done = self.pasta("--config-net", option, "--", "sh", "-c", show)
                self.assertIn(f"{option} will be dropped soon", done.stderr)
                self.assertNotIn(absent, done.stdout)
                for expected in (left, "default via " + ROUTER4):
                    self.assertIn(expected, done.stdout)
        everything = self.inside(show, "--config-net")
        self.assertTrue("192.0.2.8" in everything and "198.18.7.0/24" in everything)

    def test_whose_process_ids_it_has(self):
        ours, look = os.readlink("/proc/self/ns/pid"), "readlink /proc/self/ns/pid; echo $$"
        self.assertEqual(self.inside(look, "--no-pidns").split()[0], ours)
        own = self.inside(look).split()
        self.assertNotEqual(own[0], ours)
        self.assertEqual(own[1], "1")

    def test_whose_user_namespace_it_has(self):
        look, ours = "readlink /proc/self/ns/user", os.readlink("/proc/self/ns/user")
        self.assertEqual(self.inside(look, "--netns-only", "--runas", "0", uid=None).strip(), ours)
        self.assertNotEqual(self.inside(look).strip(), ours)
        guest = Guest(self.host)
        self.addCleanup(guest.close)
        path = f"/proc/{guest.pid}/ns/user"
        theirs = os.readlink(path)
        self.assertEqual(self.inside(look, "--userns", path).strip(), theirs)
        self.assertNotEqual(self.inside("readlink /proc/self/ns/net", "--userns", path).strip(), os.readlink(f"/proc/{guest.pid}/ns/net"))
        self.assertEqual(self.inside(look, "--netns-only", "--userns", path).strip(), theirs)
        refused = self.pasta("--userns", "/nonexistent", "--", "true", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("Couldn't open user namespace /nonexistent: No such file or directory", refused.stderr)


class Protocols(Options):
    def exchange(self, guest, kind, address):
        meet(guest_place(guest), remote_place(self.host), address, 7000, kind, server_address=address, timeout=1)

    def test_a_protocol_that_is_off_is_off_and_leaves_the_others(self):
        for option, dead, drop in (("--no-tcp", socket.SOCK_STREAM, 1), ("--no-udp", socket.SOCK_DGRAM, 1)):
            guest, daemon = connected_guest(self.host, option, ports=())        # the default of ports goes with it
            with self.subTest(option=option):
                for address in (REMOTE4, REMOTE6):
                    for _, kind in BOTH:
                        if kind == dead:
                            self.assertRaises(OSError, self.exchange, guest, kind, address)
                        else:
                            self.exchange(guest, kind, address)
                self.assertGreaterEqual(daemon.counters()[0]["drop_protocol_disabled"], drop)
                self.assertEqual(guest.run("ping", "-c", 1, "-W", 5, REMOTE4, check=False).returncode, 0)
            self.assertEqual(daemon.stop(), 0)
            guest.close()

    def test_echo_that_is_off(self):
        guest, daemon = connected_guest(self.host, "--no-icmp")
        self.addCleanup(guest.close)
        self.assertEqual(guest.run("ping", "-c", 1, "-W", 1, REMOTE4, check=False).returncode, 1)
        self.exchange(guest, socket.SOCK_STREAM, REMOTE4)
        self.assertGreaterEqual(daemon.counters()[0]["drop_protocol_disabled"], 1)
        self.assertEqual(daemon.stop(), 0)


    def test_servers_that_are_off(self):
        """Frames are answered in their order: nothing before the ARP reply means nothing at all."""
        link_local = "fe80::5054:ff:fe12:3456"
        who_is = Ether(dst="33:33:ff:00:00:01", src=MAC) / IPv6(src=link_local, dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt="fe80::1")
        solicit = (Ether(dst="33:33:00:01:00:02", src=MAC) / IPv6(src=link_local, dst="ff02::1:2") / UDP(sport=546, dport=547)
                   / DHCP6_Solicit(trid=7) / DHCP6OptClientId(duid=DUID_LL(lladdr=MAC)) / DHCP6OptIA_NA(iaid=9, T1=0, T2=0))
        for options, neighbour, lease in (((), 1, 1), (("--no-ndp",), 0, 1), (("--no-icmp",), 0, 1), (("--no-dhcpv6",), 1, 0)):
            with self.subTest(options=options):
                daemon = Passt(self.host, *options)
                client = self.stream(daemon.path)
                client.drain()
                client.send(bytes(who_is), bytes(solicit), arp_request(ROUTER4))
                frames = []
                while not frames or not is_arp_reply(frames[-1]):
                    frames.append(client.receive(10))
                    self.assertIsNotNone(frames[-1])
                told = [sum(wanted(f) for f in frames) for wanted in (lambda f: f[12:14] == b"\x86\xdd" and f[20] == 58 and f[54] == 136, lambda f: udp_payload(f, 546) is not None)]
                self.assertEqual(told, [neighbour, lease])
                client.close()
                self.assertEqual(daemon.stop(), 0)


class Bypass(Options):
    """Where a client on the host's loopback is led, for both protocols alike."""

    def test_without_an_interface_everything_leads_to_loopback(self):
        guest, daemon = connected_guest(self.host, "--splice-only", ports=("-t", "8000", "-u", "8000", "-T", "none", "-U", "none"))
        self.addCleanup(guest.close)
        self.assertEqual(guest.run("ip", "-o", "link").stdout.count("\n"), 1)
        host, inner = host_place(self.host), guest_place(guest)
        for name, kind in BOTH:
            for client, asked, server in (("127.0.0.1", "127.0.0.1", "127.0.0.1"), ("127.0.0.1", "127.0.0.5", "127.0.0.5"), ("127.0.0.1", HOST4, "127.0.0.1"),
                                          ("::1", "::1", "::1"), ("::1", HOST6, "::1")):
                with self.subTest(protocol=name, client=client, asked=asked):
                    self.assertEqual(meet(host, inner, asked, 8000, kind, source=client)[1], server)
            with self.subTest(protocol=name), self.assertRaises(OSError):
                meet(host, inner, HOST4, 8000, kind, timeout=1)
        self.assertEqual(daemon.stop(), 0)

    def test_with_an_interface_only_what_asked_for_loopback_leads_there(self):
        guest, daemon = connected_guest(self.host, "--host-lo-to-ns-lo", ports=("-t", "8000", "-u", "8000", "-T", "none", "-U", "none"))
        self.addCleanup(guest.close)
        for name, kind in BOTH:
            for client, asked, server in (("127.0.0.1", "127.0.0.5", "127.0.0.5"), ("127.0.0.1", HOST4, HOST4), ("::1", "::1", "::1"), ("::1", HOST6, HOST6)):
                with self.subTest(protocol=name, client=client, asked=asked):
                    self.assertEqual(meet(host_place(self.host), guest_place(guest), asked, 8000, kind, source=client)[1], server)
        self.assertEqual(daemon.stop(), 0)


class Inherited(Options):
    """pasta whose guest is behind an inherited socket."""

    def start(self, *options):
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        guest = Guest(self.host)
        self.addCleanup(guest.close)
        log = f"{self.host.dir}/inherited.log"
        with open(log, "w") as output:
            process = self.host.popen(*launcher(theirs, 3), self.host.binary(), "-f", "-t", "8000", "-u", "none", "-T", "none", "-U", "none", *options, "--fd", 3, guest.pid,
                                      uid=USER, stdout=output, stderr=output, pass_fds=(theirs.fileno(),))
        theirs.close()
        self.addCleanup(cleanup.end_process, process)
        client = self.stream(ours)
        self.assertIsNotNone(client.ask(arp_request(ROUTER4), is_arp_reply, 10))
        return guest, process, client

    def test_its_frames_come_from_there_and_the_loopbacks_still_meet(self):
        guest, process, client = self.start("--host-lo-to-ns-lo")
        self.assertEqual(guest.run("ip", "-o", "link").stdout.count("\n"), 1)
        meet(host_place(self.host), guest_place(guest), "127.0.0.1", 8000, socket.SOCK_STREAM)
        client.close()
        self.assertEqual(process.wait(10), 0)           # --one-off is implied

    def test_a_descriptor_that_is_none_is_refused(self):
        for name, operand in (("passt", ()), ("pasta", ("--", "true"))):
            for number, text in (("77", "Could not move --fd descriptor: Bad file descriptor"), ("x", "Invalid --fd: x")):
                done = self.host.run(self.host.binary(name), "--fd", number, *operand, uid=USER, check=False)
                self.assertEqual((done.returncode, known_part(done.stderr).splitlines()[-1]), (1, text))

    def test_what_pasta_tells_of_resolvers(self):
        for options, told in (((), set()), (("--dhcp-dns",), {6}), (("--dhcp-search",), {119}), (("--dhcp-dns", "--dhcp-search"), {6, 119})):
            with self.subTest(options=options):
                _, process, client = self.start(*options)
                answer = client.ask(DISCOVER, lambda frame: udp_payload(frame, 68))
                self.assertEqual({6, 119} & set(options4(udp_payload(answer, 68))), told)
                client.close()
                self.assertEqual(process.wait(10), 0)


class Root(Options):
    """A root that cannot be replaced, like that of an initial ramdisk: here a filter refuses pivot_root(2) with the same error."""

    REFUSE = """import ctypes, errno, os, struct, sys
number = int(sys.argv[1])
program = b"".join(struct.pack("HBBI", *line) for line in (
    (0x20, 0, 0, 0),                              # load the number of the system call
    (0x15, 0, 1, number),                         # if it is that one,
    (0x06, 0, 0, 0x00050000 | errno.EINVAL),      # it fails with EINVAL,
    (0x06, 0, 0, 0x7fff0000)))                    # and everything else goes on
code = ctypes.create_string_buffer(program, len(program))
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 4, ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, filter, 0, 0):     # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP
    sys.exit("no filter: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[2], sys.argv[2:])
"""

    @unittest.skipUnless(platform.machine() in PIVOT_ROOT, "the number of pivot_root is not known here")
    def test_it_is_covered_if_the_user_agrees(self):
        def start(*options):
            return self.host.run(PYTHON, "-c", self.REFUSE, PIVOT_ROOT[platform.machine()], self.host.binary("passt"), "-s", f"{self.host.dir}/covered.socket",
                                 "--pid", pid_path, *options, uid=USER, check=False)
        pid_path = f"{self.host.dir}/covered.pid"
        refused = start()
        self.assertEqual(refused.returncode, 1, refused.stderr)
        accepted = start("--chroot-fallback")
        self.assertEqual(accepted.returncode, 0, accepted.stderr)
        with open(pid_path) as f:
            pid = int(f.read())
        try:
            self.assertEqual(os.listdir(f"/proc/{pid}/root"), [])
            client = self.stream(f"{self.host.dir}/covered.socket")
            self.assertIsNotNone(client.ask(arp_request(ROUTER4), is_arp_reply))
        finally:
            os.kill(pid, 15)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "end of the daemon")


if __name__ == "__main__":
    netns_test.main()
