#!/usr/bin/env python3
"""Addresses by the clients that people use: dhclient, udhcpc and dhcpcd in both families, and the kernel by itself."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import netns_test
from guests import OnServingHost, connected_guest
from hosts import HOST4, HOST6, PYTHON, REMOTE4, REMOTE6, wait_until

# dhcpcd keeps state in fixed places; it gets empty ones of its own
DHCPCD = """mount -t tmpfs tmpfs /var/lib/dhcpcd && mkdir -p "$HOME/run" && cp -a /run/. "$HOME/run" 2>/dev/null
mount -t tmpfs tmpfs /run && mkdir -p /run/dhcpcd && exec dhcpcd -B -d -f "$HOME/dhcpcd.conf" "$@" eth0"""
DHCPCD_CONF = "duid\nnoarp\noption domain_name_servers, interface_mtu\nnohook resolv.conf, hostname, timesyncd\nrequire dhcp_server_identifier\n"


class Dhcp(OnServingHost, unittest.TestCase):
    def setUp(self):
        self.guest, self.daemon = connected_guest(self.host, config_net=False)
        self.guest.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0")
        self.log = pathlib.Path(self.host.dir, f"lease-{self.id().split('.')[-1]}.log")

    def tearDown(self):
        self.assertEqual(self.daemon.stop(), 0, self.daemon.log())
        self.guest.close()

    def assert_has(self, address, timeout=15):
        wait_until(lambda: f" {address}/" in self.guest.run("ip", "addr", "show", "dev", "eth0").stdout, address, timeout)

    def assert_connected(self, address):
        self.assertTrue(self.guest.client("download", address, 100000)["equal"])

    def as_root(self, *argv):
        """A long-running client in the guest's network; root outside, because clients change users and write files."""
        process = self.host.popen("env", f"LEASE_LOG={self.log}", "nsenter", "-t", self.guest.pid, "-n", "--", *argv,
                                  stdout=subprocess.DEVNULL, stderr=open(f"{self.log}.err", "w"))
        self.addCleanup(cleanup.end_process, process)
        return process

    def events(self):
        return self.log.read_text().splitlines() if self.log.exists() else []

    def dhclient(self, family):
        lease = f"{self.host.dir}/dhclient{family}.leases"
        return ["dhclient", f"-{family}", "-d", "-1", "-v", "-cf", "/dev/null", "-sf", f"{self.host.dir}/lease.sh", "-lf", lease,
                "-pf", f"{self.log}.pid", "-e", f"LEASE_LOG={self.log}", "eth0"]

    @netns_test.needs("dhclient")
    def test_dhclient_ipv4_and_its_return(self):
        first = self.as_root(*self.dhclient(4))
        self.assert_has(HOST4)
        self.assert_connected(REMOTE4)
        first.kill()
        first.wait()
        self.as_root(*self.dhclient(4))                     # with the lease file of the first: it asks for the same again
        wait_until(lambda: any(e == f"REBOOT {HOST4}" for e in self.events()), "confirmation of the old lease")

    @netns_test.needs("dhclient")
    def test_dhclient_ipv6(self):
        self.guest.run("ip", "link", "set", "eth0", "up")
        self.as_root(*self.dhclient(6))
        self.assert_has(HOST6)
        self.assert_connected(REMOTE6)

    @netns_test.needs("udhcpc")
    def test_udhcpc_and_its_renewal(self):
        client = self.as_root("udhcpc", "-f", "-i", "eth0", "-s", f"{self.host.dir}/lease.sh")
        self.assert_has(HOST4)
        self.assert_connected(REMOTE4)
        os.kill(client.pid, signal.SIGUSR1)
        wait_until(lambda: f"renew {HOST4}" in self.events(), "renewal")

    def dhcpcd(self, family):
        pathlib.Path(self.host.dir, "dhcpcd.conf").write_text(DHCPCD_CONF)
        return self.as_root("unshare", "-m", "sh", "-c", DHCPCD, "sh", f"-{family}")

    def tell_dhcpcd(self, client, option, family):
        self.host.run("nsenter", "-t", client.pid, "-m", "-n", "--", "dhcpcd", option, f"-{family}", "eth0", check=False)

    @netns_test.needs("dhcpcd")
    def test_dhcpcd_ipv4_renewed_and_rebound(self):
        client = self.dhcpcd(4)
        self.assert_has(HOST4)
        self.assert_connected(REMOTE4)
        self.follow_up(client, 4, HOST4)

    @netns_test.needs("dhcpcd")
    def test_dhcpcd_ipv6_renewed_and_rebound(self):
        self.guest.run("ip", "link", "set", "eth0", "up")
        client = self.dhcpcd(6)
        self.assert_has(HOST6, 25)
        self.assert_connected(REMOTE6)
        self.follow_up(client, 6, HOST6)

    def follow_up(self, client, family, address):
        """Both kinds of extension, seen in what dhcpcd logs. It may miss a command that comes while it is busy with another."""
        log = pathlib.Path(f"{self.log}.err")
        for option in ("-N", "-n"):
            with self.subTest(option=option):
                before = len(log.read_text())

                def answered(deadline):
                    self.tell_dhcpcd(client, option, family)
                    while time.monotonic() < deadline:
                        if any(sign in log.read_text()[before:] for sign in ("leased", "REPLY6 received", "acknowledged", "ACK")):
                            return True
                        time.sleep(0.1)
                    return False
                self.assertTrue(any(answered(time.monotonic() + 5) for _ in range(4)), log.read_text()[before:])
        self.assert_has(address)

    def test_the_kernel_configures_itself(self):
        self.guest.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=2", "net.ipv6.conf.eth0.addr_gen_mode=0")
        self.guest.run("ip", "link", "set", "eth0", "up")
        shown = wait_until(lambda: (s := self.guest.run("ip", "-6", "addr", "show", "dev", "eth0", "scope", "global").stdout) and s, "address")
        self.assertIn("inet6 2001:db8::", shown)
        self.assertIn("default via fe80::", self.guest.run("ip", "-6", "route").stdout)
        self.assert_connected(REMOTE6)

    def by_hand(self, *words):
        self.guest.run("ip", "link", "set", "eth0", "up")
        wait_until(lambda: "fe80::" in self.guest.run("ip", "-6", "addr", "show", "dev", "eth0").stdout, "link-local address")
        return json.loads(self.guest.run(PYTHON, f"{self.host.dir}/dhcp_exchange.py", *words).stdout)

    def test_every_question_of_ipv4_gets_the_answer_of_rfc_2131(self):
        offer, = self.by_hand("v4", "eth0", "discover")
        self.assertEqual((offer["type"], offer["address"], offer["xid"]), ("offer", HOST4, True))
        server = offer["server"]
        answers = self.by_hand("v4", "eth0", f"request:requested={HOST4},server={server}", f"request:requested={HOST4}",
                               f"request:client={HOST4}", "request:requested=192.0.2.99", f"request:requested=192.0.2.99,server={server}",
                               "request:client=192.0.2.99")
        self.assertEqual([a and a["type"] for a in answers], ["ack", "ack", "ack", "nak", "nak", "nak"])

    def test_every_question_of_ipv6_gets_the_answer_of_rfc_8415(self):
        answers = self.by_hand("v6", "eth0", "solicit", f"request:{HOST6}", f"renew:{HOST6}", f"rebind:{HOST6}", f"confirm:{HOST6}", "information",
                               "confirm:2001:db8:99::1")
        self.assertEqual([a and a["type"] for a in answers], ["advertise"] + ["reply"] * 6)
        self.assertTrue(all(a["xid"] for a in answers))
        for answer in answers[:4]:
            self.assertEqual(answer["addresses"], [HOST6])
        self.assertEqual(answers[5]["addresses"], [])


if __name__ == "__main__":
    netns_test.main()
