#!/usr/bin/env python3
"""The host's network changes while a guest uses it (--follow host): what the guest has stays, and leads to where the host is now."""
import os
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import netns_test
from guests import NO_PORTS, Daemon, Guest
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, ROUTER4, USER, SimulatedHost, run, wait_until
from inside import BOTH, guest_place, host_place, meet, remote_place
from names import DNSMASQ, ServerFailure, ask

OTHER4, OTHER6 = "192.0.2.40", "2001:db8::40"
MAPPED4, MAPPED6 = "169.254.7.7", "fd00:7::7"
SETTLED = 2             # seconds: what follows a change, settling included
GRACE = 10              # for which an address may be gone
TCP = socket.SOCK_STREAM


def cpu_time(pid):
    """Seconds of a processor that a process has had."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Following:
    def setUp(self):
        self.host = SimulatedHost()
        self.addCleanup(self.host.close)
        self.guest = Guest(self.host)
        self.addCleanup(self.guest.close)
        self.inside, self.outside, self.remote = guest_place(self.guest), host_place(self.host), remote_place(self.host)

    def start(self, *options, ports=NO_PORTS):
        daemon = Daemon(self.guest, "--workers", self.workers, *options, ports=ports)
        self.addCleanup(daemon.stop)
        return daemon

    def says(self, daemon, words):
        wait_until(lambda: words in daemon.log(), f"'{words}' in the log", SETTLED)

    def move(self, old, new, length):
        """Another address on the same link; in IPv4 the old one takes others of its network with it, and the route."""
        self.host.ip("addr", "del", f"{old}/{length}", "dev", "eth0")
        self.host.ip("addr", "add", f"{new}/{length}", "dev", "eth0", *(["nodad"] if ":" in new else []))
        if ":" not in new:
            self.host.ip("route", "add", "default", "via", ROUTER4)

    def test_the_host_s_own_address_is_where_it_is_now(self):
        daemon = self.start("--map-guest-addr", MAPPED4, "--map-guest-addr", MAPPED6)
        for old, new, mapped, length in ((HOST4, OTHER4, MAPPED4, 24), (HOST6, OTHER6, MAPPED6, 64)):
            with self.subTest(address=new):
                meet(self.inside, self.outside, mapped, 8000, TCP, server_address=old)
                self.move(old, new, length)
                self.says(daemon, f"network is now {new} on eth0")
                meet(self.inside, self.outside, mapped, 8000, TCP, server_address=new)

    def test_who_watches_is_told(self):
        daemon = self.start()
        with open(f"{self.host.dir}/watched", "w+") as watched:
            watcher = self.host.popen(self.host.binary("tapioca"), "watch", uid=USER, stdout=watched)
            self.addCleanup(cleanup.end_process, watcher)
            time.sleep(1)                   # it says nothing before there is something
            self.move(HOST4, OTHER4, 24)
            self.says(daemon, f"network is now {OTHER4}")
            wait_until(lambda: f"The host's IPv4 network is now {OTHER4} on eth0" in open(watched.name).read(), "news from tapioca watch", SETTLED)

    def test_a_connection_whose_address_is_gone_is_reset_after_a_while(self):
        daemon = self.start()
        with self.remote.bound(REMOTE4, 7000) as server4, self.remote.bound(REMOTE6, 7000) as server6:
            gone, stays = self.inside.connected(REMOTE4, 7000, TCP), self.inside.connected(REMOTE6, 7000, TCP)
            (peer, _), (other, _) = server4.accept(), server6.accept()
            with gone, stays, peer, other:
                gone.sendall(b"before")
                self.assertEqual(peer.recv(6), b"before")
                self.move(HOST4, OTHER4, 24)
                moved = time.monotonic()
                gone.settimeout(GRACE + 5)
                with self.assertRaises(ConnectionResetError):
                    gone.recv(1)
                self.assertGreater(time.monotonic() - moved, GRACE - 1)
                stays.sendall(b"meanwhile")
                self.assertEqual(other.recv(9), b"meanwhile")
                meet(self.inside, self.remote, REMOTE4, 7001, TCP)
        self.assertIn(f"The host has lost its address {HOST4}", daemon.log())
        self.assertEqual(daemon.counters()[0]["flow_end_address_gone"], 1)

    def test_an_address_that_comes_back_in_time_loses_nothing(self):
        self.start()
        with self.remote.bound(REMOTE4, 7000) as server:
            with self.inside.connected(REMOTE4, 7000, TCP) as client, server.accept()[0] as peer:
                self.host.ip("addr", "del", f"{HOST4}/24", "dev", "eth0")
                client.sendall(b"into the void")
                time.sleep(GRACE / 2)
                self.host.ip("addr", "add", f"{HOST4}/24", "dev", "eth0")
                self.host.ip("route", "replace", "default", "via", ROUTER4)
                peer.settimeout(20)
                self.assertEqual(peer.recv(13), b"into the void")
                time.sleep(GRACE)
                peer.sendall(b"still here")
                self.assertEqual(client.recv(10), b"still here")

    def test_a_port_on_an_interface_that_was_away(self):
        daemon = self.start(ports=("-t", "%eth0/7000", "-u", "none", "-T", "7100,7102,7104", "-U", "none"))
        meet(self.remote, self.inside, HOST4, 7000, TCP, server_address="0.0.0.0")
        self.host.replace_uplink()
        wait_until(lambda: self.is_served(HOST4, 7000), "port on the new interface", SETTLED)
        self.assertNotIn("Failed", daemon.log())

    def is_served(self, address, port):
        try:
            return meet(self.remote, self.inside, address, port, TCP, server_address="0.0.0.0", timeout=0.5)
        except OSError:
            return None

    def test_another_uplink(self):
        daemon = self.start()
        meet(self.inside, self.remote, REMOTE4, 7000, TCP)
        run("ip", "-n", self.host.name, "link", "add", "wlan0", "type", "veth", "peer", "name", "wlan0", "netns", self.host.remote)
        for name, address in ((self.host.remote, "203.0.113.1/24"), (self.host.name, "203.0.113.2/24")):
            run("ip", "-n", name, "addr", "add", address, "dev", "wlan0")
            run("ip", "-n", name, "link", "set", "wlan0", "up")
        run("ip", "-n", self.host.remote, "route", "del", "unreachable", "203.0.113.0/24")
        self.host.ip("route", "del", "default")
        self.host.ip("route", "add", "default", "via", "203.0.113.1")
        self.says(daemon, "network is now 203.0.113.2 on wlan0 by 203.0.113.1")
        self.host.ip("link", "set", "eth0", "down")
        self.assertEqual(meet(self.inside, self.remote, "198.51.100.1", 7000, TCP)[0], "203.0.113.2")

    def test_an_interface_with_another_name(self):
        daemon = self.start("--map-guest-addr", MAPPED4)
        self.host.ip("link", "set", "eth0", "down")
        self.host.ip("link", "set", "eth0", "name", "lan0")
        self.host.ip("link", "set", "lan0", "up")
        self.host.ip("route", "add", "default", "via", ROUTER4)
        self.says(daemon, f"network is now {HOST4} on lan0 by {ROUTER4}")
        meet(self.inside, self.outside, MAPPED4, 8000, TCP, server_address=HOST4)
        meet(self.inside, self.remote, REMOTE4, 7000, TCP)

    def test_nothing_is_followed_unless_it_is_wanted(self):
        daemon = self.start("--follow", "none", "--map-guest-addr", MAPPED4)
        self.move(HOST4, OTHER4, 24)
        time.sleep(SETTLED)
        self.assertNotIn("network is now", daemon.log())

    def test_storms_of_routes_cost_nothing(self):
        daemon = self.start()
        batch = "".join(f"route {verb} 10.{n >> 8 & 255}.{n & 255}.0/24 via {ROUTER4}\n" for n in range(2000) for verb in ("add", "del"))
        before, began, events = cpu_time(daemon.pid), time.monotonic(), 0
        while time.monotonic() - began < 5:
            self.host.run("ip", "-batch", "-", input=batch)
            events += 4000
        spent, took = cpu_time(daemon.pid) - before, time.monotonic() - began
        print(f"{100 * spent / took:.2f} % of a processor during a storm of {events} routes in {took:.1f} s")
        self.assertLess(spent, 0.01 * took + 0.02)       # the clock of processes ticks each 10 ms
        self.move(HOST4, OTHER4, 24)
        self.says(daemon, f"network is now {OTHER4} on eth0")


class OneWorker(Following, unittest.TestCase):
    workers = 1


class TwoWorkers(Following, unittest.TestCase):
    workers = 2


@netns_test.needs("dnsmasq")
class Resolvers:
    """Two servers that answer differently, so that it shows which of them was asked."""
    FORWARD4, FORWARD6 = "169.254.1.1", "fd00:53::1"
    FIRST4, SECOND4, FIRST6, SECOND6, LOOPBACK = "192.0.2.61", "192.0.2.62", "2001:db8::61", "2001:db8::62", "127.0.0.53"

    def setUp(self):
        self.host = SimulatedHost()
        self.addCleanup(self.host.close)
        self.guest = Guest(self.host)
        self.addCleanup(self.guest.close)
        for address in (self.FIRST4, self.SECOND4, self.FIRST6, self.SECOND6):
            run("ip", "-n", self.host.remote, "addr", "add", address + ("/64" if ":" in address else "/24"), "dev", "eth0", *(["nodad"] if ":" in address else []))
        for word, addresses, place in (("first", (self.FIRST4, self.FIRST6), self.host.remote), ("second", (self.SECOND4, self.SECOND6), self.host.remote),
                                       ("loopback", (self.LOOPBACK,), self.host.name)):
            argv = [*DNSMASQ, f"--listen-address={','.join(addresses)}", f"--txt-record=who.test,{word}"]
            self.addCleanup(cleanup.end_process, subprocess.Popen(["ip", "netns", "exec", place, *argv], stderr=subprocess.DEVNULL))
        self.resolvers(self.FIRST4, self.FIRST6)

    def resolvers(self, *addresses):
        with open(f"{self.host.dir}/resolv.conf", "w") as f:      # in place: the file is bind-mounted
            f.writelines(f"nameserver {address}\n" for address in addresses)

    def start(self, *options, **named):
        daemon = Daemon(self.guest, "--workers", self.workers, *options, **named)
        self.addCleanup(daemon.stop)
        return daemon

    def who(self, server, kind=socket.SOCK_DGRAM):
        """Whom a question reaches, or how it fails."""
        try:
            return ask(guest_place(self.guest), server, "who.test", kind, timeout=1)[0]
        except ServerFailure:
            return "SERVFAIL"
        except OSError as failure:
            return type(failure).__name__

    def reaches(self, word, *servers):
        for server in servers:
            for protocol, kind in BOTH:
                with self.subTest(server=server, protocol=protocol):
                    wait_until(lambda: self.who(server, kind) == word, f"answer of {word}", SETTLED)

    def test_queries_go_to_where_the_host_s_go(self):
        self.start("--dns-forward", self.FORWARD4, "--dns-forward", self.FORWARD6)
        self.reaches("first", self.FORWARD4, self.FORWARD6)
        self.resolvers(self.SECOND4, self.SECOND6)
        self.reaches("second", self.FORWARD4, self.FORWARD6)
        self.resolvers(self.LOOPBACK)
        self.reaches("loopback", self.FORWARD4)
        self.assertEqual(self.who(self.FORWARD6), "SERVFAIL")

    def test_a_resolver_that_the_guest_was_told_of_stands_for_those_that_the_host_has_now(self):
        self.start("--dhcp-dns", config_net=True)
        self.reaches("first", self.FIRST4, self.FIRST6)
        self.resolvers(self.SECOND4, self.SECOND6)
        self.reaches("second", self.FIRST4, self.FIRST6)
        self.resolvers(self.FIRST4, self.FIRST6)
        self.reaches("first", self.FIRST4, self.FIRST6)
        self.reaches("second", self.SECOND4, self.SECOND6)

    def test_a_file_that_is_half_written(self):
        daemon = self.start("--dns-forward", self.FORWARD4)
        self.resolvers()
        time.sleep(0.5)
        self.assertEqual(self.who(self.FORWARD4), "first")
        wait_until(lambda: self.who(self.FORWARD4) == "SERVFAIL", "failure", 2 + SETTLED)
        self.assertIn("The host has no resolvers any more", daemon.log())
        self.resolvers(self.SECOND4)
        self.reaches("second", self.FORWARD4)

    def test_a_resolver_that_was_named_stays(self):
        self.start("--dns-forward", self.FORWARD4, "--dns-host", self.FIRST4)
        self.resolvers(self.SECOND4)
        time.sleep(1)
        self.reaches("first", self.FORWARD4)

    def test_nothing_is_followed_unless_it_is_wanted(self):
        self.start("--dns-forward", self.FORWARD4, "--follow", "none")
        self.resolvers(self.SECOND4)
        time.sleep(1)
        self.reaches("first", self.FORWARD4)


class ResolversOneWorker(Resolvers, unittest.TestCase):
    workers = 1


class ResolversTwoWorkers(Resolvers, unittest.TestCase):
    workers = 2


class NoNetworkAtStart(unittest.TestCase):
    """Plugged in later."""

    def test_ipv6_comes_late(self):
        host = SimulatedHost(ipv6=False)
        self.addCleanup(host.close)
        guest = Guest(host)
        self.addCleanup(guest.close)
        daemon = Daemon(guest)
        self.addCleanup(daemon.stop)
        host._configure_host(False, True, True)
        wait_until(lambda: "2001:db8::" in guest.run("ip", "-6", "addr").stdout, "an address of the prefix", SETTLED)
        meet(guest_place(guest), remote_place(host), REMOTE6, 7000, TCP)

    def test_it_comes(self):
        host = SimulatedHost(ipv4=False, ipv6=False)
        self.addCleanup(host.close)
        for address in run("ip", "-n", host.name, "-6", "-o", "addr", "show", "dev", "eth0").stdout.split("\n"):
            if "fe80" in address:
                host.ip("addr", "del", address.split()[3], "dev", "eth0")
        guest = Guest(host)
        self.addCleanup(guest.close)
        daemon = Daemon(guest)
        self.addCleanup(daemon.stop)
        inside, remote = guest_place(guest), remote_place(host)
        self.assertIn("guest network is local", daemon.log())
        host._configure_host(True, True, True)
        wait_until(lambda: f"network is now {HOST4} on eth0" in daemon.log(), "news of IPv4", SETTLED)
        wait_until(lambda: f"network is now {HOST6} on eth0" in daemon.log(), "news of IPv6", SETTLED)
        meet(inside, remote, REMOTE4, 7000, TCP)
        wait_until(lambda: "2001:db8::" in guest.run("ip", "-6", "addr").stdout, "an address of the new prefix", SETTLED)
        meet(inside, remote, REMOTE6, 7000, TCP)


if __name__ == "__main__":
    netns_test.main()
