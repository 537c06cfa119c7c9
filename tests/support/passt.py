"""A passt for machines: listening on a socket of its own, or with a connected one that it inherits."""
import itertools
import os
import shutil
import signal
import socket
import subprocess

import cleanup
from guests import Daemon, Guest
from hosts import HOST4, HOST6, PYTHON, ROUTER4, USER, wait_until

_serial = itertools.count()
# puts an inherited descriptor where the program expects it, over whatever is there
LAUNCH = "import os, sys\nhave, want = map(int, sys.argv[1:3])\nos.dup2(have, want)\nhave == want or os.close(have)\nos.execv(sys.argv[3], sys.argv[3:])"


def launcher(connected, number):
    """The start of a command line that has the socket as descriptor `number`."""
    return [PYTHON, "-c", LAUNCH, connected.fileno(), number] if connected else []


class Passt(Daemon):
    """In the foreground, without forwarded ports; ready when its PID file is written."""

    def __init__(self, host, *options, uid=USER, connected=None, number=3, path=True, also=()):
        """connected: a socket to serve as descriptor `number`. path: that of the listening socket, True for one of our own choice,
        None for passt's. also: further descriptors that it inherits."""
        self.host = host
        self.base = f"{host.dir}/passt{next(_serial)}"
        self.log_path, self.pid_path = self.base + ".log", self.base + ".pid"
        self.path = self.guest_path = None if connected else self.base + ".socket" if path is True else path
        where = ["--fd", number] if connected else ["-s", self.path] if self.path else []
        argv = [*launcher(connected, number), host.binary("passt"), "-f", "--pid", self.pid_path, *options, *where]
        with open(self.log_path, "w") as log:
            self.process = host.popen(*argv, uid=uid, stdout=log, stderr=log, pass_fds=(*([connected.fileno()] if connected else []), *also))
        try:
            wait_until(self._ready, "PID file of the daemon")
        except (TimeoutError, RuntimeError):
            cleanup.end_process(self.process)
            raise RuntimeError(f"{' '.join(map(str, argv))}: {self.log()}") from None

    @staticmethod
    def run_in_background(host, *options, connected, number=3, uid=USER):
        """Until the parent has ended; the daemon lives on in the background."""
        host.run(*launcher(connected, number), host.binary("passt"), *options, "--fd", number, uid=uid, pass_fds=(connected.fileno(),))


class RelayedGuest(Guest):
    """A namespace whose eth0 is passt's client, without a machine in between; addresses as passt would lease them."""

    def __init__(self, host, daemon, mtu=1500, most=0):
        """most: the frames are sent in pieces of at most so many octets; 0 sends each as a whole."""
        super().__init__(host)
        self.run("sysctl", "-qw", "net.ipv6.conf.default.accept_ra=0")
        relay = shutil.copy(os.environ["TAPIOCA_RELAY"], host.dir)
        self.relay = self.popen(relay, daemon.guest_path, "eth0", *([most] if most else []), stdout=subprocess.PIPE)
        if self.relay.stdout.readline() != "ready\n":
            raise RuntimeError(f"the relay did not start: {daemon.log()}")
        for words in (["link", "set", "lo", "up"], ["link", "set", "eth0", "mtu", mtu, "txqueuelen", 10000, "up"],
                      ["addr", "add", f"{HOST4}/24", "dev", "eth0"], ["route", "add", "default", "via", ROUTER4],
                      ["addr", "add", f"{HOST6}/64", "dev", "eth0", "nodad"], ["-6", "route", "add", "default", "via", "fe80::1", "dev", "eth0"]):
            self.run("ip", *words)

    def reconnect(self):
        """Ends the connection in mid-frame, and begins another."""
        os.kill(self.relay.pid, signal.SIGUSR1)

    def close(self):
        cleanup.end_process(self.relay)
        super().close()


def pair():
    """Two connected sockets: one for passt, one for its client."""
    return socket.socketpair(socket.AF_UNIX)


def private_tmp(host):
    """Gives the simulated host a /tmp of its own, for what uses fixed names there; where it is seen from outside."""
    name = os.path.basename(host.dir)
    os.makedirs(f"{host.dir}/tmp/{name}")
    os.chmod(f"{host.dir}/tmp", 0o1777)
    host.run("sh", "-c", 'mount --bind "$1" "$1/tmp/$2" && mount --rbind "$1/tmp" /tmp', "sh", host.dir, name)
    return f"{host.dir}/tmp"
