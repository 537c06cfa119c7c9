#!/usr/bin/env python3
"""A rootless container of Podman's, default network, whose host goes on a journey: offline, online, another resolver, a VPN, another network."""
import contextlib
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "guest"))
import cleanup
import debian13
from hosts import HOST4, REMOTE4, RESOLVER4, SimulatedHost, run, wait_until
from names import DNSMASQ, ask
from test_podman import Engine

FORWARD, ECHO, HTTP = "169.254.1.1", 7, 80
SETTLED = 2                                                     # seconds for each change
OTHER_RESOLVER, VPN_HOST, VPN_RESOLVER, VPN_SERVER = "192.0.2.54", "10.99.0.2", "10.99.0.1", "10.98.0.1"
CAFE_HOST, CAFE_ROUTER = "198.18.0.2", "198.18.0.1"


def offline_world():
    """Everything is there, but the host has no address, no route and no resolver."""
    host = SimulatedHost(ipv4=False, ipv6=False)
    with open(f"{host.dir}/resolv.conf", "w"):
        pass
    host.start_services()
    return host


class Trickle(threading.Thread):
    """Octets that go to an echo server and come back, some at a time, until it is told to stop."""

    def __init__(self, place):
        super().__init__()
        self.socket, self.stop, self.octets, self.failure = place.connected(REMOTE4, ECHO, timeout=5), threading.Event(), 0, None
        self.start()

    def run(self):
        try:
            while not self.stop.wait(0.02):
                self.socket.sendall(b"x" * 1000)
                left = 1000
                while left:
                    left -= len(self.socket.recv(left)) or left
                self.octets += 1000
        except OSError as failure:
            self.failure = failure


class Journey(Engine):
    world = staticmethod(offline_world)

    def resolve_by(self, *addresses):
        with open(f"{self.host.dir}/resolv.conf", "w") as f:      # in place: the file is bind-mounted
            f.writelines(f"nameserver {address}\n" for address in addresses)

    def serve_names(self, word, address):
        """A resolver in the remote namespace that knows page.test, and tells by who.test that it was asked."""
        argv = [*DNSMASQ, f"--listen-address={address}", f"--txt-record=who.test,{word}", f"--host-record=page.test,{REMOTE4}", f"--host-record=vpn.test,{VPN_SERVER}"]
        self.addCleanup(cleanup.end_process, subprocess.Popen(["ip", "netns", "exec", self.host.remote, *argv], stderr=subprocess.DEVNULL))

    def link(self, name, host_address, remote_address):
        run("ip", "-n", self.host.name, "link", "add", name, "type", "veth", "peer", "name", name, "netns", self.host.remote)
        for namespace, address in ((self.host.remote, remote_address), (self.host.name, host_address)):
            run("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", name)
            run("ip", "-n", namespace, "link", "set", name, "up")

    def who(self):
        with contextlib.suppress(OSError, ValueError):
            return ask(self.container, FORWARD, "who.test", 2, timeout=0.5)[0]
        return None

    def arrives(self, resolver, name="page.test"):
        """The resolver is asked in time, and a real client gets its page by name."""
        began = time.monotonic()
        wait_until(lambda: self.who() == resolver, f"answer of {resolver}", SETTLED)
        print(f"{resolver}: answers {time.monotonic() - began:.2f} s after the change")
        self.assertIn("A page from the other side", self.podman("exec", "box", "wget", "-T", "5", "-qO-", f"http://{name}/"))

    def open_sockets(self):
        return sum(os.readlink(f"/proc/{self.daemon}/fd/{fd}").startswith("socket:") for fd in os.listdir(f"/proc/{self.daemon}/fd"))

    def test_the_container_comes_along(self):
        self.podman("run", "-d", "--name", "box", "box", "sleep", "600")
        self.container = self.place("box")
        listed = run("ip", "netns", "exec", self.host.name, "ps", "-axo", "pid,args").stdout.splitlines()
        self.daemon = next(int(line.split()[0]) for line in listed if line.split()[1].endswith("/bin/pasta"))
        before = self.open_sockets()
        for word, address in (("first", RESOLVER4), ("second", OTHER_RESOLVER)):
            run("ip", "-n", self.host.remote, "addr", "add", f"{address}/24", "dev", "eth0")
            self.serve_names(word, address)

        self.host._configure_host(True, True, True)
        self.resolve_by(RESOLVER4)
        self.arrives("first")
        trickle = Trickle(self.container)
        self.addCleanup(trickle.join)
        self.addCleanup(trickle.stop.set)

        self.resolve_by(OTHER_RESOLVER)
        self.arrives("second")

        run("ip", "-n", self.host.remote, "addr", "add", f"{VPN_SERVER}/32", "dev", "lo")
        self.link("vpn0", VPN_HOST, VPN_RESOLVER)
        self.serve_names("vpn", VPN_RESOLVER)
        self.host.ip("route", "add", "10.98.0.0/16", "via", VPN_RESOLVER)
        self.resolve_by(VPN_RESOLVER, OTHER_RESOLVER)
        self.arrives("vpn", "vpn.test")

        self.host.ip("link", "del", "vpn0")
        self.resolve_by(OTHER_RESOLVER)
        self.arrives("second")

        time.sleep(0.5)
        self.assertIsNone(trickle.failure)
        passed = trickle.octets
        wait_until(lambda: trickle.octets > passed, "octets of the connection that none of it concerned")

        self.link("wlan0", CAFE_HOST, CAFE_ROUTER)
        self.serve_names("cafe", CAFE_ROUTER)
        self.host.ip("link", "set", "eth0", "down")
        self.host.ip("addr", "del", f"{HOST4}/24", "dev", "eth0")
        self.host.ip("route", "add", "default", "via", CAFE_ROUTER)
        self.resolve_by(CAFE_ROUTER)
        self.arrives("cafe")

        trickle.join(20)                                            # reset, as its address is gone for good
        self.assertIsInstance(trickle.failure, OSError)
        trickle.socket.close()
        # flows of UDP in which more than one question was answered are kept for two minutes
        wait_until(lambda: self.open_sockets() <= before, "end of all flows", 150)


if __name__ == "__main__":
    debian13.main()
