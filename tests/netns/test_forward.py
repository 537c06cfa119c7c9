#!/usr/bin/env python3
"""Every form of -t and -u on real sockets: who reaches which port of the guest, who does not, and what is said when it cannot be."""
import os
import re
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import Daemon, Guest, NamedGuest
from hosts import HOST4, HOST6, USER, SimulatedHost, known_part
from inside import BOTH, Place, guest_place, host_place, meet, raise_descriptor_limit, remote_place, running_seconds

SECOND4, LATER4 = "192.0.2.7", "192.0.2.99"        # another address of the host; one that it gets later
INNER4, INNER6 = "10.7.7.7", "2001:db8:7::7"        # further addresses of the guest
NOTHING_BACK = ("-T", "none", "-U", "none")
HOST, REMOTE = "host", "remote"

# (specifier, [(client, address, port, port in the guest)], [(client, address, port)]): reached, and refused
FORMS = (
    ("8000", [(REMOTE, HOST4, 8000, 8000), (REMOTE, HOST6, 8000, 8000), (HOST, "127.0.0.1", 8000, 8000), (HOST, "::1", 8000, 8000)],
     [(REMOTE, HOST4, 8001)]),
    ("/8000", [(REMOTE, HOST4, 8000, 8000), (REMOTE, HOST6, 8000, 8000)], []),
    ("*/8000", [(REMOTE, HOST4, 8000, 8000), (REMOTE, HOST6, 8000, 8000)], []),
    (f"{HOST4}/8000", [(REMOTE, HOST4, 8000, 8000)], [(REMOTE, HOST6, 8000), (REMOTE, SECOND4, 8000), (HOST, "127.0.0.1", 8000)]),
    (f"{HOST6}/8000", [(REMOTE, HOST6, 8000, 8000)], [(REMOTE, HOST4, 8000), (HOST, "::1", 8000)]),
    (f"[{HOST6}]/8000", [(REMOTE, HOST6, 8000, 8000)], [(REMOTE, HOST4, 8000), (HOST, "::1", 8000)]),
    ("127.0.0.1/8000", [(HOST, "127.0.0.1", 8000, 8000)], [(REMOTE, HOST4, 8000), (HOST, "::1", 8000)]),
    ("0.0.0.0/8000", [(REMOTE, HOST4, 8000, 8000), (REMOTE, SECOND4, 8000, 8000)], [(REMOTE, HOST6, 8000)]),
    ("[::]/8000", [(REMOTE, HOST6, 8000, 8000)], [(REMOTE, HOST4, 8000)]),
    ("%eth0/8000", [(REMOTE, HOST4, 8000, 8000), (REMOTE, HOST6, 8000, 8000)], [(HOST, "127.0.0.1", 8000), (HOST, "::1", 8000)]),
    ("*%lo/8000", [(HOST, "127.0.0.1", 8000, 8000), (HOST, "::1", 8000, 8000)], [(REMOTE, HOST4, 8000), (REMOTE, HOST6, 8000)]),
    (f"{SECOND4}%eth0/8000", [(REMOTE, SECOND4, 8000, 8000)], [(REMOTE, HOST4, 8000)]),
    ("8000-8003", [(REMOTE, HOST4, 8000, 8000), (REMOTE, HOST6, 8003, 8003)], [(REMOTE, HOST4, 7999), (REMOTE, HOST4, 8004)]),
    ("8000:9000", [(REMOTE, HOST4, 8000, 9000)], [(REMOTE, HOST4, 9000)]),
    ("8000-8003:9000-9003", [(REMOTE, HOST4, 8000, 9000), (REMOTE, HOST6, 8003, 9003)], [(REMOTE, HOST4, 9000)]),
    ("8000-8005,~8002", [(REMOTE, HOST4, 8001, 8001), (REMOTE, HOST4, 8003, 8003)], [(REMOTE, HOST4, 8002)]),
    ("8000-8009,~8002-8008", [(REMOTE, HOST4, 8001, 8001), (REMOTE, HOST4, 8009, 8009)], [(REMOTE, HOST4, 8002), (REMOTE, HOST4, 8008)]),
    (f"{HOST4}/8000,8004:9004", [(REMOTE, HOST4, 8000, 8000), (REMOTE, HOST4, 8004, 9004)], [(REMOTE, SECOND4, 8004)]),
    ("none", [], [(REMOTE, HOST4, 8000)]),
)
# the same, with the address of the guest that is asked, of several
TARGETS = (
    (f"0.0.0.0/8000:{INNER4}/9000", HOST4, 8000, INNER4, 9000),
    (f"0.0.0.0/8000-8001:{INNER4}/9000-9001", HOST4, 8001, INNER4, 9001),
    (f"{HOST4}/8000:{INNER4}", HOST4, 8000, INNER4, 8000),
    (f"[::]/8000:[{INNER6}]/9000", HOST6, 8000, INNER6, 9000),
    (f"[::]/8000:{INNER6}", HOST6, 8000, INNER6, 8000),
)
# options that go together though they share a port
TOGETHER = (
    ((f"{HOST4}/8000", f"{SECOND4}/8000:9000"), [(REMOTE, HOST4, 8000, 8000), (REMOTE, SECOND4, 8000, 9000)]),
    (("%eth0/8000", "%lo/8000:9000"), [(REMOTE, HOST4, 8000, 8000), (HOST, "127.0.0.1", 8000, 9000)]),
)
TABLE = (("-t", f"{HOST4}/8000", "-t", f"{HOST6}/8001,8003", "-t", f"[{HOST6}]/8005-8006:9005-9006", "-u", "%eth0/8000-8005,~8003",
          "-t", "*%eth0/7000", "-t", f"{HOST4}%eth0/7001", "-t", f"0.0.0.0/7100:{INNER4}/9000", "-t", f"[::]/7101-7102:[{INNER6}]/9000-9001",
          "-t", f"[::]/7103:{INNER6}", "-u", "/7105", "-t", "7200,auto", "-T", "5000,5002", "-U", "5000:5001"),
         f"""Inbound forwarding rules (HOST):
    TCP [{HOST4}]:8000  =>  8000
    TCP [{HOST6}]:8001  =>  8001
    TCP [{HOST6}]:8003  =>  8003
    TCP [{HOST6}]:8005-8006  =>  9005-9006
    UDP [*]%eth0:8000-8002  =>  8000-8002
    UDP [*]%eth0:8004-8005  =>  8004-8005
    TCP [*]%eth0:7000  =>  7000
    TCP [{HOST4}]%eth0:7001  =>  7001
    TCP [0.0.0.0]:7100  =>  {INNER4}:9000
    TCP [::]:7101-7102  =>  {INNER6}:9000-9001
    TCP [::]:7103  =>  {INNER6}:7103
    UDP [*]:7105  =>  7105
    TCP [*]:7200  =>  7200  (auto-scan)
Outbound forwarding rules (SPLICE):
    TCP [*]%lo:5000  =>  5000
    TCP [*]%lo:5002  =>  5002
    UDP [*]%lo:5000  =>  5001
""")


class Ports:
    """What all classes share: one host, one guest with two further addresses, and a daemon for each row."""
    workers = 1

    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.host.ip("addr", "add", SECOND4 + "/24", "dev", "eth0")
        cls.guest = Guest(cls.host)
        cls.prepare(cls.guest)
        cls.clients = {HOST: host_place(cls.host), REMOTE: remote_place(cls.host)}

    @classmethod
    def tearDownClass(cls):
        cls.host.close()

    @staticmethod
    def prepare(guest):
        guest.run("ip", "link", "set", "lo", "up")
        guest.run("ip", "addr", "add", INNER4 + "/32", "dev", "lo")
        guest.run("ip", "addr", "add", INNER6 + "/128", "dev", "lo", "nodad")

    def daemon(self, *ports, options=(), guest=None, uid=USER):
        daemon = Daemon(guest or self.guest, "--workers", self.workers, *options, uid=uid, ports=(*ports, *NOTHING_BACK))
        self.addCleanup(daemon.stop)
        return daemon

    def both(self, *specs):
        """The daemon with the same specifiers for TCP and UDP."""
        return self.daemon(*(word for spec in specs for option in ("-t", "-u") for word in (option, spec)))

    def reaches(self, client, address, port, inner_port, guest=None):
        for name, kind in BOTH:
            with self.subTest(protocol=name, client=client, address=address, port=port):
                meet(self.clients[client], guest_place(guest or self.guest), address, port, kind, inner_port)

    def is_refused(self, client, address, port):
        for name, kind in BOTH:
            with self.subTest(protocol=name, client=client, address=address, port=port, refused=True):
                with self.assertRaises(ConnectionRefusedError):
                    meet(self.clients[client], guest_place(self.guest), address, port, kind)

    def fails(self, *ports, guest=None, limit=None):
        """Starts a daemon that cannot start; what it says."""
        argv = [self.host.binary(), "-f", "--config-net", "--workers", self.workers, *ports, (guest or self.guest).pid]
        if limit:
            argv = ["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", *argv]
        try:
            done = self.host.run(*argv, uid=USER, check=False, timeout=8)
        except subprocess.TimeoutExpired:
            self.fail("the daemon runs though it should not")
        self.assertEqual(done.returncode, 1, done.stderr[-500:])
        return done.stderr


class Forms(Ports):
    def test_each_form(self):
        for spec, reached, refused in FORMS:
            with self.subTest(spec=spec):
                daemon = self.both(spec)
                for row in reached:
                    self.reaches(*row)
                for row in refused:
                    self.is_refused(*row)
                daemon.stop()

    def test_target_addresses_are_reached_over_the_tap(self):
        for spec, address, port, inner, inner_port in TARGETS:
            # a link-local address would not do as the source of what is routed, so there has to be another
            daemon = self.daemon("-t", spec, "-u", spec, options=["-g", "2001:db8::1"])
            for name, kind in BOTH:
                for client in (REMOTE, HOST):
                    with self.subTest(spec=spec, protocol=name, client=client):
                        _, asked = meet(self.clients[client], guest_place(self.guest), address, port, kind, inner_port)
                        self.assertEqual(asked, inner)
            daemon.stop()

    def test_the_same_port_on_different_addresses_and_interfaces(self):
        for specs, reached in TOGETHER:
            with self.subTest(specs=specs):
                daemon = self.both(*specs)
                for row in reached:
                    self.reaches(*row)
                daemon.stop()

    def test_single_family(self):
        for option, mine, other in (("-4", HOST4, HOST6), ("-6", HOST6, HOST4)):
            with self.subTest(option=option):
                daemon = self.daemon("-t", "8000", "-u", "8000", options=[option])
                self.reaches(REMOTE, mine, 8000, 8000)
                self.is_refused(REMOTE, other, 8000)
                daemon.stop()

    def test_freebind_listens_on_an_address_that_comes_later(self):
        daemon = self.daemon("-t", f"{LATER4}/8000", "-u", f"{LATER4}/8000", options=["--freebind"])
        self.host.ip("addr", "add", LATER4 + "/24", "dev", "eth0")
        try:
            self.reaches(REMOTE, LATER4, 8000, 8000)
            self.is_refused(REMOTE, HOST4, 8000)
        finally:
            self.host.ip("addr", "del", LATER4 + "/24", "dev", "eth0")
        daemon.stop()


class FormsWithOneWorker(Forms, unittest.TestCase):
    workers = 1


class FormsWithTwoWorkers(Forms, unittest.TestCase):
    workers = 2


class Start(Ports, unittest.TestCase):
    def test_the_table_of_rules_is_printed(self):
        ports, expected = TABLE
        daemon = Daemon(self.guest, ports=ports)
        self.addCleanup(daemon.stop)
        table = [line.rstrip() for line in daemon.log().splitlines()]
        begin = table.index("Inbound forwarding rules (HOST):")
        self.assertEqual(table[begin:begin + len(expected.splitlines())], expected.splitlines())

    def test_the_second_instance_on_a_port_fails(self):
        first = self.daemon("-t", "8000", "-u", "8001")
        other = Guest(self.host)
        self.addCleanup(other.close)
        for option, protocol, spec, shown in (("-t", "TCP", "8000", "*/8000"), ("-u", "UDP", "8001", "*/8001"), ("-t", "TCP", f"{HOST4}/8000", f"{HOST4}/8000"),
                                              ("-u", "UDP", f"[{HOST6}]/8001", f"{HOST6}/8001"), ("-t", "TCP", "7999-8003", "*/8000"),
                                              ("-u", "UDP", "%eth0/8001", "*%eth0/8001")):
            with self.subTest(spec=spec, protocol=protocol):
                said = known_part(self.fails(option, spec, {"-t": "-u", "-u": "-t"}[option], "none", *NOTHING_BACK, guest=other)).splitlines()
                self.assertEqual(said[-2:], [f"Listen failed for HOST {protocol} port {shown}: Address already in use", "Couldn't listen on requested ports"])
        meet(self.clients[REMOTE], guest_place(self.guest), HOST4, 8000, BOTH[0][1])     # the first goes on
        first.stop()
        self.daemon("-t", "8000", "-u", "8001", guest=other)      # the port is free at once

    def test_of_many_conflicts_the_first_is_named(self):
        ports, host = "20000-21199", self.clients[HOST]
        with host.bound("", 20900), host.bound("", 20130), host.bound(HOST4, 20131), host.bound("", 21199):
            for _ in range(5):
                said = known_part(self.fails("-t", ports, "-u", ports, *NOTHING_BACK)).splitlines()
                self.assertEqual(said[-2:], ["Listen failed for HOST TCP port */20130: Address already in use", "Couldn't listen on requested ports"])

    def test_what_cannot_be_bound_is_named(self):
        for option, protocol in (("-t", "TCP"), ("-u", "UDP")):
            for spec, shown, reason in (("80", "*/80", "Permission denied"), (f"{LATER4}/8000", f"{LATER4}/8000", "Cannot assign requested address"),
                                        ("%nope/8000", "*%nope/8000", "No such device"), ("1023-1024", "*/1023", "Permission denied")):
                with self.subTest(spec=spec, protocol=protocol):
                    said = known_part(self.fails(option, spec, {"-t": "-u", "-u": "-t"}[option], "none", *NOTHING_BACK)).splitlines()
                    self.assertEqual(said[-2:], [f"Listen failed for HOST {protocol} port {shown}: {reason}", "Couldn't listen on requested ports"])

    def test_low_ports_with_privileges(self):
        for runas, uid in ((("--runas", USER), USER), ((), 65534), (("--runas", "0"), 0)):
            with self.subTest(runas=runas):
                guest = NamedGuest(self.host)
                daemon = Daemon(guest, *runas, "--netns", uid=None, target=[guest.name], ports=("-t", "80", "-u", "53", *NOTHING_BACK))
                with open(f"/proc/{daemon.pid}/status") as f:
                    self.assertIn(f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n", f.read())
                for port, (_, kind) in ((80, BOTH[0]), (53, BOTH[1])):
                    meet(self.clients[REMOTE], Place(guest.path), HOST4, port, kind)
                daemon.stop()
                guest.close()


class ManyPorts(Ports, unittest.TestCase):
    """The host gives nearly all ports to programs that ask for none, so that "all" is some 16 000 sockets."""
    @classmethod
    def setUpClass(cls):
        cls.limit = raise_descriptor_limit()
        super().setUpClass()
        cls.host.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=9000 65535")

    def started(self, *ports):
        """The daemon, how long it took to be ready, and how much of that on a processor."""
        began = time.monotonic()
        daemon = self.daemon(*ports)
        return daemon, time.monotonic() - began, running_seconds(daemon.pid)

    @unittest.skipIf(raise_descriptor_limit() < 17000, "the hard limit of open files is below 17000")
    def test_all_ports_of_both_protocols(self):
        daemon, seconds, busy = self.started("-t", "all", "-u", "all")
        print(f"ready after {seconds:.2f} s, {busy:.2f} s of them on a processor")
        for port in (1024, 4242, 8999):
            self.reaches(REMOTE, HOST4, port, port)
            self.reaches(HOST, "::1", port, port)
        for port in (1023, 9000, 65535):
            self.is_refused(REMOTE, HOST4, port)
        daemon.stop()
        if not netns_test.SANITIZED:
            self.assertLess(busy, 1)            # not the clock's time: others may run here, too

    @unittest.skipIf(raise_descriptor_limit() < 9000, "the hard limit of open files is below 9000")
    def test_only_an_exclusion_and_no_privilege(self):
        daemon = self.daemon("-t", "~100", "-u", "none")
        for port, reached in ((1024, True), (8999, True), (100, False), (9000, False)):
            with self.subTest(port=port):
                if reached:
                    meet(self.clients[REMOTE], guest_place(self.guest), HOST4, port, BOTH[0][1])
                else:
                    with self.assertRaises(ConnectionRefusedError):
                        self.clients[REMOTE].connected(HOST4, port)
        daemon.stop()

    def test_a_small_limit_is_named(self):
        for ports in (("-t", "all", "-u", "all"), ("-t", "2000-6000", "-u", "none")):
            with self.subTest(ports=ports):
                said = self.fails(*ports, *NOTHING_BACK, limit=1000)
                self.assertRegex(said, re.compile("open files|RLIMIT_NOFILE|ulimit -n|descriptors", re.I))
                self.assertLess(len(said.splitlines()), 60, "one reason is enough")
                self.assertIn("1000", said.splitlines()[-1])

    def test_a_busy_port_of_all_is_passed_over(self):
        with self.clients[HOST].bound("", 4242) as busy:
            daemon = self.daemon("-t", "all", "-u", "none") if self.limit > 9000 else self.daemon("-t", "~1-4200", "-u", "none")
            meet(self.clients[REMOTE], guest_place(self.guest), HOST4, 4243, BOTH[0][1])
            with self.clients[REMOTE].connected(HOST4, 4242):
                busy.settimeout(3)
                busy.accept()[0].close()
        daemon.stop()


if __name__ == "__main__":
    netns_test.main()
