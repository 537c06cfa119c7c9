"""A simulated host: a network namespace with an uplink, and a small world behind it. No packet leaves the machine.

    host    eth0  192.0.2.2/24   2001:db8::2/64      default routes via 192.0.2.1 and fe80::1
    remote  eth0  192.0.2.1, 192.0.2.3, 2001:db8::1, 2001:db8::3, fe80::1    the router, and the services of services.py
            far0  198.51.100.1   2001:db8:f::1
    far     eth0  198.51.100.2   2001:db8:f::2       one hop further, so that a time to live can expire on the way

203.0.113.0/24 and 2001:db8:dead::/48 are unreachable: the router says so. The daemon regards 192.0.2.1 as another
name of the host itself, so tests talk to 192.0.2.3.

The names carry the process id, so several tests can run at once. Programs run in a private mount namespace in which
/dev/net/tun may be opened by everybody and /etc/resolv.conf is ours.
"""
import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
import time

import cleanup

USER = 10001
HOST4, ROUTER4, REMOTE4, FAR4, UNREACHABLE4 = "192.0.2.2", "192.0.2.1", "192.0.2.3", "198.51.100.2", "203.0.113.9"
HOST6, ROUTER6, REMOTE6, FAR6, UNREACHABLE6 = "2001:db8::2", "2001:db8::1", "2001:db8::3", "2001:db8:f::2", "2001:db8:dead::9"
RESOLVER4, RESOLVER6 = "192.0.2.53", "2001:db8::53"
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else "python3"
HERE = os.path.dirname(os.path.abspath(__file__))
_serial = itertools.count()

SYSCTLS = ("net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0", "net.ipv4.icmp_ratelimit=0",
           "net.ipv6.icmp.ratelimit=0", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0")
MOUNTS = """set -e
mount --make-rslave /
mount -t tmpfs -o mode=755 tmpfs /dev/net
mknod -m 666 /dev/net/tun c 10 200
[ ! -e /etc/resolv.conf ] || mount --bind "$1/resolv.conf" /etc/resolv.conf
echo ready
exec sleep infinity
"""


def run(*argv, check=True, **options):
    """Runs a command, with its output as text; failure is an error that shows what the command said."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, **options)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))}: status {done.returncode}: {done.stderr.strip()} {done.stdout.strip()}")
    return done


def known_part(said):
    """What callers know and match of an error text: of each line the beginning, without the reason and the remedy behind it."""
    return "".join(line.partition("; ")[0] + "\n" for line in said.splitlines())


def wait_until(condition, what, timeout=10):
    """Polls until condition() is true and returns its value; kernel objects announce themselves in too many ways."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"no {what} within {timeout} s")
        time.sleep(0.01)
    return value


def has_ended(pid):
    """With all its threads: as long as one is left, its ports are in use."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z" and len(os.listdir(f"/proc/{pid}/task")) == 1
    return True


def make_namespace(role):
    """A named network namespace of this process, gone at exit with every process that is still in it."""
    name = f"tn{os.getpid()}{role}{next(_serial)}"
    run("ip", "netns", "add", name)
    token = cleanup.at_exit(_remove_namespace, name)
    run("ip", "netns", "exec", name, "sysctl", "-qw", *SYSCTLS)
    run("ip", "-n", name, "link", "set", "lo", "up")
    return name, token


def _remove_namespace(name):
    for pid in run("ip", "netns", "pids", name, check=False).stdout.split():
        try:
            os.kill(int(pid), 9)
        except ProcessLookupError:
            pass
    run("ip", "netns", "del", name, check=False)


class SimulatedHost:
    def __init__(self, *, ipv4=True, ipv6=True, routes=True, mtu=1500, emulator=None):
        """emulator: arguments for the link emulator in the place of a plain veth pair."""
        self._tokens = []
        self.dir = tempfile.mkdtemp(prefix="tapioca-netns-")
        os.chmod(self.dir, 0o1777)
        self._tokens.append(cleanup.at_exit(shutil.rmtree, self.dir, True))
        self.name, self.remote, self.far = (self._namespace(role) for role in ("h", "r", "f"))
        self._write_files()
        self.holder = self._spawn_holder()
        run("ip", "netns", "exec", self.name, "sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
        run("ip", "netns", "exec", self.remote, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
            "net.ipv4.ping_group_range=0 2147483647")
        self._link(mtu, emulator)
        self._configure_host(ipv4, ipv6, routes)
        self._configure_world()
        self.services = None

    def close(self):
        for token in reversed(self._tokens):
            cleanup.now(token)

    def _namespace(self, role):
        name, token = make_namespace(role)
        self._tokens.append(token)
        return name

    def _write_files(self):
        with open(f"{self.dir}/resolv.conf", "w") as f:
            f.write(f"nameserver {RESOLVER4}\nnameserver {RESOLVER6}\nsearch example.org example.net\n")
        for name in ("client.py", "services.py", "dhcp_exchange.py", "lease.sh"):
            shutil.copy(f"{HERE}/{name}", self.dir)
        for name in (os.environ.get("TAPIOCA_BIN") and os.listdir(os.environ["TAPIOCA_BIN"]) or ()):
            if name.split(".")[0] in ("pasta", "passt", "pesto", "tapioca"):    # the user may have no way to the build tree
                shutil.copy(os.path.join(os.environ["TAPIOCA_BIN"], name), self.dir)

    def _spawn_holder(self):
        holder = subprocess.Popen(["nsenter", f"--net=/run/netns/{self.name}", "unshare", "--mount", "--propagation=slave", "sh", "-c", MOUNTS, "sh", self.dir],
                                  stdout=subprocess.PIPE, text=True)
        self._tokens.append(cleanup.at_exit(cleanup.end_process, holder))
        if holder.stdout.readline() != "ready\n":
            raise RuntimeError("no private mount namespace")
        return holder

    def _link(self, mtu, emulator):
        if emulator is None:
            run("ip", "-n", self.name, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.remote)
        else:
            argv = [os.environ["TAPIOCA_EMULATOR"], f"/run/netns/{self.name}", "eth0", f"/run/netns/{self.remote}", "eth0"]
            process = subprocess.Popen(argv + [str(a) for a in emulator], stdout=subprocess.PIPE, text=True)
            self._tokens.append(cleanup.at_exit(cleanup.end_process, process))
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("the link emulator did not start")
        run("ip", "-n", self.remote, "link", "add", "far0", "type", "veth", "peer", "name", "eth0", "netns", self.far)
        for name, device in ((self.name, "eth0"), (self.remote, "eth0"), (self.remote, "far0"), (self.far, "eth0")):
            run("ip", "-n", name, "link", "set", device, "mtu", mtu, "up")

    def _configure_host(self, ipv4, ipv6, routes):
        if ipv4:
            self.ip("addr", "add", HOST4 + "/24", "dev", "eth0")
            if routes:
                self.ip("route", "add", "default", "via", ROUTER4)
        if ipv6:
            self.ip("addr", "add", HOST6 + "/64", "dev", "eth0", "nodad")
            if routes:
                self.ip("-6", "route", "add", "default", "via", "fe80::1", "dev", "eth0")

    def _address_router(self):
        for address in (ROUTER4 + "/24", REMOTE4 + "/24", ROUTER6 + "/64", REMOTE6 + "/64", "fe80::1/64"):
            run("ip", "-n", self.remote, "addr", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))

    def _configure_world(self):
        self._address_router()
        for name, device, addresses in ((self.remote, "far0", ("198.51.100.1/24", "2001:db8:f::1/64")),
                                        (self.far, "eth0", (FAR4 + "/24", FAR6 + "/64"))):
            for address in addresses:
                run("ip", "-n", name, "addr", "add", address, "dev", device, *(["nodad"] if ":" in address else []))
        run("ip", "-n", self.far, "route", "add", "default", "via", "198.51.100.1")
        run("ip", "-n", self.far, "-6", "route", "add", "default", "via", "2001:db8:f::1")
        run("ip", "-n", self.remote, "route", "add", "unreachable", "203.0.113.0/24")
        run("ip", "-n", self.remote, "-6", "route", "add", "unreachable", "2001:db8:dead::/48")

    def replace_uplink(self):
        """Another interface of the same name and addresses, as after a card was taken out and put back in."""
        self.ip("link", "del", "eth0")
        run("ip", "-n", self.name, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.remote)
        for name in (self.name, self.remote):
            run("ip", "-n", name, "link", "set", "eth0", "up")
        self._address_router()
        self._configure_host(True, True, True)

    def ip(self, *args):
        return run("ip", "-n", self.name, *args).stdout

    def argv(self, argv, uid=None):
        """The command line that runs argv in the simulated host, as root or as an ordinary user without any capability."""
        enter = ["nsenter", f"--net=/run/netns/{self.name}", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--"]
        if uid is not None:
            enter += ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all", "--pdeathsig=KILL", "--"]
        return enter + [str(a) for a in argv]

    def environment(self):
        kept = {k: v for k, v in os.environ.items() if k in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "TERM")}
        return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": self.dir, "SHELL": "/bin/sh",
                "LC_ALL": "C", "PYTHONDONTWRITEBYTECODE": "1", **kept}

    def run(self, *argv, uid=None, check=True, timeout=60, **options):
        return run(*self.argv(argv, uid), check=check, timeout=timeout, env=self.environment(), cwd=self.dir, **options)

    def popen(self, *argv, uid=None, **options):
        options.setdefault("text", True)
        process = subprocess.Popen(self.argv(argv, uid), env=self.environment(), cwd=self.dir, **options)
        self._tokens.append(cleanup.at_exit(cleanup.end_process, process))
        return process

    def in_remote(self, *argv):
        """The command line that runs argv in the namespace behind the uplink."""
        return ["nsenter", f"--net=/run/netns/{self.remote}", "--"] + [str(a) for a in argv]

    def run_remote(self, *argv, check=True, timeout=60, **options):
        return run(*self.in_remote(*argv), check=check, timeout=timeout, env=self.environment(), cwd=self.dir, **options)

    def start_services(self, here=False):
        """Servers for the clients of a test: in the remote namespace, or (here) on the host itself."""
        argv = [PYTHON, f"{self.dir}/services.py"]
        process = subprocess.Popen(self.argv(argv) if here else self.in_remote(*argv), stdout=subprocess.PIPE, text=True,
                                   env=self.environment(), cwd=self.dir)
        self._tokens.append(cleanup.at_exit(cleanup.end_process, process))
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the services did not start")
        return process

    def binary(self, name="pasta"):
        return f"{self.dir}/{name}"
