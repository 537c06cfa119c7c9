#!/usr/bin/env python3
"""Other programs that start pasta or passt: a wrapper that stands in for slirp4netns, sandboxes, containers by PID."""
import os
import pathlib
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from callers import Caller, Network, call, end, wait_for_end
from guests import NO_PORTS, Guest, NamedGuest
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, USER, wait_until
from inside import meet

SLIRP = ("-q", "--ipv4-only", "-a", "10.0.2.0", "-n", "24", "-g", "10.0.2.2", "--dns-forward", "10.0.2.3", "-m", "1500", "--no-ndp", "--no-dhcpv6", "--no-dhcp")


class Others(Caller):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pasta, cls.passt = cls.host.binary(), cls.host.binary("passt")

    def setUp(self):
        self.pid_file = f"{self.host.dir}/{self.id().rpartition('.')[2]}.pid"

    def guest(self):
        guest = Guest(self.host)
        self.addCleanup(guest.close)
        return guest, Network(self.host, f"/proc/{guest.pid}/ns/net")

    def start(self, *argv, uid=USER):
        status, said = call(self.host, argv, uid=uid)
        self.assertEqual((status, said), (0, ""))
        self.started(self.pid_file)

    def test_in_the_place_of_slirp4netns(self):
        """-c: configured; -m, --macaddress; the name of the interface is the wrapper's argument."""
        guest, network = self.guest()
        self.start(self.pasta, *SLIRP, "-P", self.pid_file, "--config-net", "-I", "tap0", "--ns-mac-addr", "52:54:00:98:76:54", str(guest.pid))
        tap0 = network.interface("tap0")
        self.assertEqual((tap0["addresses"], tap0["mtu"], tap0["mac"]), (["10.0.2.0/24"], 1500, "52:54:00:98:76:54"))
        self.assertEqual(network.gateways(), ["10.0.2.2"])
        self.reaches_the_world(network.place, (REMOTE4,))
        self.reaches_the_resolver(network.place, "10.0.2.3")
        self.reaches_the_hosts_loopback(network.place, "10.0.2.2")

    def test_in_the_place_of_slirp4netns_without_configuration(self):
        guest, network = self.guest()
        self.start(self.pasta, *SLIRP, "--no-map-gw", "-P", self.pid_file, "-I", "tap0", str(guest.pid))
        self.assertEqual(network.interfaces(), ["lo", "tap0"])
        tap0 = network.interface("tap0")
        self.assertEqual((tap0["addresses"], "UP" in tap0["flags"]), ([], False))

    def test_its_ports_change_by_a_restart(self):
        """add_hostfwd, remove_hostfwd: the daemon is ended and started with other ports, on a namespace that goes on."""
        guest, network = self.guest()
        for ports in ((8200,), (8200, 8201), (8201,)):
            words = [word for port in ports for word in ("-t", f"{port}:80")]
            self.start(self.pasta, *SLIRP, "-P", self.pid_file, "--config-net", "-I", "tap0", *words, str(guest.pid))
            for port in (8200, 8201):
                with self.subTest(ports=ports, port=port):
                    if port in ports:
                        meet(self.remote, network.place, HOST4, port, socket.SOCK_STREAM, 80)
                    else:
                        with self.assertRaises(ConnectionRefusedError):
                            meet(self.remote, network.place, HOST4, port, socket.SOCK_STREAM, 80, timeout=2)
            end(self.pid)

    def test_slirp4netns_by_paths(self):
        """--netns-type=path, --userns-path."""
        guest, network = self.guest()
        path = f"{self.host.dir}/slirp-net"
        self.host.run("touch", path)
        self.host.run("mount", "--bind", f"/proc/{guest.pid}/ns/net", path)
        self.start(self.pasta, *SLIRP, "-P", self.pid_file, "--config-net", "-I", "tap0", "--netns", path, "--userns", f"/proc/{guest.pid}/ns/user")
        self.assertEqual(network.interface("tap0")["addresses"], ["10.0.2.0/24"])
        self.host.run("umount", "-l", path)
        os.unlink(path)
        wait_for_end(self.pid)

    def test_a_sandbox_for_builds(self):
        """Foreground, nothing forwarded, nothing of the host's, a log of bounded size."""
        log = f"{self.host.dir}/sandbox.log"
        argv = [self.pasta, "--foreground", "-q", "--config-net", *NO_PORTS, "--no-map-gw", "--dns-forward", "169.254.1.1", "--log-file", log, "--log-size", "1048576",
                "--map-host-loopback", "none", "--map-guest-addr", "none", "--", "ip", "-o", "addr", "show", "scope", "global"]
        status, said = call(self.host, argv, uid=USER)
        self.assertEqual(status, 0)
        self.assertIn(f"inet {HOST4}/24", said)
        self.assertIn(f"inet6 {HOST6}/64", said)
        self.assertTrue(os.path.exists(log))

    def test_what_a_sandbox_may_not_reach(self):
        guest, network = self.guest()
        self.start(self.pasta, "-q", "--config-net", *NO_PORTS, "--no-map-gw", "--map-host-loopback", "none", "--map-guest-addr", "none", "-P", self.pid_file, str(guest.pid))
        network.settle()
        self.reaches_the_world(network.place, (REMOTE6,))
        for address in ("127.0.0.1", "192.0.2.1"):
            self.misses(network.place, self.outside, address, server_address="127.0.0.1")

    def test_a_container_by_its_process(self):
        """LXC, Incus, wrappers of bubblewrap: as root for a container without a user namespace, as a user for one with."""
        guest, network = self.guest()
        self.start(self.pasta, "-q", "--config-net", "-t", "8210:80", "-u", "none", "-T", "none", "-U", "none", "-P", self.pid_file, str(guest.pid))
        meet(self.remote, network.place, HOST4, 8210, socket.SOCK_STREAM, 80)
        guest.close()
        wait_for_end(self.pid)
        named = NamedGuest(self.host)
        self.addCleanup(named.close)
        holder = named.popen("sleep", "3600")
        wait_until(lambda: os.readlink(f"/proc/{holder.pid}/exe").endswith("sleep"), "process in the namespace")
        self.start(self.pasta, "-q", "--config-net", "-t", "80", "-u", "none", "-T", "none", "-U", "none", "-P", self.pid_file, "--runas", "0:0", str(holder.pid), uid=None)
        meet(self.remote, Network(self.host, named.path).place, HOST4, 80, socket.SOCK_STREAM)
        holder.kill()
        wait_for_end(self.pid)

    def test_the_kind_of_a_program_is_in_its_name(self):
        """Whatever directory and prefix a distribution or a bundle gives it."""
        for name, expected in (("pasta.old", "pasta"), ("my-passt", "passt")):
            link = pathlib.Path(self.host.dir, name)
            link.symlink_to(self.passt)
            self.assertRegex(self.host.run(link, "--version", uid=USER).stdout, rf"\A{expected} ")
        stranger = pathlib.Path(self.host.dir, "translator")
        stranger.symlink_to(self.passt)
        done = self.host.run(stranger, "--version", uid=USER, check=False)
        self.assertEqual((done.returncode, done.stderr), (1, 'Cannot determine mode, invoke as "passt" or "pasta"\n'))


if __name__ == "__main__":
    netns_test.main()
