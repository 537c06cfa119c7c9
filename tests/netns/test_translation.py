#!/usr/bin/env python3
"""Who the guest sees, and whom it reaches: the tables of address translation, row by row, for TCP and UDP."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import Daemon, Guest
from hosts import FAR4, FAR6, HOST4, HOST6, REMOTE4, REMOTE6, ROUTER4, ROUTER6, SimulatedHost
from inside import BOTH, guest_place, host_place, meet, remote_place

HOST, REMOTE = "host", "remote"
LO4, LO6 = "127.0.0.1", "::1"
LINK_LOCAL = "fe80::1"                                  # the host's gateway in IPv6, and so ours towards the guest
SECOND4, SECOND6 = "192.0.2.7", "2001:db8::7"           # more addresses of the host, which the guest has too
OTHER4, OTHER6 = "10.99.0.1", "2001:db8:99::1"          # addresses of the host on an interface that is not copied
MAP4, MAP6, MAPG4, MAPG6 = "10.9.9.9", "2001:db8:9::9", "10.9.9.8", "2001:db8:9::8"
OWN4, OWN6, GATE4, GATE6 = "10.1.2.3", "2001:db8:7::7", "10.1.2.1", "2001:db8:7::1"
FOREIGN = ("-a", OWN4 + "/24", "-g", GATE4, "-a", OWN6, "-g", GATE6)
LOOPBACK_MAP = ("--map-host-loopback", MAP4, "--map-host-loopback", MAP6)
GUEST_MAP = ("--map-guest-addr", MAPG4, "--map-guest-addr", MAPG6)

# Who is seen: (options, [(client, its source address or None, the address it asks, the source that the guest sees, the address asked in the guest)])
KEPT = [(HOST, None, OTHER4, OTHER4, HOST4), (HOST, None, OTHER6, OTHER6, HOST6),           # every client that the guest can answer
        (HOST, OTHER4, HOST4, OTHER4, HOST4), (HOST, OTHER6, HOST6, OTHER6, HOST6),
        (REMOTE, REMOTE4, HOST4, REMOTE4, HOST4), (REMOTE, REMOTE6, HOST6, REMOTE6, HOST6),
        (REMOTE, REMOTE4, SECOND4, REMOTE4, HOST4), (REMOTE, REMOTE6, SECOND6, REMOTE6, HOST6),
        (REMOTE, ROUTER4, HOST4, ROUTER4, HOST4), (REMOTE, ROUTER6, HOST6, ROUTER6, HOST6)]
OWN_ADDRESS = [(HOST, None, HOST4, ROUTER4, HOST4), (HOST, None, HOST6, LINK_LOCAL, None),  # of which the guest has a copy: the last resort
               (HOST, HOST4, LO4, ROUTER4, HOST4)]
SPLICED = [(HOST, None, LO4, HOST4, HOST4), (HOST, "127.0.0.7", LO4, HOST4, HOST4), (HOST, None, "127.0.0.8", HOST4, HOST4),
           (HOST, None, LO6, HOST6, HOST6), (HOST, LO4, HOST4, HOST4, HOST4)]
BY_TAP = [(HOST, None, LO4, ROUTER4, HOST4), (HOST, "127.0.0.7", LO4, ROUTER4, HOST4), (HOST, None, "127.0.0.8", ROUTER4, HOST4),
          (HOST, None, LO6, LINK_LOCAL, None), (HOST, LO4, HOST4, ROUTER4, HOST4)]
SEEN = (
    ((), SPLICED + OWN_ADDRESS + KEPT),
    (("--no-splice",), BY_TAP + OWN_ADDRESS + KEPT),
    (("--no-splice", "--no-map-gw"), BY_TAP + OWN_ADDRESS + KEPT),
    (("--no-map-gw",), SPLICED + OWN_ADDRESS + KEPT),
    (LOOPBACK_MAP, SPLICED + OWN_ADDRESS + KEPT),
    (("--no-splice", *LOOPBACK_MAP),
     [(HOST, None, LO4, MAP4, HOST4), (HOST, None, LO6, MAP6, HOST6), (HOST, LO4, HOST4, MAP4, HOST4),
      (HOST, "127.0.0.7", LO4, ROUTER4, HOST4)] + OWN_ADDRESS + KEPT),         # exactly 127.0.0.1 is mapped
    (GUEST_MAP, SPLICED + [(HOST, None, HOST4, MAPG4, HOST4), (HOST, None, HOST6, MAPG6, HOST6), (HOST, HOST4, LO4, MAPG4, HOST4)] + KEPT),
    (("--no-splice", *GUEST_MAP), BY_TAP + [(HOST, None, HOST4, MAPG4, HOST4), (HOST, None, HOST6, MAPG6, HOST6)] + KEPT),
    (("--no-splice", "-g", "192.0.2.9", "-g", "2001:db8::9"),                   # a gateway with an address that is routed
     [(HOST, None, LO4, "192.0.2.9", HOST4), (HOST, None, LO6, "2001:db8::9", HOST6),
      (HOST, None, HOST4, "192.0.2.9", HOST4), (HOST, None, HOST6, "2001:db8::9", HOST6)] + KEPT),
    (("--host-lo-to-ns-lo",),
     [(HOST, None, LO4, LO4, LO4), (HOST, None, LO6, LO6, LO6), (HOST, "127.0.0.7", LO4, LO4, LO4), (HOST, None, "127.0.0.8", LO4, "127.0.0.8")]
     + OWN_ADDRESS[:2] + KEPT),
    (FOREIGN,                                                                   # the guest has addresses of its own: it can answer the host's
     [(HOST, None, LO4, OWN4, OWN4), (HOST, None, LO6, OWN6, OWN6), (HOST, None, HOST4, HOST4, OWN4), (HOST, None, HOST6, HOST6, OWN6),
      (REMOTE, REMOTE4, HOST4, REMOTE4, OWN4), (REMOTE, REMOTE6, HOST6, REMOTE6, OWN6)]),
    (("--no-splice", *FOREIGN),
     [(HOST, None, LO4, GATE4, OWN4), (HOST, None, LO6, GATE6, OWN6), (HOST, None, HOST4, HOST4, OWN4), (HOST, None, HOST6, HOST6, OWN6)]),
)

# Who is reached: (options, [(the address that the guest asks, where the server is, its address, the source that it sees)])
REMOTES = [(REMOTE4, REMOTE, REMOTE4, HOST4), (REMOTE6, REMOTE, REMOTE6, HOST6)]
GATEWAY = [(ROUTER4, HOST, LO4, LO4), (LINK_LOCAL + "%eth0", HOST, LO6, LO6)]
NO_GATEWAY = [(ROUTER4, REMOTE, ROUTER4, HOST4), (LINK_LOCAL + "%eth0", REMOTE, LINK_LOCAL + "%eth0", None)]
HOSTS = [(OTHER4, HOST, OTHER4, None), (OTHER6, HOST, OTHER6, None)]            # the host's kernel chooses: its route is local
REACHED = (
    ((), GATEWAY + REMOTES + HOSTS),
    (("--no-map-gw",), NO_GATEWAY + REMOTES + HOSTS),
    (LOOPBACK_MAP, [(MAP4, HOST, LO4, LO4), (MAP6, HOST, LO6, LO6)] + NO_GATEWAY[:1] + REMOTES),
    (("--map-host-loopback", "none"), NO_GATEWAY + REMOTES),
    (GUEST_MAP, [(MAPG4, HOST, HOST4, HOST4), (MAPG6, HOST, HOST6, HOST6)] + GATEWAY + REMOTES),
    (("--outbound", SECOND4, "--outbound", SECOND6), [(REMOTE4, REMOTE, REMOTE4, SECOND4), (REMOTE6, REMOTE, REMOTE6, SECOND6)]),
    (("--outbound-if4", "eth0", "--outbound-if6", "eth0"), REMOTES),
    (FOREIGN, [(GATE4, HOST, LO4, LO4), (GATE6, HOST, LO6, LO6), (HOST4, HOST, HOST4, HOST4), (HOST6, HOST, HOST6, HOST6)] + REMOTES),
    (("--no-map-gw", *FOREIGN), [(HOST4, HOST, HOST4, HOST4), (HOST6, HOST, HOST6, HOST6)] + REMOTES),
)


class Translation:
    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        for address, interface in ((SECOND4 + "/24", "eth0"), (SECOND6 + "/64", "eth0"), (OTHER4 + "/32", "lo"), (OTHER6 + "/128", "lo")):
            cls.host.ip("addr", "add", address, "dev", interface, *(["nodad"] if ":" in address else []))
        cls.host.ip("addr", "change", SECOND6 + "/64", "dev", "eth0", "preferred_lft", "0")   # never chosen by itself
        cls.places = {HOST: host_place(cls.host), REMOTE: remote_place(cls.host)}
        cls.host.ip("link", "add", "blind0", "type", "veth", "peer", "name", "blind1")
        for interface in ("blind0", "blind1"):
            cls.host.ip("link", "set", interface, "up")

    @classmethod
    def tearDownClass(cls):
        cls.host.close()

    def connected(self, options, ports):
        guest = Guest(self.host)
        self.addCleanup(guest.close)
        daemon = Daemon(guest, "--workers", self.workers, *options, ports=ports)
        self.addCleanup(daemon.stop)
        return guest_place(guest), daemon

    def test_who_is_seen(self):
        for options, rows in SEEN:
            guest, daemon = self.connected(options, ("-t", "8000", "-u", "8000", "-T", "none", "-U", "none"))
            for protocol, kind in BOTH:
                for client, source, address, seen, asked in rows:
                    with self.subTest(options=" ".join(options), protocol=protocol, client=client, source=source, address=address):
                        got = meet(self.places[client], guest, address, 8000, kind, source=source)
                        self.assertEqual(got[0], seen)
                        if asked:
                            self.assertEqual(got[1], asked)
                        else:       # a link-local client asks a link-local address
                            self.assertRegex(got[1], "^fe80::")
            daemon.stop()

    def test_who_is_reached(self):
        for options, rows in REACHED:
            guest, daemon = self.connected(options, ("-t", "none", "-u", "none", "-T", "none", "-U", "none"))
            for protocol, kind in BOTH:
                for address, where, server, seen in rows:
                    with self.subTest(options=" ".join(options), protocol=protocol, asked=address):
                        got = meet(guest, self.places[where], address, 8000, kind, server_address=server)
                        self.assertEqual(got[1], server.partition("%")[0])
                        if seen:
                            self.assertEqual(got[0], seen)
            daemon.stop()

    def test_loopback_of_the_host_is_closed_without_a_mapping(self):
        guest, daemon = self.connected(("--no-map-gw",), ("-t", "none", "-u", "none", "-T", "none", "-U", "none"))
        for address, server in ((ROUTER4, LO4), (LINK_LOCAL + "%eth0", LO6)):
            for protocol, kind in BOTH:
                with self.subTest(address=address, protocol=protocol), self.assertRaises(ConnectionRefusedError):
                    meet(guest, self.places[HOST], address, 8000, kind, server_address=server)
        daemon.stop()

    def test_the_outbound_interface_decides_over_routes(self):
        self.host.ip("route", "add", "198.51.100.0/24", "dev", "blind0")
        self.host.ip("-6", "route", "add", "2001:db8:f::/64", "dev", "blind0")
        try:
            guest, daemon = self.connected(("--outbound-if4", "eth0", "--outbound-if6", "eth0"), ("-t", "none", "-u", "none", "-T", "none", "-U", "none"))
            far = type(guest)(f"/run/netns/{self.host.far}")
            for address, source in ((FAR4, HOST4), (FAR6, HOST6)):
                for protocol, kind in BOTH:
                    with self.subTest(address=address, protocol=protocol):
                        self.assertEqual(meet(guest, far, address, 8000, kind, server_address=address)[0], source)
            daemon.stop()
        finally:
            self.host.ip("route", "del", "198.51.100.0/24", "dev", "blind0")
            self.host.ip("-6", "route", "del", "2001:db8:f::/64", "dev", "blind0")


class TranslationWithOneWorker(Translation, unittest.TestCase):
    workers = 1


class TranslationWithTwoWorkers(Translation, unittest.TestCase):
    workers = 2


if __name__ == "__main__":
    netns_test.main()
