#!/usr/bin/env python3
"""Podman and Buildah: their command lines as they write them, and what they rely on afterwards."""
import contextlib
import os
import pathlib
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from callers import Caller, Engine, Network, call, end, process_of, runs, wait_for_end
from guests import NamedGuest
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, RESOLVER4, ROUTER4
from inside import BOTH, Task, inside, meet

FORWARD, GUEST = "169.254.1.1", "169.254.1.2"
CONTAINER4, CONTAINER6 = "10.89.0.2", "fd00:89::2"


def podman_argv(pasta, netns, options=(), ports=(), pid=None, map_guest=True):
    """What Podman makes of pasta_options and published ports, in its order."""
    argv = [pasta, "--config-net", *options, *ports]
    if "--dns-forward" not in argv:
        argv += ["--dns-forward", FORWARD]
    for letter in ("-t", "-u", "-T", "-U"):
        if letter not in argv:
            argv += [letter, "none"]
    if "--map-gw" in argv:              # Podman's own word
        argv.remove("--map-gw")
    else:
        argv += ["--no-map-gw"]
    if not {"-d", "--debug", "--trace"} & set(argv):
        argv += ["--quiet"]
    if map_guest and "--map-guest-addr" not in argv:
        argv += ["--map-guest-addr", GUEST]
    return [*argv, *(["--pid", pid] if pid else []), "--netns", netns]


class Podman(Caller):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.engine = Engine(cls.host)
        cls.pasta = cls.host.binary()

    def start(self, *options, ports=(), netns=None, argv=None):
        """A container's network, by the newest command line if no other is given; its path, and what is in it."""
        netns = netns or self.engine.make_network()
        argv = argv or podman_argv(self.pasta, netns, options, ports, f"{self.engine.run_dir}/{time.monotonic_ns()}.pid")
        self.assertEqual(self.engine.call(argv), (0, ""))
        if "--pid" in argv:
            self.pid = process_of(self.engine.seen(argv[argv.index("--pid") + 1]))
        return netns, self.engine.network(netns)

    def test_a_container_with_published_ports(self):
        _, network = self.start(ports=("-t", "8080-8080:80-80", "-u", "8080-8080:80-80", "-t", "127.0.0.1/8081-8082:81-82", "-u", "127.0.0.1/8081-8082:81-82",
                                       "-t", f"{HOST6}/8083-8083:83-83", "-u", f"{HOST6}/8083-8083:83-83"))
        eth0 = network.interface("eth0")
        self.assertEqual(eth0["addresses"], [f"{HOST4}/24", f"{HOST6}/64"])
        self.assertLessEqual({"UP", "LOWER_UP"}, set(eth0["flags"]))
        self.assertEqual((eth0["mtu"], network.gateways()), (65520, [ROUTER4, "fe80::1"]))
        network.settle()
        self.reaches_the_world(network.place)
        for address in (HOST4, HOST6):
            self.reaches(self.remote, network.place, address, 8080, 80)
            self.reaches(self.outside, network.place, address, 8080, 80)
        for address in ("127.0.0.1", "::1"):
            self.reaches(self.outside, network.place, address, 8080, 80)
        self.reaches(self.outside, network.place, "127.0.0.1", 8081, 81)
        self.reaches(self.outside, network.place, "127.0.0.1", 8082, 82)
        self.misses(self.outside, network.place, HOST4, 8081, 81)
        self.reaches(self.remote, network.place, HOST6, 8083, 83)
        self.misses(self.outside, network.place, "::1", 8083, 83)
        end(self.pid)

    def test_names_are_asked_at_the_forwarding_address(self):
        _, network = self.start()
        self.reaches_the_resolver(network.place, FORWARD, seen=HOST4)
        end(self.pid)

    def test_host_containers_internal_is_the_host_itself(self):
        _, network = self.start()
        self.reaches(network.place, self.outside, GUEST, at=HOST4)
        self.reaches(network.place, self.remote, ROUTER4, at=ROUTER4)   # without --map-gw it is the router, not the host's loopback
        end(self.pid)

    def test_the_hosts_loopback_at_an_address_of_choice(self):
        for options, address in ((["--map-gw"], ROUTER4), (["--map-host-loopback", GUEST], GUEST)):
            with self.subTest(options=options):
                _, network = self.start(*options)
                self.reaches_the_hosts_loopback(network.place, address)
                end(self.pid)

    def test_the_command_line_of_older_versions(self):
        netns = self.engine.make_network()
        self.start(netns=netns, argv=[self.pasta, "--config-net", "-t", "8000-8000:8000-8000", "--dns-forward", "169.254.0.1", "-u", "none", "-T", "none", "-U", "none",
                                      "--no-map-gw", "--quiet", "--netns", netns, "--map-guest-addr", GUEST])
        network = self.engine.network(netns)
        meet(self.remote, network.place, HOST4, 8000, BOTH[0][1])
        self.assertEqual(meet(network.place, self.remote, "169.254.0.1", 53, BOTH[1][1], server_address=RESOLVER4)[1], RESOLVER4)
        self.engine.remove_network(netns)

    def test_without_resolvers_as_the_oldest_wrote_it(self):
        netns = self.engine.make_network()
        _, network = self.start(netns=netns, argv=[self.pasta, "--config-net", "--dns", "none", "-t", "none", "-u", "none", "-T", "none", "-U", "none", "--no-map-gw",
                                                   "--netns", netns, "--quiet"])
        self.assertEqual(network.interface("eth0")["addresses"], [f"{HOST4}/24", f"{HOST6}/64"])
        self.engine.remove_network(netns)

    def test_the_network_that_containers_share(self):
        """For bridge networks: IPv6 of its own choice, IPv4 as the host's; ended by the PID file."""
        netns = self.engine.make_network()
        pid_file = f"{self.engine.run_dir}/rootless-netns-conn.pid"
        own = ["--pid", pid_file, "--map-guest-addr", GUEST, "--map-guest-addr", "fc00::2", "--address", "fc00::3", "--gateway", "fc00::1"]
        argv = podman_argv(self.pasta, netns, own)
        self.assertEqual(argv[1:], ["--config-net", *own, "--dns-forward", FORWARD, "-t", "none", "-u", "none", "-T", "none", "-U", "none", "--no-map-gw",
                                    "--quiet", "--netns", netns])
        _, network = self.start(netns=netns, argv=argv)
        self.assertEqual(network.interface("eth0")["addresses"], [f"{HOST4}/24", "fc00::3/64"])
        self.assertEqual(network.gateways(), [ROUTER4, "fc00::1"])
        network.settle()
        self.reaches_the_world(network.place)
        self.reaches(network.place, self.outside, GUEST, at=HOST4)
        self.misses(network.place, self.outside, "fc00::2")     # the host has no copy of this address: there is nobody
        end(self.pid)

    def share_network(self):
        """The network that containers share with rootless_port_forwarder="pasta", where a container has two addresses; and the socket for pesto."""
        netns, sock = self.engine.make_network(), f"{self.engine.run_dir}/pasta{time.monotonic_ns()}.sock"
        argv = podman_argv(self.pasta, netns, ["--pid", f"{self.engine.run_dir}/rootless-netns-conn.pid", "-c", sock, "--map-guest-addr", GUEST,
                                               "--map-guest-addr", "fc00::2", "--address", "fc00::3", "--gateway", "fc00::1"])
        _, network = self.start(netns=netns, argv=argv)
        self.addCleanup(end, self.pid)
        network.run("ip", "link", "add", "podman1", "type", "veth", "peer", "name", "veth0")
        for address in (f"{CONTAINER4}/24", f"{CONTAINER6}/64"):
            network.run("ip", "addr", "add", address, "dev", "podman1", *(["nodad"] if ":" in address else []))
        network.run("ip", "link", "set", "podman1", "up")
        network.settle()
        return network, sock

    def pesto(self, what, sock, *ports, to=80):
        """As Podman publishes ports, or takes them back: for both families, TCP and UDP."""
        specs = []
        for letter in ("-t", "-u"):
            for port in ports:
                specs += [letter, f"0.0.0.0/{port}:{CONTAINER4}/{to}", letter, f"[::]/{port}:{CONTAINER6}/{to}"]
        self.assertEqual(self.engine.call([self.host.binary("pesto"), what, *specs, sock]), (0, ""))

    def assert_published(self, network, port, to=80):
        """To the container; which sees who calls."""
        for address, container, caller in ((HOST4, CONTAINER4, REMOTE4), (HOST6, CONTAINER6, REMOTE6)):
            self.reaches(self.remote, network.place, address, port, to, at=container, seen=caller, source=caller)

    def test_ports_are_published_while_the_network_is_shared(self):
        network, sock = self.share_network()
        self.misses(self.remote, network.place, HOST4, 8180, 80)
        self.pesto("--add", sock, 8180)
        self.pesto("--add", sock, 8181)
        self.assert_published(network, 8180)
        self.assert_published(network, 8181)
        self.pesto("--delete", sock, 8180)
        self.misses(self.remote, network.place, HOST4, 8180, 80)
        self.misses(self.remote, network.place, HOST6, 8180, 80)
        self.assert_published(network, 8181)

    def test_a_container_is_restarted_twenty_times_on_the_same_port(self):
        network, sock = self.share_network()
        self.pesto("--add", sock, 8190)
        for n in range(20):
            with self.subTest(restart=n):
                self.pesto("--add", sock, 8191)
                self.assert_published(network, 8191)
                if n % 2:       # after a crash Podman adds what it never took back
                    self.pesto("--add", sock, 8191)
                self.pesto("--delete", sock, 8191)
        self.misses(self.remote, network.place, HOST4, 8191, 80)
        self.assert_published(network, 8190)

    def test_a_range_of_ports_is_published(self):
        network, sock = self.share_network()
        self.pesto("--add", sock, "8195-8197", to="80-82")
        self.assert_published(network, 8196, 81)
        self.pesto("--delete", sock, "8195-8197", to="80-82")
        self.misses(self.remote, network.place, HOST4, 8196, 81)

    def test_options_that_users_write_into_containers_conf(self):
        for options, expected in (
                (["-I", "veth9"], {"name": "veth9"}),
                (["-I", "tap7", "--ns-mac-addr", "5a:94:ef:e4:0c:e1", "--ns-mac-addr", "5a:94:ef:e4:0c:ee"], {"name": "tap7", "mac": "5a:94:ef:e4:0c:ee"}),
                (["-a", "10.0.2.0", "-n", "24", "-g", "10.0.2.2", "--dns-forward", "10.0.2.3"], {"addresses": ["10.0.2.0/24", f"{HOST6}/64"]}),
                (["-a", "10.88.0.5", "-n", "255.255.0.0", "-g", "10.88.0.1", "-m", "1500"], {"addresses": ["10.88.0.5/16", f"{HOST6}/64"], "mtu": 1500}),
                (["--ipv4-only"], {"addresses": [f"{HOST4}/24"]}),
                (["-i", "eth0", "--mtu", "1280"], {"mtu": 1280}),
                (["-T", "5432", "--pcap", f"{self.host.dir}/conf.pcap"], {}),
                (["--log-file", f"{self.host.dir}/conf.log", "--log-size", "1048576"], {})):
            with self.subTest(options=options):
                _, network = self.start(*options)
                found = network.interface(expected.pop("name", "eth0"))
                for key, value in expected.items():
                    self.assertEqual(found[key], value)
                end(self.pid)

    def test_a_trace_goes_to_the_log_file(self):
        log = f"{self.host.dir}/trace.log"
        netns, pid_file = self.engine.make_network(), f"{self.engine.run_dir}/trace.pid"
        status, _ = self.engine.call(podman_argv(self.pasta, netns, ["--trace", "--log-file", log], pid=pid_file))
        self.assertEqual(status, 0)
        pid, network = process_of(self.engine.seen(pid_file)), self.engine.network(netns)
        meet(network.place, self.remote, REMOTE4, 7000, BOTH[0][1])
        self.assertRegex(pathlib.Path(log).read_text().splitlines()[0], r"^pasta .*: .* \(\d+\)$")
        end(pid)

    def test_the_users_own_pid_file(self):
        for form in (lambda f: ["--pid", f], lambda f: ["-P", f], lambda f: [f"--pid={f}"], lambda f: [f"-P{f}"]):
            netns, file = self.engine.make_network(), f"{self.engine.run_dir}/own{time.monotonic_ns()}.pid"
            with self.subTest(form=form("F")):
                self.assertEqual(self.engine.call(podman_argv(self.pasta, netns, form(file))), (0, ""))
                end(process_of(self.engine.seen(file)))

    def test_an_option_that_it_does_not_know(self):
        """The wording by which Podman learns that it must do without an option."""
        netns = self.engine.make_network()
        status, said = self.engine.call(podman_argv(self.pasta, netns, ["--no-such-option", "1"]))
        self.assertEqual(status, 1)
        self.assertIn("unrecognized option '--no-such-option", said)
        self.assertEqual(self.engine.network(netns).interfaces(), ["lo"])
        status, said = self.engine.call(podman_argv(self.pasta, netns, map_guest=False))
        self.assertEqual((status, said), (0, ""))
        self.engine.remove_network(netns)

    def test_a_port_that_is_taken(self):
        with self.outside.bound("", 8090):
            status, said = self.engine.call(podman_argv(self.pasta, self.engine.make_network(), ports=("-t", "8090-8090:80-80")))
        self.assertEqual(status, 1)
        self.assertIn("Address already in use", said)
        self.assertIn("8090", said)

    def test_it_goes_with_the_namespace_and_its_ports_are_free(self):
        ports = ("-t", "8070-8070:80-80", "-u", "8070-8070:80-80")
        netns, network = self.start(ports=ports)
        for _ in range(3):
            pid = self.pid
            self.engine.remove_network(netns)
            wait_for_end(pid)
            netns, network = self.start(ports=ports)
            self.reaches(self.remote, network.place, HOST4, 8070, 80)
        end(self.pid)

    def test_ports_are_free_before_the_interface_is_gone(self):
        """`podman restart` starts the next one while the last one ends, and an interface takes its time to go."""
        def interface_outlives_port():
            _, network = self.start(ports=("-t", "8071-8071:80-80"))
            os.kill(self.pid, signal.SIGTERM)
            with inside(network.path):
                while True:
                    with contextlib.suppress(OSError):
                        self.outside.bound("", 8071).close()
                        return "eth0" in [name for _, name in socket.if_nameindex()]
        self.assertTrue(any(interface_outlives_port() for _ in range(20)))

    def test_a_restart_under_the_same_path(self):
        """The path is there again before the first daemon may have looked: that one ends all the same, or goes on with the old namespace only."""
        netns, _ = self.start()
        first = self.pid
        self.engine.remove_network(netns)
        self.engine.call(["sh", "-ec", 'touch "$1"; unshare -n sh -c \'mount --bind "/proc/$$/ns/net" "$1"\' sh "$1"', "sh", netns])
        _, network = self.start(netns=netns)
        wait_for_end(first)
        self.assertTrue(runs(self.pid))
        network.settle()
        self.reaches_the_world(network.place)
        end(self.pid)

    def test_several_containers_start_at_once(self):
        networks = [self.engine.make_network() for _ in range(4)]
        files = [f"{self.engine.run_dir}/at-once{n}.pid" for n in range(4)]
        tasks = [Task(self.engine.call, podman_argv(self.pasta, netns, (), ("-t", f"{8100 + n}-{8100 + n}:80-80"), file))
                 for n, (netns, file) in enumerate(zip(networks, files))]
        self.assertEqual([task.result() for task in tasks], [(0, "")] * 4)
        for n, (netns, file) in enumerate(zip(networks, files)):
            network = self.engine.network(netns)
            network.settle()
            meet(self.remote, network.place, HOST4, 8100 + n, BOTH[0][1], 80)
            end(process_of(self.engine.seen(file)))

    def test_as_root_with_runas(self):
        guest, file = NamedGuest(self.host), f"{self.host.dir}/root.pid"
        self.addCleanup(guest.close)
        argv = podman_argv(self.pasta, guest.path, ["--runas", "0:0"], ("-t", "80-80:80-80"), file)
        self.assertEqual(call(self.host, argv, uid=None), (0, ""))
        network = Network(self.host, guest.path)
        network.settle()
        meet(self.remote, network.place, HOST4, 80, BOTH[0][1])
        end(process_of(file))


if __name__ == "__main__":
    netns_test.main()
