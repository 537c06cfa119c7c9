#!/usr/bin/env python3
"""The host's network changes while a guest uses it, and the guest is told (--follow guest): it has what the host has."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import netns_test
from guests import NO_PORTS, Daemon, Guest, statuses
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, RESOLVER6, ROUTER4, SimulatedHost, run, wait_until
from inside import Task, digest_of, exactly, guest_place, meet, pair, remote_place, send_octets, take_octets
from test_dhcp import DHCPCD, DHCPCD_CONF

ROUTER10, REMOTE10, OTHER10 = "10.77.0.1", "10.77.0.3", "10.77.0.2"     # another network; and in the host's own another address
OTHER4, OTHER6, PREFIX6 = "192.0.2.40", "2001:db8:9::40", "2001:db8:9:"
SETTLED = 5             # seconds: what follows a change, settling included
TCP = socket.SOCK_STREAM
NET_ADMIN, BIND_SERVICE = 1 << 12, 1 << 10
PORT = ("-t", "7000", "-u", "none", "-T", "none", "-U", "none")


class Told:
    config_net = True

    def setUp(self):
        self.host = SimulatedHost()
        self.addCleanup(self.host.close)
        for address in (f"{ROUTER10}/24", f"{REMOTE10}/24", f"{PREFIX6}:1/64"):
            run("ip", "-n", self.host.remote, "addr", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))
        self.guest = Guest(self.host)
        self.addCleanup(self.guest.close)
        self.inside, self.remote = guest_place(self.guest), remote_place(self.host)

    def start(self, *options, ports=NO_PORTS):
        daemon = Daemon(self.guest, "--workers", self.workers, "--follow", "guest", *options, ports=ports, config_net=self.config_net)
        self.addCleanup(daemon.stop)
        return daemon

    def addresses(self):
        """By address: what the guest's kernel says of it."""
        shown = json.loads(self.guest.run("ip", "-json", "addr", "show", "dev", "eth0").stdout)
        return {entry["local"]: entry for link in shown for entry in link.get("addr_info", ())}

    def routes(self, family=4):
        return self.guest.run("ip", f"-{family}", "route").stdout

    def move4(self, new, length, router):
        self.host.ip("addr", "del", f"{HOST4}/24", "dev", "eth0")
        self.host.ip("addr", "add", f"{new}/{length}", "dev", "eth0")
        self.host.ip("route", "add", "default", "via", router)

    def move6(self):
        self.host.ip("addr", "add", f"{OTHER6}/64", "dev", "eth0", "nodad")
        self.host.ip("addr", "del", f"{HOST6}/64", "dev", "eth0")

    def gets(self, address, loses=None, timeout=SETTLED):
        wait_until(lambda: address in (now := self.addresses()) and loses not in now, f"{address} for {loses}", timeout)

    def is_served(self, address):
        try:
            return meet(self.remote, self.inside, address, 7000, TCP, timeout=0.5)
        except OSError:
            return None


class Configured(Told):
    """--config-net: by netlink."""

    def test_another_address_of_the_same_network(self):
        daemon = self.start(ports=PORT)
        self.move4(OTHER4, 24, ROUTER4)
        self.gets(OTHER4, loses=HOST4)
        self.assertEqual(self.addresses()[OTHER4]["prefixlen"], 24)
        self.assertNotIn(f"{OTHER4}/32", self.guest.run("ip", "addr").stdout)
        self.assertIn(f"default via {ROUTER4} dev eth0", self.routes())
        self.assertIn("192.0.2.0/24 dev eth0", self.routes())
        self.assertEqual(meet(self.inside, self.remote, REMOTE4, 7001, TCP)[0], OTHER4)
        self.assertEqual(wait_until(lambda: self.is_served(OTHER4), "inbound connection", SETTLED)[1], OTHER4)
        self.assertNotIn("left out", daemon.log())

    def test_another_network_while_the_other_family_transfers(self):
        length = 200 << 20
        for change, address, lost, other, rest in ((lambda: self.move4(OTHER10, 24, ROUTER10), OTHER10, HOST4, REMOTE6, REMOTE10),
                                                   (self.move6, OTHER6, HOST6, REMOTE10, f"{PREFIX6}:1")):
            with self.subTest(address=address):
                if address == OTHER10:
                    daemon = self.start(ports=PORT)
                client, server = pair(self.inside, self.remote, other, 7100)
                with client, server:
                    taking = Task(take_octets, server)
                    sending = Task(lambda c=client: (send_octets(c, length), c.shutdown(socket.SHUT_WR)))
                    change()
                    self.gets(address, loses=lost)
                    sending.result()
                    self.assertEqual(taking.result(), (length, digest_of(length)))
                self.assertEqual(meet(self.inside, self.remote, rest, 7001, TCP)[0], address)
                wait_until(lambda: self.is_served(address), "inbound connection", SETTLED)
        self.assertEqual(self.routes().splitlines()[0].split()[:3], ["default", "via", ROUTER10])
        self.assertNotIn("192.0.2.0/24", self.routes())
        self.assertNotIn("left out", daemon.log())

    def test_what_others_have_changed_in_the_namespace_is_left_alone(self):
        self.start()
        self.guest.run("ip", "addr", "add", "192.0.2.77/24", "dev", "eth0")
        self.guest.run("ip", "addr", "add", "10.9.9.9/24", "dev", "eth0")
        self.guest.run("ip", "route", "add", "10.8.0.0/16", "via", "10.9.9.1")
        self.guest.run("ip", "-6", "route", "replace", "default", "via", "fe80::9", "dev", "eth0")
        self.move6()
        self.gets(OTHER6, loses=HOST6)
        self.assertIn("default via fe80::9", self.routes(6))
        self.move4(OTHER10, 24, ROUTER10)
        self.gets(OTHER10, loses=HOST4)
        self.assertIn("10.9.9.9", self.addresses())
        self.assertIn("10.8.0.0/16 via 10.9.9.1", self.routes())
        self.guest.run("ip", "-6", "addr", "del", f"{OTHER6}/64", "dev", "eth0")
        self.host.ip("addr", "add", "2001:db8:9::41/64", "dev", "eth0", "nodad")
        self.gets("2001:db8:9::41", loses=OTHER6)

    def test_connections_of_an_address_that_goes_are_reset_while_it_is_there(self):
        daemon = self.start()
        gone, peer = pair(self.inside, self.remote, REMOTE4, 7100)
        stays, other = pair(self.inside, self.remote, REMOTE6, 7100)
        with gone, peer, stays, other:
            self.move4(OTHER10, 24, ROUTER10)
            gone.settimeout(SETTLED)
            with self.assertRaises(ConnectionResetError):
                gone.recv(1)
            self.gets(OTHER10, loses=HOST4)
            stays.sendall(b"still here")
            self.assertEqual(exactly(other, 10), b"still here")
        self.assertEqual(daemon.counters()[0]["flow_end_address_gone"], 1)

    def test_a_route_alone(self):
        self.start()
        self.host.ip("route", "replace", "default", "via", "192.0.2.3")
        wait_until(lambda: "default via 192.0.2.3" in self.routes(), "other route", SETTLED)
        self.assertNotIn(f"via {ROUTER4}", self.routes())
        self.assertIn(HOST4, self.addresses())

    def test_one_thread_has_one_right_more(self):
        for mode, ports, kept in (("guest", NO_PORTS, [NET_ADMIN]), ("host", NO_PORTS, []),
                                  ("guest", ("-t", "none", "-u", "none", "-T", "auto", "-U", "none"), [NET_ADMIN | BIND_SERVICE])):
            with self.subTest(mode=mode, ports=ports):
                daemon = self.start("--follow", mode, ports=ports)
                threads = list(statuses(daemon.pid))
                for name in ("CapEff", "CapPrm"):
                    self.assertEqual([value for status in threads if (value := int(status[name], 16))], kept, name)
                for status in threads:
                    self.assertEqual([int(status[name], 16) for name in ("CapBnd", "CapInh", "CapAmb")], [0, 0, 0])
                    self.assertEqual((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"))
                self.assertEqual(daemon.stop(), 0)
                self.guest.run("ip", "link", "del", "eth0", check=False)


class ConfiguredOneWorker(Configured, unittest.TestCase):
    workers = 1


class ConfiguredTwoWorkers(Configured, unittest.TestCase):
    workers = 2


class NoNetworkAtStart(unittest.TestCase):
    """Plugged in later."""

    def test_the_namespace_gets_the_host_s_addresses(self):
        host = SimulatedHost(ipv4=False, ipv6=False)
        self.addCleanup(host.close)
        guest = Guest(host)
        self.addCleanup(guest.close)
        daemon = Daemon(guest, "--follow", "guest")
        self.addCleanup(daemon.stop)
        self.assertIn("169.254.2.1", guest.run("ip", "addr").stdout)
        host._configure_host(True, True, True)
        for address in (HOST4, HOST6):
            wait_until(lambda a=address: f" {a}/" in guest.run("ip", "addr").stdout, address, SETTLED)
        wait_until(lambda: "169.254.2.1" not in guest.run("ip", "addr").stdout, "end of the local address", SETTLED)
        for remote, address in ((REMOTE4, HOST4), (REMOTE6, HOST6)):
            self.assertEqual(meet(guest_place(guest), remote_place(host), remote, 7000, TCP)[0], address)


class Advertised(Told):
    """The kernel's own configuration of IPv6."""
    config_net = False

    def global6(self, prefix):
        return [entry for address, entry in self.addresses().items() if address.startswith(prefix) and entry["scope"] == "global"]

    def test_the_kernel_prefers_the_new_prefix(self):
        self.start(ports=PORT)
        self.guest.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=2", "net.ipv6.conf.eth0.addr_gen_mode=0", "net.ipv6.conf.eth0.autoconf=1")
        self.guest.run("ip", "link", "set", "eth0", "up")
        old, = wait_until(lambda: self.global6("2001:db8:0:") or self.global6("2001:db8::"), "address", SETTLED)
        self.assertLessEqual(old["preferred_life_time"], 1800)
        client, server = pair(self.inside, self.remote, REMOTE6, 7100)
        with client, server:
            self.move6()
            new, = wait_until(lambda: self.global6(PREFIX6), "address of the new prefix", SETTLED)
            old_now = wait_until(lambda: (now := self.addresses()[old["local"]]).get("deprecated") and now, "end of preference", SETTLED)
            self.assertLessEqual(old_now["valid_life_time"], 7200)
            wait_until(lambda: self.is_served(OTHER6), "inbound connection", SETTLED)
            client.sendall(b"from the old address")
            self.assertEqual(exactly(server, 20), b"from the old address")
            self.assertEqual(meet(self.inside, self.remote, f"{PREFIX6}:1", 7001, TCP)[0], OTHER6)
            with self.inside.bound(new["local"], 7000) as listener:      # though the old one was heard last
                client.sendall(b"x")
                self.assertEqual(exactly(server, 1), b"x")
                with self.remote.connected(OTHER6, 7000) as c, listener.accept()[0] as accepted:
                    c.sendall(b"new")
                    self.assertEqual(exactly(accepted, 3), b"new")
        self.assertIn("default via fe80::", self.routes(6))


def resolvers_of(frame):
    """Of a router advertisement: by resolver, its lifetime. None: it is none."""
    if len(frame) < 70 or frame[12:14] != b"\x86\xdd" or frame[20] != socket.IPPROTO_ICMPV6 or frame[54] != 134:
        return None
    found, at = {}, 70
    while at + 2 <= len(frame) and frame[at + 1]:
        length = 8 * frame[at + 1]
        if frame[at] == 25:
            for one in range(at + 8, at + length, 16):
                found[socket.inet_ntop(socket.AF_INET6, frame[one:one + 16])] = int.from_bytes(frame[at + 4:at + 8], "big")
        at += length
    return found


class Resolvers(Told, unittest.TestCase):
    config_net, workers = False, 2

    def test_a_resolver_that_is_gone_is_advertised_as_such_three_times(self):
        self.start("--dhcp-dns")
        self.guest.run("ip", "link", "set", "eth0", "up")
        wire = self.inside.make(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x86dd))
        with wire:
            time.sleep(1)
            with open(f"{self.host.dir}/resolv.conf", "w") as f:
                f.write("nameserver 2001:db8::54\n")
            heard, end = [], time.monotonic() + 14
            while (left := end - time.monotonic()) > 0:
                wire.settimeout(left)
                try:
                    heard.append((resolvers_of(wire.recv(2000)), time.monotonic()))
                except TimeoutError:
                    break
        told = [when for resolvers, when in heard if resolvers == {"2001:db8::54": 1800, RESOLVER6: 0}]
        self.assertEqual(len(told), 3, heard)
        self.assertTrue(all(second - first > 3 for first, second in zip(told, told[1:])), told)


NETWORKD = """mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/network /run/systemd/netif/leases /run/systemd/netif/links /run/systemd/netif/lldp
chown -R systemd-network /run/systemd/netif && mount -t sysfs -o ro sysfs /sys
printf '[Match]\\nName=eth0\\n[Network]\\nDHCP=ipv4\\nIPv6AcceptRA=yes\\n' >/run/systemd/network/eth0.network
exec /lib/systemd/systemd-networkd"""


class Leased(Told):
    """Clients of DHCP."""
    config_net = False

    def as_root(self, *argv):
        """A long-running client in the guest's network; root outside, because clients change users and write files."""
        self.log = f"{self.host.dir}/lease.log"
        process = self.host.popen("env", f"LEASE_LOG={self.log}", "nsenter", "-t", self.guest.pid, "-n", "--", *argv,
                                  stdout=subprocess.DEVNULL, stderr=open(f"{self.log}.err", "a"))
        self.addCleanup(cleanup.end_process, process)
        return process

    def begins(self, *client, options=()):
        """A daemon, and a client that has the host's address."""
        self.daemon = self.start(*options, ports=PORT)
        process = self.as_root(*client)
        self.gets(HOST4, timeout=30)
        meet(self.inside, self.remote, REMOTE4, 7001, TCP)
        return process

    def ends(self, timeout=30):
        """The client has what the host has, and what is new to it has no need to be heard before it is found."""
        self.gets(OTHER10, timeout=timeout)
        self.assertTrue(wait_until(lambda: self.is_served(OTHER10), "inbound connection", SETTLED))
        self.assertEqual(meet(self.inside, self.remote, REMOTE10, 7001, TCP)[0], OTHER10)
        self.assertIn(f"default via {ROUTER10}", self.routes())

    @netns_test.needs("udhcpc")
    def test_udhcpc_is_refused_the_old_address_and_takes_the_new(self):
        client = self.begins("udhcpc", "-f", "-i", "eth0", "-s", f"{self.host.dir}/lease.sh")
        self.move4(OTHER10, 24, ROUTER10)
        wait_until(lambda: "network is now" in self.daemon.log(), "change", SETTLED)
        os.kill(client.pid, signal.SIGUSR1)         # as when half of the lease is over
        self.ends()

    @netns_test.needs("dhclient")
    def test_dhclient_is_refused_the_old_address_and_takes_the_new(self):
        argv = ["dhclient", "-4", "-d", "-1", "-v", "-cf", "/dev/null", "-sf", f"{self.host.dir}/lease.sh", "-lf", f"{self.host.dir}/leases",
                "-pf", f"{self.host.dir}/dhclient.pid", "-e", f"LEASE_LOG={self.host.dir}/lease.log", "eth0"]
        client = self.begins(*argv)
        wait_until(lambda: "bound to" in pathlib.Path(f"{self.log}.err").read_text(), "lease in its file")
        client.kill()
        client.wait()
        self.move4(OTHER10, 24, ROUTER10)
        wait_until(lambda: "network is now" in self.daemon.log(), "change", SETTLED)
        self.as_root(*argv)                         # with its lease: it asks for the same again
        self.ends()
        self.assertIn("DHCPNAK", pathlib.Path(f"{self.log}.err").read_text())

    @netns_test.needs("dhcpcd")
    def test_dhcpcd_asks_when_the_carrier_returns(self):
        pathlib.Path(self.host.dir, "dhcpcd.conf").write_text(DHCPCD_CONF)
        self.begins("unshare", "-m", "sh", "-c", DHCPCD, "sh", "-4")
        self.move4(OTHER10, 24, ROUTER10)
        self.ends()

    @netns_test.needs("dhcpcd")
    def test_dhcpcd_gets_the_address_of_ipv6(self):
        pathlib.Path(self.host.dir, "dhcpcd.conf").write_text(DHCPCD_CONF)
        self.start()
        self.guest.run("ip", "link", "set", "eth0", "up")
        self.as_root("unshare", "-m", "sh", "-c", DHCPCD, "sh", "-6")
        self.gets(HOST6, timeout=30)
        self.move6()
        self.gets(OTHER6, timeout=30)
        self.assertEqual(meet(self.inside, self.remote, f"{PREFIX6}:1", 7001, TCP)[0], OTHER6)

    @unittest.skipUnless(os.path.exists("/lib/systemd/systemd-networkd"), "systemd-networkd is not installed")
    def test_networkd_asks_when_the_carrier_returns(self):
        self.begins("unshare", "-m", "sh", "-c", NETWORKD)
        self.move4(OTHER10, 24, ROUTER10)
        self.ends()


class LeasedOneWorker(Leased, unittest.TestCase):
    workers = 1


class LeasedTwoWorkers(Leased, unittest.TestCase):
    workers = 2


class AdvertisedOneWorker(Advertised, unittest.TestCase):
    workers = 1


class AdvertisedTwoWorkers(Advertised, unittest.TestCase):
    workers = 2


if __name__ == "__main__":
    netns_test.main()
