#!/usr/bin/env python3
"""RootlessKit of Debian 13 with our pasta: the network that rootless Docker and nerdctl live in."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "guest"))
import cleanup
import client
import debian13
from callers import RootlessKitScenarios
from hosts import HOST4, PYTHON, REMOTE4, wait_until
from inside import BOTH, Place
from scenario import NAMES, start_world

LENGTH = 4_000_003
CALL = ("rootlesskit", "--net=pasta", "--port-driver=implicit", "--copy-up=/etc", "--copy-up=/run")


class RootlessKit(RootlessKitScenarios, debian13.Installed):
    world = staticmethod(start_world)

    def setUp(self):
        self.addCleanup(wait_until, lambda: not self.daemons("pasta"), "end of the daemon, as its namespace is gone")

    def inside(self, script, *options):
        return self.system.run(*CALL, *options, "sh", "-ec", script).stdout

    def start(self, *options):
        """A namespace that stays; as a place."""
        state = f"/tmp/{self.id().rpartition('.')[2]}"
        process = self.system.popen(*CALL, f"--state-dir={state}", *options, "sh", "-c", "echo started; exec sleep 600", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.assertEqual(process.stdout.readline(), "started\n")
        child = int(self.system.run("cat", f"{state}/child_pid").stdout)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait, 10)
        self.addCleanup(self.system.run, "kill", child)
        name = f"/proc/{child}/root{state}/netns" if "--detach-netns" in options else f"/proc/{child}/ns/net"
        self.assertEqual(len(self.daemons("pasta")), 1)
        return Place(self.system.seen(name))

    def start_place(self, no_map_gw=False, detached=False):
        place = self.start(*(["--disable-host-loopback"] if no_map_gw else []), *(["--detach-netns"] if detached else []))
        # RootlessKit does not wait for pasta, which attaches to a tap that is there already.
        wait_until(lambda: "LOWER_UP" in self.host.run("nsenter", f"--net={place.path}", "ip", "link", "show", "tap0").stdout, "carrier of tap0")
        return place

    def test_the_world_from_inside(self):
        said = self.inside(f"ip addr show tap0; ip route; cat /etc/resolv.conf; echo {LENGTH} | busybox nc {REMOTE4} 19 | sha256sum; busybox ping -c 1 -W 5 {REMOTE4}; "
                           f"busybox nslookup www.example.org || :")
        for part in ("mtu 65520", "inet 10.0.2.100/24", "default via 10.0.2.2", "nameserver 10.0.2.3", client.expected(LENGTH), "1 packets received",
                     f"Address: {NAMES['www.example.org'][0]}"):
            self.assertIn(part, said)

    def ask(self, run, protocol, address):
        """What a server on port 8085 sees of the client; None while there is none to be reached."""
        done = run(PYTHON, f"{self.host.dir}/client.py", "who", protocol, address, 8085, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def test_servers_inside_are_reached_from_outside(self):
        place = self.start()
        for _ in range(2):
            server = self.host.popen("nsenter", f"--net={place.path}", PYTHON, f"{self.host.dir}/client.py", "who-server", 8085, stderr=subprocess.DEVNULL)
            for protocol, _ in BOTH:
                for run, address in ((self.host.run_remote, HOST4), (self.host.run, HOST4), (self.host.run, "127.0.0.1")):
                    with self.subTest(address=address, protocol=protocol):
                        told = wait_until(lambda: self.ask(run, protocol, address), "answer through the port", 20)
                        self.assertEqual(told["answered"], address)
            cleanup.end_process(server)
            wait_until(lambda: not self.ask(self.host.run_remote, "tcp", HOST4), "end of the port with its server", 20)

    def test_another_mtu(self):
        self.assertIn("mtu 1500", self.inside("ip link show tap0", "--mtu=1500"))


if __name__ == "__main__":
    debian13.main()
