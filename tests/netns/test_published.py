#!/usr/bin/env python3
"""Published ports with the programs that people use: curl and iperf3, from the host's loopback, its own address and from afar."""
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from guests import connected_guest
from hosts import HOST4, HOST6, PYTHON, SimulatedHost, wait_until
from inside import Place, guest_place
from services import PAGE

PORTS = ("-t", "8080:80,5201-5203", "-u", "5201-5203", "-T", "8081:80,6201:5201", "-U", "6201:5201")
PATHS = (("host", "127.0.0.1"), ("host", "::1"), ("host", HOST4), ("host", HOST6), ("remote", HOST4), ("remote", HOST6))
LENGTH = "32M" if netns_test.SANITIZED else "128M"


class Published:
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.guest, cls.daemon = connected_guest(cls.host, "--workers", cls.workers, *cls.options, ports=PORTS)
        cls.pages = cls.guest.popen(PYTHON, f"{cls.host.dir}/services.py", stdout=-1)
        assert cls.pages.stdout.readline() == "ready\n"
        cls.host.start_services(here=True)

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.host.close()

    def client(self, where):
        return {"host": self.host.run, "remote": self.host.run_remote, "guest": self.guest.run}[where]

    @netns_test.needs("curl")
    def test_curl(self):
        for where, address in PATHS:
            with self.subTest(client=where, address=address):
                name = f"[{address}]" if ":" in address else address
                got = self.client(where)("curl", "-sS", "--noproxy", "*", "--max-time", "10", f"http://{name}:8080/", f"http://{name}:8080/").stdout
                self.assertEqual(got, 2 * PAGE.decode())

    @netns_test.needs("curl")
    def test_curl_towards_the_host(self):
        for name in ("127.0.0.1", "[::1]"):
            with self.subTest(address=name):
                self.assertEqual(self.guest.run("curl", "-sS", "--noproxy", "*", "--max-time", "10", f"http://{name}:8081/").stdout, PAGE.decode())

    def iperf(self, where, address, port, *options):
        for attempt in range(10):
            said = json.loads(self.client(where)("iperf3", "-J", "-c", address, "-p", port, "--connect-timeout", "5000", *options, check=False).stdout)
            # the server needs a moment to forget its last client, and tells the next one so, or resets it
            if "busy" not in (error := said.get("error", "")) and "control message" not in error:
                break
            time.sleep(0.3)
        self.assertNotIn("error", said)
        return said["end"]

    def serve(self, port, guest=True):
        server = (self.guest if guest else self.host).popen("iperf3", "-s", "-p", port, stdout=-1)
        place = guest_place(self.guest) if guest else Place(f"/run/netns/{self.host.name}")

        def listens():
            try:
                place.bound("", port).close()
                return False
            except OSError:
                return True
        wait_until(listens, "iperf3 server")
        return server

    @netns_test.needs("iperf3")
    def test_iperf3(self):
        self.serve(5201)
        speeds = []
        for where, address in PATHS:
            for option in ((), ("-R",)):
                with self.subTest(client=where, address=address, options=option):
                    end = self.iperf(where, address, 5201, "-n", LENGTH, *option)
                    # a server stops reading when its client says that it has sent all, so only the other way is everything received
                    self.assertGreaterEqual(end["sum_received"]["bytes"], (1 if option else 0.5) * (int(LENGTH[:-1]) << 20))
                    speeds.append(f"{end['sum_received']['bits_per_second'] / 1e9:.1f}")
        print(f"Gbit/s: {', '.join(speeds)}")

    @netns_test.needs("iperf3")
    def test_iperf3_with_datagrams(self):
        self.serve(5202)
        for where, address in PATHS:
            for option in ((), ("-R",)):
                with self.subTest(client=where, address=address, options=option):
                    for _ in range(4):          # a receiver that does not get to run loses datagrams, too
                        total = self.iperf(where, address, 5202, "-u", "-b", "20M", "-l", "1200", "-n", "1M", *option)["sum"]
                        if total["lost_percent"] < 1:
                            break
                    self.assertGreater(total["packets"], 800)
                    self.assertLess(total["lost_percent"], 1)

    @netns_test.needs("iperf3")
    def test_iperf3_with_many_streams(self):
        self.serve(5203)
        for where, address in (PATHS[0], PATHS[2], PATHS[5]):
            with self.subTest(client=where, address=address):
                end = self.iperf(where, address, 5203, "-n", LENGTH, "-P", "16", "--bidir")
                self.assertGreater(end["sum_received"]["bytes"], 0)
                self.assertGreater(end["sum_received_bidir_reverse"]["bytes"], 0)
                self.assertEqual(len(end["streams"]), 32)

    @netns_test.needs("iperf3")
    def test_iperf3_towards_the_host(self):
        self.serve(5201, guest=False)
        for address in ("127.0.0.1", "::1"):
            for option in (("-n", LENGTH), ("-n", LENGTH, "-R"), ("-n", "1M", "-u", "-b", "20M", "-l", "1200")):
                with self.subTest(address=address, options=option):
                    end = self.iperf("guest", address, 6201, *option)
                    self.assertGreaterEqual((end.get("sum_received") or end["sum"])["bytes"], 500_000)


class PublishedWithOneWorker(Published, unittest.TestCase):
    workers = 1


class PublishedWithTwoWorkers(Published, unittest.TestCase):
    workers = 2


if __name__ == "__main__":
    netns_test.main()
