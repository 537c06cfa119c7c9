"""What root of a guest may try against the policy of where the guest connects. Runs in the guest: `guest_root.py NAME FACTS`,
with facts about the outside in JSON; prints what was tried, and what came of it, as a list in JSON."""
import array
import ctypes
import fcntl
import glob
import json
import os
import signal
import socket
import struct
import subprocess
import sys

from guest_root_packets import internet_sum, ip4, ip6, octets, upper

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_MULTI_QUEUE = 0x400454CA, 2, 0x1000, 0x100
PTRACE_ATTACH, PTRACE_SEIZE, MS_BIND = 16, 0x4206, 4096
PIDFD_OPEN, PIDFD_GETFD, NS_GET_USERNS, NS_GET_PARENT = 434, 438, 0xB701, 0xB702
CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
FACTS = json.loads(sys.argv[2])
DENIED4, DENIED6, ALLOWED4, ALLOWED6, PORT, DEVICE = (FACTS[k] for k in ("denied4", "denied6", "allowed4", "allowed6", "port", "device"))
OWN4, OWN6, MAC = FACTS["own4"], FACTS["own6"], bytes.fromhex(FACTS["mac"])
ROUTER_MAC = bytes.fromhex(FACTS["router_mac"])
PIDS = FACTS["pids"]                # of the daemon and its helpers, as the host numbers them
ATTEMPTS, TRIED = {}, []


def attempt(function):
    ATTEMPTS[function.__name__] = function
    return function


def tried(what, function, *args):
    """Does it, and remembers the outcome."""
    try:
        outcome = function(*args)
    except OSError as why:
        outcome = f"refused: {why.strerror or why}"
    TRIED.append([what, str(outcome)])
    return outcome


def checked(outcome):
    if outcome < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return outcome


def shell(*argv):
    done = subprocess.run(argv, capture_output=True, text=True)
    TRIED.append([" ".join(argv), done.stderr.strip() or "done"])


def speak(address, port=PORT, kind=socket.SOCK_STREAM, source=None):
    """As any client."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as s:
        s.settimeout(1)
        if source:
            s.bind((source, 0))
        s.connect((address, port))
        s.send(b"let me out")
        return s.recv(10) if kind == socket.SOCK_DGRAM else "CONNECTED"


def speak_all(what):
    for address in (DENIED4, DENIED6):
        for kind, name in ((socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")):
            tried(f"{what}: {name} to {address}", speak, address, PORT, kind)


def whole(source, destination, protocol=17):
    data = upper(source, destination, protocol, PORT)
    return ip6(source, destination, protocol, data) if ":" in source else ip4(source, destination, protocol, data)


def send_frame(packet, source=MAC, destination=ROUTER_MAC, device=DEVICE):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((device, 0))
        return f"{s.send(destination + source + (b'%c%c' % ((0x86, 0xDD) if packet[0] >> 4 == 6 else (8, 0))) + packet)} octets"


def send_all(what, *packets, **named):
    for number, packet in enumerate(packets):
        tried(f"{what} {number}", lambda p=packet: send_frame(p, **named))


@attempt
def other_source_addresses():
    send_all("source", *(whole(source, DENIED4, protocol) for source in ("192.0.2.2", "192.0.2.1", "127.0.0.1", ALLOWED4, "10.9.8.7", "0.0.0.0") for protocol in (17, 6)))
    send_all("source", *(whole(source, DENIED6, protocol) for source in ("::1", ALLOWED6, "fe80::77", "::") for protocol in (17, 6)))


@attempt
def other_mac_addresses():
    for mac in (b"\2\0\0\0\0\7", ROUTER_MAC, b"\xff" * 6, b"\1\0\x5e\0\0\1", b"\0" * 6):
        send_all(f"from {mac.hex()}", whole(OWN4, DENIED4), whole(OWN6, DENIED6), source=mac)
        send_all(f"to {mac.hex()}", whole(OWN4, DENIED4, 6), whole(OWN6, DENIED6, 6), destination=mac)


@attempt
def other_addresses_of_its_interface():
    for address, own in (("192.0.2.77/24", DENIED4), ("198.51.100.77/24", DENIED4), ("2001:db8::77/64", DENIED6), ("fd00::1/64", DENIED6)):
        shell("ip", "address", "add", address, "dev", DEVICE, *(["nodad"] if ":" in address else []))
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            tried(f"from {address}", speak, own, PORT, kind, address.split("/")[0])


def tap(name, flags):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    return fd


@attempt
def a_second_tap():
    for flags in (IFF_TAP | IFF_NO_PI, IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE):
        fd = tried("another queue of the same tap", tap, DEVICE, flags)
        if isinstance(fd, int):
            tried("a frame into it", os.write, fd, ROUTER_MAC + MAC + b"\x08\0" + whole(OWN4, DENIED4))
    fd = tried("a tap of its own", tap, "own", IFF_TAP | IFF_NO_PI)
    shell("ip", "link", "set", "own", "up")
    shell("ip", "route", "add", DENIED4, "dev", "own")
    speak_all("over it")


@attempt
def other_routes():
    for route in ((DENIED4, "dev", DEVICE), (DENIED4, "via", "192.0.2.2", "dev", DEVICE, "onlink"), (DENIED4, "dev", "lo")):
        shell("ip", "route", "replace", *route)
        speak_all("by it")
    shell("ip", "route", "flush", DENIED4)
    shell("ip", "-6", "route", "replace", DENIED6, "via", "fe80::1", "dev", DEVICE)
    shell("ip", "neighbour", "replace", DENIED4, "lladdr", "02:00:00:00:00:09", "dev", DEVICE)
    speak_all("by it")


@attempt
def fragments():
    for protocol in (17, 6):
        data = upper(OWN4, DENIED4, protocol, PORT)
        send_all("in order", ip4(OWN4, DENIED4, protocol, data[:8], more=True), ip4(OWN4, DENIED4, protocol, data[8:], 8))
        send_all("backwards", ip4(OWN4, DENIED4, protocol, data[8:], 8, identification=78), ip4(OWN4, DENIED4, protocol, data[:8], more=True, identification=78))
        data = upper(OWN6, DENIED6, protocol, PORT)
        parts = (struct.pack("!BBHI", protocol, 0, 1, 5) + data[:8], struct.pack("!BBHI", protocol, 0, 8, 5) + data[8:])
        send_all("of IPv6", *(ip6(OWN6, DENIED6, 44, part) for part in parts))


@attempt
def fragments_that_begin_as_something_else():
    """The first says an allowed port or address, one that overlaps says another."""
    allowed, denied = upper(OWN4, ALLOWED4, 17, PORT), upper(OWN4, ALLOWED4, 17, PORT + 1)
    send_all("of another port", ip4(OWN4, ALLOWED4, 17, allowed[:16], more=True, identification=80), ip4(OWN4, ALLOWED4, 17, denied[:8], identification=80), ip4(OWN4, ALLOWED4, 17, denied[8:], 8, identification=80))
    send_all("of another host", ip4(OWN4, ALLOWED4, 17, allowed[:8], more=True, identification=81), ip4(OWN4, DENIED4, 17, allowed[8:], 8, identification=81))
    syn = upper(OWN4, DENIED4, 6, PORT)
    send_all("without flags", ip4(OWN4, DENIED4, 6, syn[:8], more=True, identification=82), ip4(OWN4, DENIED4, 6, syn[8:16], 8, more=True, identification=82), ip4(OWN4, DENIED4, 6, syn[16:], 16, identification=82))
    send_all("atomic", ip6(OWN6, DENIED6, 44, struct.pack("!BBHI", 17, 0, 0, 5) + upper(OWN6, DENIED6, 17, PORT)))


@attempt
def extension_headers():
    data = upper(OWN6, DENIED6, 17, PORT)
    padding = b"\1\4\0\0\0\0"
    for kind in (0, 60):
        send_all(f"header {kind}", ip6(OWN6, DENIED6, kind, bytes([17, 0]) + padding + data))
    send_all("many", ip6(OWN6, DENIED6, 60, (bytes([60, 0]) + padding) * 6 + bytes([17, 0]) + padding + data))
    for routing in (0, 2, 4):
        send_all(f"routing {routing}", ip6(OWN6, ALLOWED6, 43, bytes([17, 2, routing, 1, 0, 0, 0, 0]) + octets(DENIED6) + data))


@attempt
def source_routes():
    for option in (131, 137):       # loose and strict
        hop = bytes([1, option, 7, 4]) + octets(DENIED4)
        send_all(f"option {option}", ip4(OWN4, ALLOWED4, 17, upper(OWN4, ALLOWED4, 17, PORT + 1), options=hop), ip4(OWN4, DENIED4, 17, upper(OWN4, DENIED4, 17, PORT), options=hop))


@attempt
def packets_in_packets():
    inner4, inner6 = whole(OWN4, DENIED4), whole(OWN6, DENIED6)
    send_all("in IPv6", ip6(OWN6, ALLOWED6, 4, inner4), ip6(OWN6, ALLOWED6, 41, inner6), ip6(OWN6, DENIED6, 4, inner4))
    send_all("in IPv4", ip4(OWN4, ALLOWED4, 4, inner4), ip4(OWN4, ALLOWED4, 41, inner6), ip4(OWN4, ALLOWED4, 47, b"\0\0\x08\0" + inner4))
    send_all("of other protocols", *(ip4(OWN4, DENIED4, protocol, b"\0" * 20) for protocol in (2, 33, 50, 51, 132, 136, 255)))


@attempt
def forms_of_an_address():
    four = DENIED4.split(".")
    words = f"{int(four[0]) << 8 | int(four[1]):x}:{int(four[2]) << 8 | int(four[3]):x}"
    for form in (f"64:ff9b::{words}", f"64:ff9b:1::{words}", f"2002:{words}::1", f"::{words}", f"::ffff:{words}", f"2001:0:{words}::1"):
        send_all(form, whole(OWN6, form), whole(OWN6, form, 6))
        tried(form, speak, form)


@attempt
def another_resolver():
    tried("resolv.conf", lambda: open("/etc/resolv.conf", "w").write(f"nameserver {DENIED4}\nnameserver {DENIED6}\noptions timeout:1 attempts:1\n"))
    TRIED.append(["a name", subprocess.run(["getent", "hosts", "example.org"], capture_output=True, text=True, timeout=30).stdout or "nothing"])


@attempt
def names_by_other_ports():
    query = b"\0\7\1\0\0\1\0\0\0\0\0\0\7example\3org\0\0\1\0\1"
    for port in (53, 853, 5353, 5355, 443, 137):
        for address in (DENIED4, DENIED6):
            tried(f"udp {port}", speak, address, port, socket.SOCK_DGRAM)
            tried(f"tcp {port}", speak, address, port)
        send_all(f"a query to {port}", ip4(OWN4, DENIED4, 17, struct.pack("!HHHH", 40001, port, 8 + len(query), 0) + query))


@attempt
def lower_mtu():
    for mtu in ("1280", "576", "68"):
        shell("ip", "link", "set", DEVICE, "mtu", mtu)
        speak_all(f"with {mtu}")
    shell("ip", "link", "set", DEVICE, "mtu", "65520")


@attempt
def groups_and_broadcasts():
    for group in ("224.0.0.251", "239.255.255.250", "192.0.2.255", "255.255.255.255"):
        for mac in (b"\xff" * 6, ROUTER_MAC):
            send_all(group, ip4(OWN4, group, 17, upper(OWN4, group, 17, PORT)), destination=mac)
    for group in ("ff02::fb", "ff05::2", "ff0e::77"):
        send_all(group, ip6(OWN6, group, 17, upper(OWN6, group, 17, PORT)), destination=b"\x33\x33\0\0\0\1")


# Processes and files.

def everybody():
    """Processes that are seen, and those that are known: the daemon and its helpers."""
    return sorted({int(entry) for entry in os.listdir("/proc") if entry.isdigit() and int(entry) not in (1, os.getpid(), os.getppid())} - {FACTS["keeper"]} | set(PIDS))


def signals_to_all(*numbers):
    for pid in everybody():
        for number in numbers:
            tried(f"signal {number} to {pid}", os.kill, pid, number)


@attempt
def killing_the_daemon():
    signals_to_all(signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP)
    shell("fuser", "-k", "/dev/net/tun")


@attempt
def signals_that_mean_something():
    signals_to_all(signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT, signal.SIGCHLD, signal.SIGPIPE)


@attempt
def tracing_the_daemon():
    for pid in PIDS:
        for request in (PTRACE_ATTACH, PTRACE_SEIZE):
            tried(f"ptrace {request} of {pid}", lambda: checked(LIBC.ptrace(request, pid, 0, 0)))
        tried(f"its memory {pid}", lambda: checked(LIBC.syscall(310, pid, None, 0, None, 0, 0)))
    tried("pids of parents", lambda: os.getppid())


@attempt
def memory_of_processes():
    os.makedirs("/tmp/proc", exist_ok=True)
    shell("mount", "-t", "proc", "proc", "/tmp/proc")
    for root in ("/proc", "/tmp/proc"):
        for pid in PIDS:
            for name in ("mem", "fd", "root", "cwd", "environ", "maps"):
                tried(f"{root}/{pid}/{name}", os.open if name in ("mem", "environ", "maps") else os.listdir, *([f"{root}/{pid}/{name}", os.O_RDWR] if name == "mem" else [f"{root}/{pid}/{name}", os.O_RDONLY][:1 if name in ("fd", "root", "cwd") else 2]))


@attempt
def namespaces_of_the_host():
    for pid in (1, *PIDS):
        for kind in ("net", "user", "mnt", "pid"):
            def enter(path=f"/proc/{pid}/ns/{kind}"):
                return checked(LIBC.setns(os.open(path, os.O_RDONLY), 0))
            tried(f"{kind} of {pid}", enter)
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    owner = tried("the owner of the network", fcntl.ioctl, own, NS_GET_USERNS)
    for name, request in (("its parent", NS_GET_PARENT), ("its owner", NS_GET_USERNS)):
        if isinstance(owner, int):
            found = tried(name, fcntl.ioctl, owner, request)
            if isinstance(found, int):
                tried("entering it", lambda: checked(LIBC.setns(found, CLONE_NEWUSER)))
    tried("a network of its own", lambda: checked(LIBC.unshare(CLONE_NEWNET)))
    speak_all("from there")


@attempt
def the_control_sockets():
    call = json.dumps({"method": "io.github.tapioca.Control.ReplacePolicy", "parameters": {"files": [{"name": "a", "text": 'profile = "open"'}]}}).encode() + b"\0"

    def ask(address):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(1)
            s.connect(address)
            s.sendall(call)
            return s.recv(1000)
    for user in (0, FACTS["user"]):
        for pid in PIDS:
            tried(f"tapioca/{user}/{pid}", ask, f"\0tapioca/{user}/{pid}")
    with open("/proc/net/unix") as listed:
        for line in list(listed)[1:]:
            if len(line.split()) > 7:
                tried("a socket that is listed", ask, line.split()[7].replace("@", "\0"))
    for path in (FACTS["control"], "/proc/1/root" + FACTS["control"], *glob.glob("/tmp/*control*"), *glob.glob("/run/**/*control*", recursive=True)):
        tried(path, ask, path)


@attempt
def the_policy_edited_in_place():
    for mode in ("r+", "w", "a"):
        def edit():
            with open("/policy.toml", mode) as file:
                return file.write('profile = "open"\n')
        tried(f"opened as {mode}", edit)
    signals_to_all(signal.SIGHUP)


@attempt
def the_policy_covered_by_another():
    with open("/tmp/open.toml", "w") as file:
        file.write('profile = "open"\n')
    tried("bound", lambda: checked(LIBC.mount(b"/tmp/open.toml", b"/policy.toml", None, MS_BIND, None)))
    tried("unbound", lambda: checked(LIBC.umount2(b"/policy.toml", 2)))
    tried("removed", os.unlink, "/policy.toml")
    tried("renamed over", os.rename, "/tmp/open.toml", "/policy.toml")
    for directory in ("/etc/tapioca/egress.d", os.path.expanduser("~/.config/tapioca/egress")):
        tried(directory, lambda: os.makedirs(directory))
    signals_to_all(signal.SIGHUP)


@attempt
def netlink():
    for words in (("link", "add", "name", "br0", "type", "bridge"), ("link", "set", DEVICE, "master", "br0"), ("link", "set", DEVICE, "nomaster"), ("link", "add", "up0", "type", "veth", "peer", "name", "up1", "netns", "1"),
                  ("link", "add", "mv0", "link", DEVICE, "type", "macvlan"), ("link", "set", "mv0", "up"), ("link", "set", DEVICE, "netns", "1"), ("link", "set", DEVICE, "netns", str(PIDS[0])),
                  ("link", "set", DEVICE, "address", "02:00:00:00:00:0a"), ("rule", "add", "to", DENIED4, "lookup", "77"), ("address", "add", DENIED4 + "/32", "dev", DEVICE), ("address", "del", DENIED4 + "/32", "dev", DEVICE)):
        shell("ip", *words)
    speak_all("after it")


@attempt
def descriptors_of_the_daemon():
    for pid in PIDS:
        def copy():
            fd = checked(LIBC.syscall(PIDFD_OPEN, pid, 0))
            return [checked(LIBC.syscall(PIDFD_GETFD, fd, number, 0)) for number in range(3, 40)]
        tried(f"pidfd_getfd {pid}", copy)
        tried(f"its list {pid}", os.listdir, f"/proc/{pid}/fd")
    with socket.socket(socket.AF_UNIX) as s:
        tried("handed over", s.sendmsg, [b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))])
    kept = [int(name) for name in os.listdir("/proc/self/fd")]
    TRIED.append(["inherited", str([os.readlink(f"/proc/self/fd/{fd}") for fd in kept if os.path.exists(f"/proc/self/fd/{fd}")])])


@attempt
def a_taken_connection():
    """Segments and datagrams to a denied host in the name of a connection that is allowed."""
    with socket.create_connection((ALLOWED4, PORT), 3) as s:
        port = s.getsockname()[1]
        for flags in (0x10, 0x18, 0x12, 0x11, 0x04):
            header = struct.pack("!HHIIBBHHH", port, PORT, 9, 9, 0x50, flags, 64000, 0, 0)
            send_all(f"flags {flags:x}", ip4(OWN4, DENIED4, 6, header + b"let me out"))
    error = struct.pack("!BBHHH", 3, 4, 0, 0, 1280) + whole(OWN4, DENIED4)[:28]
    redirect = struct.pack("!BBH4s", 5, 1, 0, octets(DENIED4)) + whole(OWN4, ALLOWED4)[:28]
    send_all("ICMP", *(ip4(OWN4, to, 1, data[:2] + struct.pack("!H", internet_sum(data)) + data[4:]) for to in (DENIED4, ALLOWED4) for data in (error, redirect)))


if __name__ == "__main__":
    ATTEMPTS[sys.argv[1]]()
    print(json.dumps(TRIED))
