#!/usr/bin/env python3
"""Root of a guest against the policy of where the guest connects: every attempt of tests/support/guest_root.py, each with a daemon of
its own. Nothing but what is allowed has left the host then, whatever the guest was told; the daemon has the same policy; and what is
denied is denied. The guest has namespaces of its own, all capabilities in them, and may write to the file that the policy came from."""
import json
import os
import re
import shutil
import socket
import struct
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import cleanup
import netns_test
from guests import Daemon, Guest
from hosts import FAR4, FAR6, HERE, PYTHON, REMOTE4, REMOTE6, USER, SimulatedHost, wait_until
from inside import Place, guest_place, inside, meet, remote_place

PORT = 7000
SHARED = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc")
PROGRAM = ("guest_root.py", "guest_root_packets.py")
ATTEMPTS = re.findall(r"^@attempt\ndef (\w+)", open(f"{HERE}/guest_root.py").read(), re.M)


class Jail(Guest):
    """A guest with namespaces and a file system of its own; of the host's it has the policy, and may change it."""

    def __init__(self, host, policy):
        self.host, self.uid = host, USER
        shared = [word for path in SHARED if os.path.exists(path) for word in ("--ro-bind", path, path)]
        resolvers = f"{host.dir}/guest.conf"
        for path in (resolvers, policy):
            with open(path, "a"):
                os.chown(path, USER, USER)
        own = ["--proc", "/proc", "--dev-bind", "/dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run", "--tmpfs", "/root", "--bind", policy, "/policy.toml",
               "--bind", resolvers, "/etc/resolv.conf", *(word for name in PROGRAM for word in ("--ro-bind", f"{HERE}/{name}", f"/{name}"))]
        read, write = os.pipe()
        argv = ["bwrap", "--unshare-user", "--uid", "0", "--gid", "0", "--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--cap-add", "ALL", "--die-with-parent",
                *shared, *own, "--info-fd", str(write), "--", "sleep", "infinity"]
        self.process = host.popen(*argv, uid=USER, pass_fds=[write])
        os.close(write)
        with os.fdopen(read) as said:
            self.first = json.load(said)["child-pid"]
        wait_until(lambda: self._sleeper() is not None, "guest in its jail")
        self.pid = self._sleeper()

    def _sleeper(self):
        """The process that bubblewrap was asked for, or its first one if that is all."""
        with open(f"/proc/{self.first}/task/{self.first}/children") as file:
            children = file.read().split()
        if children and os.readlink(f"/proc/{children[0]}/exe").endswith("sleep"):
            return int(children[0])
        return None

    def argv(self, argv):
        return ["nsenter", "-t", self.pid, "-U", "-m", "-n", "-p", "-i", "--", *argv]

    def attempt(self, name, facts):
        done = self.host.run(*self.argv(["/usr/bin/env", "-C", "/", PYTHON, "/guest_root.py", name, json.dumps(facts)]), check=False, timeout=120)
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr}")
        return json.loads(done.stdout)


class Witness:
    """Behind the uplink: every packet that comes from the host, but what keeps its link up."""

    def __init__(self, host):
        with inside(f"/run/netns/{host.remote}"):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.socket.bind(("eth0", 3))
        self.socket.setblocking(False)

    def taken(self):
        """(destination, protocol, port) of each."""
        found = []
        while True:
            try:
                frame, where = self.socket.recvfrom(2048)
            except BlockingIOError:
                return found
            if where[2] == socket.PACKET_OUTGOING:
                continue
            if told := self.read(frame[12:14], frame[14:]):
                found.append(told)

    @staticmethod
    def read(kind, packet):
        if kind == b"\x08\0":
            header = (packet[0] & 15) * 4
            return socket.inet_ntoa(packet[16:20]), packet[9], struct.unpack_from("!H", packet, header + 2)[0] if packet[9] in (6, 17) else 0
        if kind == b"\x86\xdd":
            if packet[6] == 0 or (packet[6] == 58 and 130 <= packet[40] <= 143):     # multicast listeners and neighbours, of the host's own
                return None
            return socket.inet_ntop(socket.AF_INET6, packet[24:40]), packet[6], struct.unpack_from("!H", packet, 42)[0] if packet[6] in (6, 17) else 0
        return None if kind == b"\x08\x06" else ("other", kind.hex(), 0)

    def close(self):
        self.socket.close()


@unittest.skipUnless(shutil.which("bwrap"), "needs the program bwrap, to shut the guest in")
class Root(unittest.TestCase):
    def setUp(self):
        self.host = SimulatedHost()
        self.addCleanup(self.host.close)
        policy = f"{self.host.dir}/policy.toml"
        with open(policy, "w") as file:
            file.write(f'profile = "deny-all"\nallow = ["{FAR4}:{PORT}", "[{FAR6}]:{PORT}"]\n')
        self.guest = Jail(self.host, policy)
        self.addCleanup(cleanup.end_process, self.guest.process)
        self.control = f"{self.host.dir}/control"
        self.daemon = Daemon(self.guest, "--control", self.control, "--egress", policy, "--workers", 2)
        self.addCleanup(self.daemon.stop)
        self.witness = Witness(self.host)
        self.addCleanup(self.witness.close)
        self.inside = guest_place(self.guest)
        self.far, self.remote = Place(f"/run/netns/{self.host.far}"), remote_place(self.host)

    def policy(self):
        return self.host.run(self.host.binary("tapioca"), "policy", "show", "--json", uid=USER).stdout

    def helpers(self):
        """The daemon, and the processes that serve it."""
        found = [self.daemon.pid]
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat") as file:
                        name, _, rest = file.read().partition("(")[2].rpartition(")")
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if int(rest.split()[1]) in found or (name.startswith("pasta.") and self.is_ours(entry)):
                    found.append(int(entry))
        return found

    def is_ours(self, pid):
        try:
            return os.readlink(f"/proc/{pid}/ns/net") == os.readlink(f"/run/netns/{self.host.name}")
        except OSError:
            return False

    def facts(self):
        links = json.loads(self.guest.run("ip", "-json", "link", "show").stdout)
        device = next(link for link in links if link["ifname"] != "lo")
        addresses = json.loads(self.guest.run("ip", "-json", "address", "show", "dev", device["ifname"], "scope", "global").stdout)[0]["addr_info"]
        own = {a["family"]: a["local"] for a in addresses if "family" in a}
        return {"denied4": REMOTE4, "denied6": REMOTE6, "allowed4": FAR4, "allowed6": FAR6, "port": PORT, "device": device["ifname"], "own4": own["inet"], "own6": own["inet6"],
                "mac": device["address"].replace(":", ""), "router_mac": self.router_mac(device["ifname"]), "pids": self.helpers(), "user": USER, "control": self.control, "keeper": 2}

    def router_mac(self, device):
        meet(self.inside, self.far, FAR4, PORT, socket.SOCK_STREAM)      # so that it is known
        neighbours = json.loads(self.guest.run("ip", "-json", "neighbour", "show", "dev", device).stdout)
        return next(n["lladdr"] for n in neighbours if "lladdr" in n).replace(":", "")

    def denied_by_the_policy(self):
        for address in (REMOTE4, REMOTE6):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with self.assertRaises(OSError):
                    meet(self.inside, self.remote, address, PORT, kind, timeout=1)

    def only_the_allowed(self, packets):
        allowed = {(address, protocol, PORT) for address in (FAR4, FAR6) for protocol in (6, 17)}
        self.assertEqual([p for p in packets if p not in allowed], [])

    def try_it(self, name):
        before, facts = self.policy(), self.facts()
        self.assertIn((FAR4, 6, PORT), seen := self.witness.taken(), "the witness sees nothing")
        self.only_the_allowed(seen)
        with self.far.bound(FAR4, PORT):
            tried = self.guest.attempt(name, facts)
        self.assertGreater(len(tried), 1)
        time.sleep(0.2)     # for what is on its way
        self.only_the_allowed(self.witness.taken())
        self.assertIsNone(self.daemon.process.poll(), f"{self.daemon.log()} {tried}")
        self.assertEqual(self.policy(), before, tried)
        self.denied_by_the_policy()
        self.only_the_allowed(self.witness.taken())

    def test_the_witness_sees_what_is_not_denied(self):
        self.assertEqual(self.host.run(self.host.binary("tapioca"), "policy", "set", "open", uid=USER).returncode, 0)
        for address in (REMOTE4, REMOTE6):
            meet(self.inside, self.remote, address, PORT, socket.SOCK_DGRAM)
            self.assertIn((address, 17, PORT), self.witness.taken())


def add(name):
    setattr(Root, f"test_{name}", lambda self: self.try_it(name))


for each in ATTEMPTS:
    add(each)


if __name__ == "__main__":
    netns_test.main()
