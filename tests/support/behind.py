"""A namespace behind a guest that routes, as a container behind a bridge in the guest: what the guest receives for it goes on over links of other MTUs."""
from guests import Guest
from hosts import wait_until

import os

NEXT4, NEXT6 = "10.88.0.1", "fd88::1"
BEHIND4, BEHIND6 = "10.88.0.2", "fd88::2"


class Behind(Guest):
    """Reached by addresses of its own, which nobody translates in between."""

    def __init__(self, guest, mtu):
        """mtu: of the bridge, and of the link to it."""
        self.host, self.uid, self.guest = guest.host, guest.uid, guest
        self.process = guest.popen("unshare", "-n", "sleep", "infinity")
        self.pid = self.process.pid
        wait_until(lambda: os.readlink(f"/proc/{self.pid}/exe").endswith("sleep"), "namespace behind the guest")
        self.run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")
        guest.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        guest.run("ip", "link", "add", "br0", "type", "bridge")
        guest.run("ip", "link", "add", "port0", "type", "veth", "peer", "name", "eth0", "netns", self.pid)
        guest.run("ip", "link", "set", "port0", "master", "br0")
        for device in ("port0", "br0"):
            guest.run("ip", "link", "set", device, "mtu", mtu, "up")
        guest.run("ip", "addr", "add", f"{NEXT4}/24", "dev", "br0")
        guest.run("ip", "addr", "add", f"{NEXT6}/64", "dev", "br0", "nodad")
        for words in (["link", "set", "lo", "up"], ["link", "set", "eth0", "mtu", mtu, "up"], ["addr", "add", f"{BEHIND4}/24", "dev", "eth0"],
                      ["addr", "add", f"{BEHIND6}/64", "dev", "eth0", "nodad"], ["route", "add", "default", "via", NEXT4], ["-6", "route", "add", "default", "via", NEXT6]):
            self.run("ip", *words)

    def narrow(self, mtu):
        """From now on the guest takes the way here for one of that MTU: nobody at its ends knows."""
        self.guest.run("ip", "route", "replace", f"{BEHIND4}/32", "dev", "br0", "mtu", "lock", mtu)
        self.guest.run("ip", "-6", "route", "replace", f"{BEHIND6}/128", "dev", "br0", "mtu", "lock", mtu)
