"""What every connected guest must be able to do, however it is connected."""
import os
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import client
import guest_image
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, RESOLVER4, RESOLVER6, ROUTER4, SimulatedHost, run, wait_until
from machine import MAC, Machine

NAMES = {"www.example.org": ("192.0.2.80", "2001:db8::80"), "far.example.net": ("198.51.100.80", "2001:db8:f::80")}
LENGTH = 4_000_003
# the command line of the daemon that the checks rely on
OPTIONS = ("--hostname", "guest1", "--fqdn", "guest1.example.org", "-t", "8080:80,9000")


def start_world():
    """A simulated host with services and a resolver behind it."""
    host = SimulatedHost()
    host.start_services()
    for address in (RESOLVER4 + "/24", RESOLVER6 + "/64"):
        run("ip", "-n", host.remote, "addr", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))
    records = [f"--host-record={name},{','.join(addresses)}" for name, addresses in NAMES.items()]
    subprocess_argv = host.in_remote("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--pid-file=",
                                     "--bind-interfaces", f"--listen-address={RESOLVER4}", f"--listen-address={RESOLVER6}", *records)
    host.popen(*subprocess_argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return host


def image(host, release=None, **contents):
    """The kernel, of another release of Debian if one is named, and the initramfs, where the machine's user can read them."""
    kernel = guest_image.find_kernel(os.environ["TAPIOCA_GUEST_IMAGE"], release)
    path = f"{host.dir}/initramfs"
    with open(path, "wb") as f:
        f.write(guest_image.build_initramfs(kernel, **contents))
    target = f"{host.dir}/vmlinuz"
    with open(kernel.image, "rb") as source, open(target, "wb") as f:
        f.write(source.read())
    for name in (path, target):
        os.chmod(name, 0o644)
    return target, path


def boot(host, files, network, **options):
    machine = Machine(host, *files, network, **options)
    print(f"booted in {machine.boot_seconds:.1f} s", file=sys.stderr)
    return machine


def card(netdev):
    """The arguments for the network card, connected to a back-end; no ROM, nothing boots from it."""
    return ["-device", f"virtio-net-pci,netdev={netdev},mac={MAC},romfile="]


def lease(machine, event="bound"):
    lines = machine.output("cat", f"/tmp/lease.{event}").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def global6(machine):
    """The IPv6 addresses of global scope that can be used already."""
    shown = machine.output("ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "global")
    return [line.split()[3] for line in shown.splitlines() if "tentative" not in line]


def configure(machine, heed_mtu=False):
    """Addresses by DHCP and by router advertisement, as a distribution's guest gets them."""
    if heed_mtu:
        machine.run("touch /tmp/heed_mtu")
    machine.run("udhcpc -i eth0 -f -n -q -t 5 -T 1 -s /lease -O mtu -O search -x hostname:asked")
    wait_until(lambda: global6(machine), "IPv6 address by router advertisement", 40)


def download(machine, address, length=LENGTH):
    return machine.run(f"echo {length} | nc {address} 19 | sha256sum", timeout=120).output.split()[0]


class Checks:
    """Tests on a guest that `machine` names and that is configured."""

    machine = host = None

    def test_dhcp_tells_all_that_the_host_knows(self):
        told = lease(self.machine)
        for key, value in (("ip", HOST4), ("mask", "24"), ("router", ROUTER4), ("dns", RESOLVER4), ("hostname", "guest1"),
                           ("search", "example.org example.net"), ("mtu", "65520"), ("serverid", ROUTER4)):
            with self.subTest(option=key):
                self.assertEqual(told.get(key), value)

    def test_the_router_advertisement_gives_an_address_and_a_route(self):
        self.assertTrue(any(address.startswith("2001:db8:") for address in global6(self.machine)))
        self.assertIn("default via fe80::", self.machine.output("ip", "-6", "route"))

    def test_dhcpv6_leases_the_address_of_the_host(self):
        if self.machine.run("test -x /sbin/dhclient", check=False).status:
            self.skipTest("not installed: dhclient")
        self.machine.run("touch /var/lib/dhcp/leases; dhclient -6 -1 -d -lf /var/lib/dhcp/leases -pf /tmp/dhclient.pid -sf /lease eth0 & "
                         "for i in $(seq 150); do [ ! -e /tmp/lease.BOUND6 ] || break; usleep 100000; done; kill $!")
        told = lease(self.machine, "BOUND6")
        self.assertEqual(told["new_ip6_address"], HOST6)
        self.assertEqual(told["new_dhcp6_name_servers"], RESOLVER6)
        self.assertEqual(told["new_dhcp6_domain_search"], "example.org. example.net.")
        wait_until(lambda: any(a.startswith(f"{HOST6}/") for a in global6(self.machine)), "address by DHCPv6")

    def test_names_are_looked_up(self):
        for name, addresses in NAMES.items():
            for resolver in ("", RESOLVER4, RESOLVER6):
                with self.subTest(name=name, resolver=resolver):
                    answer = self.machine.run(f"nslookup {name} {resolver}").output
                    for address in addresses:
                        self.assertIn(f"Address: {address}", answer)

    def test_ping(self):
        for address in (REMOTE4, REMOTE6, ROUTER4, "198.51.100.2", "2001:db8:f::2"):
            with self.subTest(address=address):
                self.assertIn("2 packets received", self.machine.run(f"ping -c 2 -i 0.2 -s 1400 -W 5 {address}").output)

    def test_a_download_arrives_as_it_was(self):
        for address in (REMOTE4, REMOTE6):
            with self.subTest(address=address):
                self.assertEqual(download(self.machine, address), client.expected(LENGTH))

    def test_an_upload_arrives_as_it_was(self):
        self.machine.run(f"echo {LENGTH} | nc {REMOTE4} 19 >/tmp/octets")
        for address in (REMOTE4, REMOTE6):
            with self.subTest(address=address):
                answer = self.machine.run(f"nc {address} 9 </tmp/octets", timeout=120).output
                self.assertEqual(answer.split(), [str(LENGTH), client.expected(LENGTH)])

    def test_several_transfers_at_once(self):
        tasks = "; ".join(f"(echo 500000 | nc {address} 19 | sha256sum >/tmp/sum{n}) & pids=\"$pids $!\""
                          for n, address in enumerate((REMOTE4, REMOTE6) * 4))
        sums = self.machine.run(f"{tasks}; wait $pids; cat /tmp/sum?", timeout=120).output.split()[::2]
        self.assertEqual(sums, [client.expected(500000)] * 8)

    def test_a_page_is_served_through_a_forwarded_port(self):
        self.machine.run("mkdir -p /tmp/www; echo a page from the guest >/tmp/www/index.html; httpd -p 80 -h /tmp/www")
        for address in (HOST4, f"[{HOST6}]"):
            with self.subTest(address=address):
                page = self.host.run_remote("curl", "-sS", "--max-time", "20", f"http://{address}:8080/").stdout
                self.assertEqual(page, "a page from the guest\n")

    def test_octets_from_outside_arrive_as_they_were(self):
        self.machine.run("nc -ll -p 9000 -e sha256sum >/dev/null 2>&1 &")
        script = ("import socket, sys\nfrom services import send_pattern\ns = socket.create_connection((sys.argv[1], 9000), 30)\n"
                  "send_pattern(s, int(sys.argv[2]))\ns.shutdown(socket.SHUT_WR)\nprint(s.makefile().read().split()[0])\n")
        for address in (HOST4, HOST6):
            with self.subTest(address=address):
                answer = self.host.run_remote("python3", "-c", script, address, LENGTH, timeout=120).stdout
                self.assertEqual(answer.strip(), client.expected(LENGTH))

    def test_a_refused_connection_is_refused_at_once(self):
        for address in (REMOTE4, REMOTE6):
            with self.subTest(address=address):
                started = time.monotonic()
                done = self.machine.run(f"nc -w 10 {address} 4999", check=False)
                self.assertIn("Connection refused", done.output)
                self.assertLess(time.monotonic() - started, 5)
