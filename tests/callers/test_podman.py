#!/usr/bin/env python3
"""Rootless Podman and Buildah of Debian 13 with our pasta: containers with published ports and with a network, pods, bridge networks."""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "guest"))
import client
import debian13
from hosts import FAR4, FAR6, HOST4, HOST6, PYTHON, REMOTE4, REMOTE6, wait_until
from inside import Place, meet
from scenario import NAMES, start_world

LENGTH = 4_000_003
# No control groups: there may be none for an ordinary user. Storage by copying works on every file system.
SETTINGS = {"storage.conf": '[storage]\ndriver = "vfs"\n',
            "containers.conf": '[containers]\ncgroups = "disabled"\nlog_driver = "k8s-file"\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'}
IMAGE = """mkdir -p ~/image/bin ~/image/etc ~/image/proc ~/image/tmp
cp /bin/busybox ~/image/bin
~/image/bin/busybox --install ~/image/bin
tar c -C ~/image . | podman import -q - box"""
SERVE = ("httpd", "-f", "-p", "80", "-h", "/etc")


class Engine(debian13.Installed):
    world = staticmethod(start_world)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, text in SETTINGS.items():
            cls.system.write(f"{debian13.HOME}/.config/containers/{name}", text)
        cls.system.run("sh", "-ec", IMAGE)

    def tearDown(self):
        self.podman("rm", "-f", "-a", "-t", "0")
        wait_until(lambda: not self.daemons(), "end of the daemons, as their containers are gone")

    def podman(self, *words, **options):
        return self.system.run("podman", *words, **options).stdout

    def inside(self, script, *options):
        """What a shell script says in a container that is gone afterwards."""
        return self.podman("run", "--rm", *options, "box", "sh", "-c", script)

    def daemons(self):
        """Command lines of our pasta."""
        return [words for _, words in super().daemons("pasta")]

    def place(self, container):
        pid = self.podman("inspect", "--format", "{{.State.Pid}}", container).strip()
        return Place(self.system.seen(f"/proc/{pid}/ns/net"))

    def page(self, run, address, port):
        name = f"[{address}]" if ":" in address else address
        return run("curl", "-sS", "--noproxy", "*", "--max-time", "10", f"http://{name}:{port}/hosts").stdout

    def assert_served(self, port, addresses=(HOST4, HOST6), mark="host.containers.internal"):
        for address in addresses:
            with self.subTest(address=address, port=port):
                self.assertIn(mark, self.page(self.host.run_remote if address in (HOST4, HOST6) else self.host.run, address, port))


class Podman(Engine):
    def test_our_pasta_is_the_one_that_podman_finds(self):
        self.assertIn("executable: /usr/local/bin/pasta", self.podman("info"))
        self.podman("run", "-d", "--name", "web", "-p", "8080:80", "-p", "8080:80/udp", "box", *SERVE)
        self.assertEqual([argv[0] for argv in self.daemons()], ["/usr/local/bin/pasta"])
        self.assertIn("8080-8080:80-80", self.daemons()[0])

    def test_the_world_from_a_container(self):
        for address in (REMOTE4, REMOTE6):
            with self.subTest(address=address):
                said = self.inside(f"echo {LENGTH} | nc {address} 19 >/tmp/got; sha256sum </tmp/got; nc {address} 9 </tmp/got").split()
                self.assertEqual((said[0], said[2:]), (client.expected(LENGTH), [str(LENGTH), client.expected(LENGTH)]))
        for address in (REMOTE4, REMOTE6, FAR4, FAR6):
            with self.subTest(address=address):
                self.assertIn("2 packets received", self.inside(f"ping -c 2 -i 0.2 -s 1400 -W 5 {address}", "--cap-add=NET_RAW"))

    def test_names_are_looked_up_in_a_container(self):
        said = self.inside(f"cat /etc/resolv.conf; for name in {' '.join(NAMES)}; do nslookup $name; done")
        self.assertIn("nameserver 169.254.1.1\n", said)
        for addresses in NAMES.values():
            for address in addresses:
                self.assertIn(f"Address: {address}", said)

    def test_datagrams_from_a_container(self):
        self.podman("run", "-d", "--name", "quiet", "box", "sleep", "600")
        for address in (REMOTE4, REMOTE6):
            self.assertEqual(meet(self.place("quiet"), self.remote, address, 7777, socket.SOCK_DGRAM)[1], address)

    def test_the_host_has_a_name_in_a_container(self):
        services = self.host.start_services(here=True)
        self.addCleanup(services.kill)
        self.assertIn("A page from the other side", self.inside("wget -qO- http://host.containers.internal/"))

    def test_published_ports(self):
        self.podman("run", "-d", "--name", "web", "-p", "8080:80", "-p", "9000-9002:7000-7002/udp", "-p", "127.0.0.1:8081:80", "-p", f"[{HOST6}]:8082:80", "box", *SERVE)
        self.assert_served(8080, (HOST4, HOST6, "127.0.0.1", "::1"))
        self.assert_served(8081, ("127.0.0.1",))
        self.assert_served(8082, (HOST6,))
        for address, port in ((HOST4, 8081), (HOST4, 8082)):
            with self.subTest(address=address, port=port), self.assertRaises(ConnectionRefusedError):
                self.remote.connected(address, port)
        for where, address in ((self.remote, HOST4), (self.remote, HOST6), (self.outside, "127.0.0.1"), (self.outside, "::1")):
            for n in range(3):
                with self.subTest(address=address, datagrams=n):
                    meet(where, self.place("web"), address, 9000 + n, socket.SOCK_DGRAM, 7000 + n)

    def test_much_in_both_directions_at_once(self):
        self.podman("run", "-d", "--name", "echo", "-p", "8083:83", "box", "nc", "-ll", "-p", "83", "-e", "cat")
        wait_until(lambda: "0053" in self.podman("exec", "echo", "cat", "/proc/net/tcp", "/proc/net/tcp6"), "server in the container")
        for run, address in ((self.host.run_remote, HOST4), (self.host.run, "127.0.0.1")):
            with self.subTest(address=address):
                self.assertIn('"equal": true', run(PYTHON, f"{self.host.dir}/client.py", "both-ways", address, 8083, 20 * LENGTH).stdout)

    def again(self, *words):
        """Podman starts the next pasta without waiting for the end of the last: the first attempt may come too early, then nothing else may be wrong."""
        def attempt():
            done = self.system.run("podman", *words, check=False)
            if done.returncode:
                self.assertIn("Listen failed for HOST TCP port */8080: Address already in use", done.stderr)
            return done.returncode == 0
        wait_until(attempt, "restart on the same port")

    def test_stop_and_start_on_the_same_port(self):
        self.podman("run", "-d", "--name", "web", "-p", "8080:80", "box", *SERVE)
        for words in (("restart", "-t", "0", "web"), ("stop", "-t", "0", "web"), ("restart", "-t", "0", "web"), ("kill", "web")):
            self.assert_served(8080, (HOST4,))
            self.again(*words)
            if words[0] != "restart":
                wait_until(lambda: not self.daemons(), "end of pasta")
                self.podman("start", "web")
        self.assert_served(8080)
        self.assertEqual(len(self.daemons()), 1)

    def test_a_container_that_replaces_another_at_once(self):
        for n in range(5):
            self.again("run", "-d", "--replace", "--stop-timeout", "0", "--name", "web", "-p", "8080:80", "box", *SERVE)
            self.assert_served(8080, (HOST4,))

    def test_a_port_that_is_taken_is_explained(self):
        self.podman("run", "-d", "--name", "web", "-p", "8080:80", "box", *SERVE)
        done = self.system.run("podman", "run", "--rm", "-p", "8080:80", "box", "true", check=False)
        self.assertEqual(done.returncode, 126)
        self.assertRegex(done.stderr, "pasta failed with exit code 1:\n.*Address already in use")
        self.assert_served(8080, (HOST4,))

    def test_options_of_the_user(self):
        chosen = "--network=pasta:--ns-ifname,tap9,--ipv4-only,--address,10.0.2.100,--netmask,24,--gateway,10.0.2.2,--mtu,1500,--ns-mac-addr,5a:94:ef:e4:0c:ee"
        said = self.inside("ip addr show tap9; ip route; wget -qO- http://192.0.2.3/", chosen)
        for part in ("mtu 1500", "5a:94:ef:e4:0c:ee", "inet 10.0.2.100/24", "default via 10.0.2.2", "A page from the other side"):
            self.assertIn(part, said)
        self.assertNotIn("inet6 2001", said)

    def test_two_containers_in_a_pod(self):
        self.podman("pod", "create", "--infra-image", "localhost/box", "--infra-command", "sleep 600", "-p", "8090:80", "pod")
        self.addCleanup(self.podman, "pod", "rm", "-f", "-t", "0", "pod")
        self.podman("run", "-d", "--pod", "pod", "box", *SERVE)
        self.assertIn("localhost", self.inside("wget -qO- http://127.0.0.1/hosts && wget -qO- http://192.0.2.3/", "--pod", "pod"))
        self.assert_served(8090)
        self.assertEqual(len(self.daemons()), 1)
        self.podman("pod", "rm", "-f", "-t", "0", "pod")

    def test_containers_on_a_bridge(self):
        self.podman("network", "create", "--ipv6", "bridge1")
        self.addCleanup(self.podman, "network", "rm", "-f", "-t", "0", "bridge1")
        self.podman("run", "-d", "--name", "web", "--network", "bridge1", "-p", "8091:80", "box", *SERVE)
        said = self.inside(f"wget -qO- http://web/hosts; nslookup www.example.org; for a in {REMOTE4} [{REMOTE6}]; do wget -qO- http://$a/; done", "--network", "bridge1")
        self.assertIn("web", said)
        self.assertIn(f"Address: {NAMES['www.example.org'][0]}", said)
        self.assertEqual(said.count("A page from the other side"), 2)
        self.assert_served(8091, (HOST4, "127.0.0.1"))
        self.assertIn("rootless-netns", " ".join(self.daemons()[0]))
        self.podman("network", "rm", "-f", "-t", "0", "bridge1")

    def test_ports_of_a_bridge_are_published_by_pesto(self):
        """As Podman does with rootless_port_forwarder="pasta", which this one does not know yet: its pasta gets a --conf-path by pasta_options."""
        conf = f"{debian13.RUNTIME}/pesto.sock"
        self.system.write(f"{debian13.HOME}/.config/containers/containers.conf.d/pesto.conf", f'[network]\npasta_options = ["--conf-path", "{conf}"]\n')
        self.addCleanup(self.system.run, "rm", "-f", f"{debian13.HOME}/.config/containers/containers.conf.d/pesto.conf")
        self.podman("network", "create", "bridge2")
        self.addCleanup(self.podman, "network", "rm", "-f", "-t", "0", "bridge2")
        self.podman("run", "-d", "--name", "quiet", "--network", "bridge2", "box", "sleep", "600")      # with it the network stays
        # 8093 leads from the bridge's network namespace to the container; who connects is in the answer
        run = ("run", "-d", "--name", "web", "--network", "bridge2", "-p", "8093:80", "box", "nc", "-ll", "-p", "80", "-e", "cat", "/proc/net/tcp", "/proc/net/tcp6")
        self.podman(*run)
        def pesto(*words):
            return self.system.run(self.host.binary("pesto"), *words, conf).stdout

        pesto("--add", "-t", "8094:8093")
        self.assertIn("8094", pesto())
        for n in range(20):
            with self.subTest(restart=n):
                self.assertIn(self.in_hexadecimal(REMOTE4), self.said_at(8094))
                self.podman("restart", "-t", "0", "web")
                pesto("--add", "-t", "8094:8093")               # it is there already
        pesto("--delete", "-t", "8094:8093")
        with self.assertRaises(ConnectionRefusedError):
            self.remote.connected(HOST4, 8094)

    @staticmethod
    def in_hexadecimal(address):
        """As /proc/net/tcp has it."""
        return "".join(f"{int(part):02X}" for part in reversed(address.split(".")))

    def said_at(self, port):
        """What a server says that may have been started just now."""
        def answer():
            try:
                with self.remote.connected(HOST4, port, source=REMOTE4) as s:
                    return b"".join(iter(lambda: s.recv(65536), b"")).decode()
            except OSError:
                return ""
        return wait_until(answer, "answer of the container")

    def test_buildah_builds_with_a_network(self):
        self.system.write(f"{debian13.HOME}/Containerfile", "FROM localhost/box\nRUN ip addr; wget -qO- http://192.0.2.3/\n")
        for options, name in (([], "eth0"), (["--network", "private"], "eth0"), (["--network", "pasta:--ns-ifname,own0"], "own0")):
            with self.subTest(options=options):
                said = self.system.run("buildah", "build", "--no-cache", *options, debian13.HOME).stdout
                self.assertIn("A page from the other side", said)
                self.assertIn(f"{name}:", said)
                self.assertIn(f"inet {HOST4}/24", said)


if __name__ == "__main__":
    debian13.main()
