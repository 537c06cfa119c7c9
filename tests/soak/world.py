"""The world of the soak: one host whose addresses change, two users on it, each with a guest and a pasta, and servers everywhere."""
import contextlib
import socket
import threading
import time

from guests import Daemon, Guest
from hosts import HOST4, HOST6, PYTHON, REMOTE4, REMOTE6, USER, SimulatedHost, run, wait_until
from inside import Place, descriptors, guest_place, host_place, remote_place, running_seconds

RESOLVER = "169.254.1.1"      # what the guests take for one
NOTICE = 1.5                  # seconds around a change in which a datagram may be lost


def ports(base):
    """Port options that lead from base + n to n, for the servers of services.py."""
    return ",".join(f"{base + n}:{n}" for n in (7, 9, 19)), f"{base + 7}:7"


class Changes:
    """When the host's addresses changed: what is bound to the old ones may end, and nothing else."""

    def __init__(self):
        self.windows = []

    @contextlib.contextmanager
    def one(self):
        window = [time.monotonic(), float("inf")]
        self.windows.append(window)
        yield
        window[1] = time.monotonic()

    def within(self, begin, end, slack=0.0):
        return any(w[0] < end + slack and begin - slack < w[1] for w in self.windows)


class User:
    """A user of the host: a guest, its pasta, and what both looked like when all was fresh."""

    def __init__(self, host, name, uid, base, *options):
        self.name, self.base = name, base
        self.guest = Guest(host, uid)
        inward, outward = ports(base), ports(9000)
        self.daemon = Daemon(self.guest, *options, "--dns-forward", RESOLVER, "--dns-host", REMOTE4, uid=uid,
                             ports=("-t", inward[0], "-u", inward[1], "-T", outward[0], "-U", outward[1]))
        servers = self.guest.popen(PYTHON, f"{host.dir}/services.py", stdout=-1)
        if servers.stdout.readline() != "ready\n":
            raise RuntimeError("the guest's servers did not start")
        self.place = guest_place(self.guest)
        self.timeouts = self.guest.counter("TcpExtTCPTimeouts")
        self.fresh = self.look()

    def look(self):
        """Memory, descriptors and processor time of the daemon."""
        with open(f"/proc/{self.daemon.pid}/status") as f:
            anonymous = next(int(line.split()[1]) for line in f if line.startswith("RssAnon"))
        return {"KiB": anonymous, "descriptors": sum(descriptors(self.daemon.pid).values()), "seconds": running_seconds(self.daemon.pid)}


class World:
    def __init__(self):
        self.host = SimulatedHost()
        self.changes, self.address4, self.address6, self.serial = Changes(), HOST4, HOST6, 0
        run("ip", "netns", "exec", self.host.name, "sysctl", "-qw", "net.ipv4.conf.all.promote_secondaries=1", "net.ipv4.conf.eth0.promote_secondaries=1")
        self.host.start_services()
        self.host.start_services(here=True)
        self.near, self.far = host_place(self.host), remote_place(self.host)
        self.resolver = Resolver(self.far)
        self.users = [User(self.host, "two workers", USER, 8000, "--workers", "2"), User(self.host, "one worker", USER + 1, 8100)]

    def close(self):
        self.host.close()

    def change_addresses(self):
        """New ones are there before the old ones go, as when a lease or a prefix is renewed."""
        self.serial += 1
        old, new = (self.address4, self.address6), (f"192.0.2.{100 + self.serial % 100}", f"2001:db8::{100 + self.serial:x}")
        with self.changes.one():
            self.host.ip("addr", "add", new[0] + "/24", "dev", "eth0")
            self.host.ip("addr", "add", new[1] + "/64", "dev", "eth0", "nodad")
            self.address4, self.address6 = new
            time.sleep(0.2)
            self.host.ip("addr", "del", old[0] + "/24", "dev", "eth0")
            self.host.ip("addr", "del", old[1] + "/64", "dev", "eth0")

    def paths(self, user):
        """name, client, the server's address now, base of its ports, whether a change of addresses may end connections"""
        yield "out IPv4", user.place, lambda: REMOTE4, 0, True
        yield "out IPv6", user.place, lambda: REMOTE6, 0, True
        yield "in IPv4", self.far, lambda: self.address4, user.base, True
        yield "in IPv6", self.far, lambda: self.address6, user.base, True
        yield "loopback in", self.near, lambda: "127.0.0.1", user.base, False
        yield "loopback out", user.place, lambda: "::1", 9000, False


class Resolver(threading.Thread):
    """A DNS server: the answer to every question is 192.0.2.7."""

    def __init__(self, place):
        super().__init__(daemon=True)
        self.socket = place.bound(REMOTE4, 53, socket.SOCK_DGRAM)
        self.start()

    def run(self):
        self.socket.settimeout(None)
        while True:
            with contextlib.suppress(OSError):
                query, client = self.socket.recvfrom(512)
                self.socket.sendto(query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\7", client)
