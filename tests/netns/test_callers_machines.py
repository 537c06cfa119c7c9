#!/usr/bin/env python3
"""libvirt, QEMU's `-netdev passt` and KubeVirt: their command lines as they write them, and what they rely on afterwards."""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from callers import Caller, call, end, runs, wait_for_end
from hosts import HOST4, HOST6, ROUTER4
from inside import guest_place, meet, raise_descriptor_limit
from passt import RelayedGuest, launcher, pair

netns_test.needs_module("scapy")
from scapy.layers.dhcp import BOOTP, DHCP
from stream_client import BROADCAST, IP, MAC, TCP, UDP, Ether, StreamClient, arp_request, is_arp_reply, udp_payload

HARDWARE = bytes.fromhex(MAC.replace(":", ""))


def lease(client):
    """What an offer tells: option codes and values, and 0 for the address."""
    message = (Ether(dst=BROADCAST, src=MAC) / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
               / BOOTP(chaddr=HARDWARE, xid=7) / DHCP(options=[("message-type", "discover"), "end"]))
    answer = udp_payload(client.ask(bytes(message), lambda frame: udp_payload(frame, 68), timeout=5), 68)
    found, options = {0: socket.inet_ntoa(answer[16:20])}, answer[240:]
    while options and options[0] != 255:
        found[options[0]] = options[2:2 + options[1]]
        options = options[2 + options[1]:]
    return found


class Machines(Caller):
    @classmethod
    def setUpClass(cls):
        raise_descriptor_limit()
        super().setUpClass()
        cls.passt = cls.host.binary("passt")

    def setUp(self):
        self.base = f"{self.host.dir}/{self.id().rpartition('.')[2]}"


class Libvirt(Machines):
    def argv(self, *options):
        """STATEDIR/SHORTNAME-ALIAS in libvirt's words."""
        self.guest_path, self.pid_file = f"{self.base}-net0.socket", f"{self.base}-net0-passt.pid"
        return [self.passt, "--one-off", "--socket", self.guest_path, "--pid", self.pid_file, *options]

    def start(self, *options):
        self.assertEqual(call(self.host, self.argv(*options))[0], 0)
        self.started(self.pid_file)

    def log(self):
        return ""

    def attach(self):
        """A guest behind the socket, as QEMU connects to it by -netdev stream."""
        guest = RelayedGuest(self.host, self)
        self.addCleanup(guest.close)
        return guest, guest_place(guest)

    def test_every_element_of_the_interface(self):
        self.start("--mtu", "9000", "--interface", "eth0", "--log-file", f"{self.base}.log", "--hostname", "guest", "--fqdn", "guest.example.org",
                   "--address", "10.30.0.5", "--netmask", "24", "--address", "2001:db8:1::5",
                   "--tcp-ports", f"{HOST4}/2001-2003:22-24", "--tcp-ports", f"{HOST6}%eth0/3000-3010:4000-4010,~3004-3006", "--udp-ports", "1024-1026")
        with StreamClient(self.guest_path) as client:
            told = lease(client)
            self.assertEqual(told[0], "10.30.0.5")
            self.assertEqual((told[1], told[12], told[26]), (b"\xff\xff\xff\0", b"guest", (9000).to_bytes(2, "big")))
            self.assertIn(b"\5guest\7example\3org\0", told[81])
        wait_for_end(self.pid)
        self.assertTrue(os.path.exists(f"{self.base}.log"))

    def test_published_ports_lead_to_the_machine(self):
        self.start("--tcp-ports", f"{HOST4}/2001-2003:22-24", "--udp-ports", f"{HOST4}/2001-2003:22-24", "--tcp-ports", f"{HOST6}%eth0/3000-3002:4000-4002,~3001",
                   "--udp-ports", f"{HOST6}%eth0/3000-3002:4000-4002,~3001", "--tcp-ports", "%lo/5000", "--udp-ports", "%lo/5000")
        _, guest = self.attach()
        for client, address, port, server_port in ((self.remote, HOST4, 2001, 22), (self.outside, HOST4, 2003, 24), (self.remote, HOST6, 3000, 4000),
                                                   (self.remote, HOST6, 3002, 4002), (self.outside, "127.0.0.1", 5000, 5000)):
            self.reaches(client, guest, address, port, server_port)
        for address, port, server_port in ((HOST6, 3001, 4001), (HOST4, 5000, 5000), (HOST4, 3000, 4000)):
            self.misses(self.remote, guest, address, port, server_port)

    def test_the_machine_reaches_the_world(self):
        self.start()
        _, guest = self.attach()
        self.reaches_the_world(guest)

    def test_it_ends_with_its_machine(self):
        self.start()
        guest, _ = self.attach()
        self.assertTrue(runs(self.pid))
        guest.close()
        wait_for_end(self.pid)

    def test_the_first_version_told_its_own_mac_address(self):
        self.start("--mac-addr", "9a:55:9a:55:9a:77", "--tcp-ports", "2050")
        with StreamClient(self.guest_path) as client:
            reply = client.ask(arp_request(ROUTER4, HOST4), is_arp_reply)
            self.assertEqual(reply[22:28], bytes.fromhex("9a559a559a77"))

    def test_it_is_stopped_by_the_pid_file_and_started_again(self):
        for _ in range(3):
            self.start("--tcp-ports", "2010")
            with StreamClient(self.guest_path) as client:
                self.assertIsNotNone(client.ask(arp_request(ROUTER4, HOST4), is_arp_reply))
                end(self.pid)
            for path in (self.pid_file, self.guest_path):
                os.path.exists(path) and os.unlink(path)

    def test_what_went_wrong_is_in_the_first_line(self):
        with self.outside.bound("", 2020):
            for options, message in ((["--log-file", "/nonexistent/log"], "Couldn't open log file"), (["--tcp-ports", "2020"], "Address already in use"),
                                     (["--interface", "nosuch0"], "Invalid interface name"), (["--address", "nonsense"], "Invalid guest address: nonsense")):
                with self.subTest(options=options):
                    status, said = call(self.host, self.argv(*options))
                    self.assertEqual(status, 1)
                    self.assertIn(message, said.splitlines()[0])

    def test_kubevirt_publishes_single_ports(self):
        self.start("--interface", "eth0", "--log-file", f"{self.base}.log", "--tcp-ports", "%eth0/8080", "--tcp-ports", "%eth0/8443", "--udp-ports", "%eth0/8053")
        _, guest = self.attach()
        for kind, port in ((socket.SOCK_STREAM, 8080), (socket.SOCK_STREAM, 8443), (socket.SOCK_DGRAM, 8053)):
            with self.subTest(port=port):
                meet(self.remote, guest, HOST4, port, kind)
        with self.assertRaises(OSError):
            meet(self.outside, guest, "127.0.0.1", 8080, socket.SOCK_STREAM, timeout=0.5)

    def with_few_ports(self):
        """All ports are some 75000 sockets; the range of ephemeral ones, which are left out, is made larger."""
        (old,) = self.host.run("sysctl", "-n", "net.ipv4.ip_local_port_range").stdout.splitlines()
        self.host.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=2048 64999")
        self.addCleanup(self.host.run, "sysctl", "-qw", f"net.ipv4.ip_local_port_range={old}")

    def test_kubevirt_publishes_all_ports(self):
        self.with_few_ports()
        self.start("--interface", "eth0", "--log-file", f"{self.base}.log", "--tcp-ports", "%eth0/all", "--udp-ports", "%eth0/all")
        _, guest = self.attach()
        for port in (1024, 2047, 65535):
            self.reaches(self.remote, guest, HOST4, port)

    def test_kubevirt_leaves_out_the_ports_of_a_service_mesh(self):
        self.with_few_ports()
        mesh = (15000, 15001, 15004, 15006, 15008, 15009, 15020, 15021, 15053, 15090)
        self.start("--interface", "eth0", "--log-file", f"{self.base}.log", "--tcp-ports", "%eth0/" + ",".join(f"~{port}" for port in mesh))
        _, guest = self.attach()
        meet(self.remote, guest, HOST4, 1024, socket.SOCK_STREAM)
        with self.assertRaises(OSError):
            meet(self.remote, guest, HOST4, 15001, socket.SOCK_STREAM, timeout=0.5)


class Qemu(Machines):
    def start(self, *options, quiet=True):
        """QEMU's end of the pair of sockets, after the parent has returned."""
        self.pid_file = f"{self.base}.pid"
        with open(self.pid_file, "w"):      # QEMU makes a temporary file, and tells its name
            os.chmod(self.pid_file, 0o666)
        ours, theirs = pair()
        with theirs:
            argv = [*launcher(theirs, 3), self.passt, *(["--quiet"] if quiet else []), *options, "--pid", self.pid_file, "--fd", "3"]
            status, said = call(self.host, argv, pass_fds=(theirs.fileno(),))
        self.assertEqual(status, 0, said)
        if quiet:
            self.assertEqual(said, "")
        self.started(self.pid_file)
        client = StreamClient(ours)
        self.addCleanup(client.close)
        return client

    def test_without_any_parameter(self):
        for quiet in (True, False):
            client = self.start(quiet=quiet)
            self.assertEqual(lease(client)[0], HOST4)
            client.close()
            wait_for_end(self.pid)

    def test_every_parameter_that_tells_something(self):
        client = self.start("--mtu", "9000", "--address", "10.30.0.5", "--netmask", "255.255.255.0", "--mac-addr", "9a:55:9a:55:9a:77", "--gateway", "10.30.0.1",
                            "--interface", "eth0", "--outbound", HOST4, "--outbound-if4", "eth0", "--outbound-if6", "eth0", "--dns", "192.0.2.99", "--fqdn", "vm.example.org",
                            "--map-host-loopback", "10.30.0.2", "--map-guest-addr", "10.30.0.3", "--dns-forward", "10.30.0.4", "--dns-host", "192.0.2.53",
                            "--search", "example.org example.net sub.example.com", "--tcp-ports", "2030,2031,2032", "--udp-ports", "2030,2031")
        told = lease(client)
        self.assertEqual((told[0], told[1], told[3], told[6]), ("10.30.0.5", b"\xff\xff\xff\0", socket.inet_aton("10.30.0.1"), socket.inet_aton("192.0.2.99")))
        self.assertEqual(told[26], (9000).to_bytes(2, "big"))
        self.assertIn(b"\2vm\7example\3org\0", told[81])
        self.assertIn(b"\7example\3org\0", told[119])
        for word in (b"\7example\3net", b"\3sub"):      # one option holds all domains, between blanks
            self.assertIn(word, told[119])
        self.assertIsNotNone(client.ask(arp_request("10.30.0.1", "10.30.0.5"), is_arp_reply))
        for port in (2030, 2032):
            with self.subTest(port=port), self.remote.make(socket.AF_INET) as s:
                s.setblocking(False)
                s.connect_ex((HOST4, port))
                syn = client.collect(1, 5, lambda frame: Ether(frame).haslayer(TCP) and Ether(frame)[TCP].dport == port)
                self.assertEqual([Ether(frame)[TCP].flags for frame in syn], ["S"])

    def test_every_parameter_that_takes_something_away(self):
        client = self.start("--no-dhcp-dns", "--no-dhcp-search", "--no-tcp", "--no-udp", "--no-icmp", "--no-ndp", "--no-dhcpv6", "--no-ra", "--freebind")
        told = lease(client)
        self.assertEqual(told[0], HOST4)
        self.assertFalse({6, 119} & set(told))
        client.close()
        wait_for_end(self.pid)
        client = self.start("--no-dhcp", "--ipv4-only")
        self.assertIsNotNone(client.ask(arp_request(ROUTER4, HOST4), is_arp_reply))
        client.close()
        client = self.start("--ipv6-only")
        self.assertIsNone(client.ask(arp_request(ROUTER4, HOST4), is_arp_reply, timeout=0.5))

    def test_it_is_killed_and_started_again_when_the_machine_says_so(self):
        for _ in range(2):
            client = self.start("--tcp-ports", "2040")
            self.assertIsNotNone(client.ask(arp_request(ROUTER4, HOST4), is_arp_reply))
            end(self.pid)
            client.close()


if __name__ == "__main__":
    netns_test.main()
