#!/usr/bin/env python3
"""RootlessKit, which rootless Docker and nerdctl stand on: its probes, its command lines, and what it relies on afterwards."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from callers import Caller, Network, RootlessKitScenarios, call, runs, wait_for_end
from guests import Guest
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, USER, run, wait_until

OWN, GATEWAY, FORWARD = "10.0.2.100", RootlessKitScenarios.GATEWAY, "10.0.2.3"


def rootlesskit_argv(pasta, *target, no_map_gw=False, ipv4_only=False, ports="none", host_lo=True):
    """What RootlessKit writes for its default --cidr."""
    return [pasta, "--stderr", "--ns-ifname=tap0", "--mtu=65520", "--config-net", f"--address={OWN}", "--netmask=24", f"--gateway={GATEWAY}", f"--dns-forward={FORWARD}",
            *(["--no-map-gw"] if no_map_gw else []), *(["--ipv4-only"] if ipv4_only else []), f"--tcp-ports={ports}", f"--udp-ports={ports}",
            *(["--host-lo-to-ns-lo"] if host_lo else []), *target]


class RootlessKit(RootlessKitScenarios, Caller):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pasta = cls.host.binary()

    def start(self, target=None, **chosen):
        """The child process, and its network after pasta has returned."""
        self.child = Guest(self.host)
        self.addCleanup(self.child.close)
        target = [self.child.pid] if target is None else target(self.child)
        status, said = call(self.host, rootlesskit_argv(self.pasta, *map(str, target), **chosen))
        self.assertEqual(status, 0, said)
        return Network(self.host, f"/proc/{self.child.pid}/ns/net")

    def start_place(self, detached=False, **chosen):
        def detach(child):
            path = f"{self.host.dir}/detached"
            self.host.run("touch", path)
            self.host.run("mount", "--bind", f"/proc/{child.pid}/ns/net", path)
            return [f"--userns=/proc/{child.pid}/ns/user", f"--netns={path}"]
        network = self.start(detach if detached else None, **chosen)
        self.assertEqual(network.interface("tap0")["addresses"], [f"{OWN}/24", f"{HOST6}/64"])
        return network.place

    def daemon(self):
        """No PID file: RootlessKit knows the daemon's PID only as that of a process in the host's network."""
        for pid in map(int, run("ip", "netns", "pids", self.host.name).stdout.split()):
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if f.read().split(b"\0")[-2:-1] == [str(self.child.pid).encode()]:
                    return pid
        raise AssertionError("no daemon is left")

    def test_its_probes_succeed(self):
        for options in (["--version"], ["--host-lo-to-ns-lo", "--version"]):
            with self.subTest(options=options):
                done = self.host.run(self.pasta, *options, uid=USER)
                self.assertRegex(done.stdout, r"\Apasta ")
                self.assertEqual(done.stderr, "")

    def test_the_interface_has_its_name_and_its_addresses(self):
        network = self.start()
        self.assertEqual(network.interfaces(), ["lo", "tap0"])
        tap0 = network.interface("tap0")
        self.assertEqual((tap0["addresses"], tap0["mtu"]), ([f"{OWN}/24", f"{HOST6}/64"], 65520))
        self.assertLessEqual({"UP", "LOWER_UP"}, set(tap0["flags"]))
        self.assertEqual(network.gateways(), [GATEWAY, "fe80::1"])

    def test_the_world_and_its_names_are_reached(self):
        for ipv4_only in (False, True):
            network = self.start(ipv4_only=ipv4_only)
            network.settle()
            self.reaches_the_world(network.place, (REMOTE4,) if ipv4_only else (REMOTE4, REMOTE6))
            self.reaches_the_resolver(network.place, FORWARD)
            if ipv4_only:
                self.assertEqual(network.interface("tap0")["addresses"], [f"{OWN}/24"])

    def appears(self, client, address, port):
        """Until a port that the daemon has to find out about accepts."""
        def accepts():
            try:
                client.connected(address, port, timeout=1).close()
                return True
            except OSError:
                return False
        wait_until(accepts, f"port {port} at {address}", 15)

    def test_implicit_ports_appear_with_their_servers(self):
        network = self.start(ports="auto")
        with network.place.bound("", 8085):
            for client, address in ((self.outside, "127.0.0.1"), (self.outside, HOST4), (self.remote, HOST4), (self.remote, HOST6)):
                with self.subTest(address=address):
                    self.appears(client, address, 8085)

    def test_a_server_on_the_namespaces_loopback(self):
        """`docker run -p 127.0.0.1:8086:80`: docker-proxy listens there, and nowhere else."""
        network = self.start(ports="auto", host_lo=True)
        with network.place.bound("127.0.0.1", 8086):
            self.appears(self.outside, "127.0.0.1", 8086)
            with self.outside.connected("127.0.0.1", 8086) as c:
                self.assertEqual(c.getpeername()[0], "127.0.0.1")

    def test_it_ends_with_the_child(self):
        self.start()
        daemon = self.daemon()
        self.assertTrue(runs(daemon))
        self.child.close()
        wait_for_end(daemon)

    def test_the_command_line_of_older_versions(self):
        """Up to 2.0 the tap is made by RootlessKit, pasta attaches to it and stays in the foreground, and the child configures it."""
        self.child = Guest(self.host)
        self.addCleanup(self.child.close)
        self.child.run("ip", "tuntap", "add", "name", "tap0", "mode", "tap")
        self.child.run("ip", "link", "set", "tap0", "up")
        argv = [self.pasta, "--foreground", "--stderr", "--ns-ifname=tap0", "--mtu=65520", "--no-dhcp", "--no-ra", f"--address={OWN}", "--netmask=24",
                f"--gateway={GATEWAY}", f"--dns-forward={FORWARD}", "--no-map-gw", "--ipv4-only", "--tcp-ports=auto", "--udp-ports=auto", str(self.child.pid)]
        pasta = self.host.popen(*argv, uid=USER, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for words in (["link", "set", "lo", "up"], ["link", "set", "dev", "tap0", "mtu", "65520"], ["addr", "add", f"{OWN}/24", "dev", "tap0"],
                      ["route", "add", "default", "via", GATEWAY, "dev", "tap0"]):
            self.child.run("ip", *words)
        network = Network(self.host, f"/proc/{self.child.pid}/ns/net")
        wait_until(lambda: "LOWER_UP" in network.interface("tap0")["flags"], "carrier of the tap")
        self.reaches_the_world(network.place, (REMOTE4,))
        self.reaches_the_resolver(network.place, FORWARD)
        with network.place.bound("", 8087):
            self.appears(self.remote, HOST4, 8087)
        self.child.close()
        self.assertEqual(pasta.wait(10), 0)

    def test_a_child_that_is_gone(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        status, said = call(self.host, rootlesskit_argv(self.pasta, str(gone.pid)))
        self.assertEqual(status, 1)
        self.assertIn(f"/proc/{gone.pid}/ns/", said.splitlines()[-1])


if __name__ == "__main__":
    netns_test.main()
