"""Sockets of other network namespaces, in this process: a socket belongs to the namespace that it was created in, for life.

So a test can hold the client on the simulated host, the server in the guest, and look at both ends of a connection itself.
"""
import contextlib
import ctypes
import errno
import functools
import hashlib
import itertools
import os
import resource
import socket
import struct
import threading
import time

from hosts import wait_until
from services import PATTERN, answer_from, packet_info

CLONE_NEWNET = 0x40000000
BOTH = (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM))
_libc = ctypes.CDLL(None, use_errno=True)
_CHUNKS = [memoryview(PATTERN)[i:i + (1 << 18)] for i in range(0, len(PATTERN), 1 << 18)]     # the last is shorter


def _enter(descriptor):
    if _libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def inside(path):
    """The calling thread, and no other, works in the network namespace at this path."""
    here, there = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open(path, os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(here)
        os.close(here)
        os.close(there)


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Place:
    """A network namespace, as the place where sockets are made."""

    def __init__(self, path):
        self.path = path

    def make(self, af, kind=socket.SOCK_STREAM, protocol=0):
        with inside(self.path):
            s = socket.socket(af, kind, protocol)
        s.settimeout(10)
        return s

    def endpoint(self, address, port):
        with inside(self.path):     # a scope is a name of an interface in there
            return socket.getaddrinfo(address, port, flags=socket.AI_NUMERICHOST)[0][4]

    def bound(self, address, port, kind=socket.SOCK_STREAM, backlog=1024):
        """A server's socket; "" as the address is both families at once."""
        s = self.make(family(address or "::"), kind)
        if s.family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address != "")
        if kind == socket.SOCK_STREAM:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(self.endpoint(address or "::", port))
        if kind == socket.SOCK_STREAM:
            s.listen(backlog)
        return s

    def connected(self, address, port, kind=socket.SOCK_STREAM, source=None, timeout=10):
        s = self.make(family(address), kind)
        try:
            s.settimeout(timeout)
            if source:
                s.bind(self.endpoint(source, 0))
            s.connect(self.endpoint(address, port))
        except BaseException:
            s.close()
            raise
        return s

    def connects(self, address, port, timeout=10):
        """A connection over TCP that is made and closed; OSError if it is refused. When the refusal comes at the very moment at which a
        socket begins to wait, the kernel may tell of no error, though there is no connection: then another one is tried."""
        for _ in range(3):
            with self.connected(address, port, timeout=timeout) as s, contextlib.suppress(OSError):
                s.getpeername()
                return
        raise OSError(errno.ENOTCONN, "neither connected nor refused")


def host_place(host):
    return Place(f"/run/netns/{host.name}")


def remote_place(host):
    return Place(f"/run/netns/{host.remote}")


def guest_place(guest):
    return Place(f"/proc/{guest.pid}/ns/net")


def plain(address):
    """An address as the tests write it: without scope and without the IPv4-mapped prefix."""
    return address.partition("%")[0].removeprefix("::ffff:")


def meet(client, server, address, port, kind, server_port=None, server_address="", source=None, timeout=3):
    """One exchange between two places; what the server saw of the client: (its address, the server's own address).

    A refusal is ConnectionError, silence is TimeoutError.
    """
    with server.bound(server_address, server_port or port, kind) as listener:
        listener.settimeout(timeout)
        if kind == socket.SOCK_DGRAM:
            return _meet_by_datagrams(client, listener, address, port, source, timeout)
        with client.connected(address, port, source=source, timeout=timeout) as c:
            with contextlib.ExitStack() as stack:
                accepted, peer = accept_or_end(listener, c, stack)
                c.sendall(b"question")
                accepted.settimeout(timeout)
                assert accepted.recv(100) == b"question"
                accepted.sendall(b"answer")
                assert c.recv(100) == b"answer"
                return plain(peer[0]), plain(accepted.getsockname()[0])


def accept_or_end(listener, client, stack):
    """Accepts; but if the client's connection ends meanwhile, raises what the client sees."""
    patience = listener.gettimeout(), client.gettimeout()
    deadline = time.monotonic() + patience[0]
    listener.setblocking(False)
    client.setblocking(False)
    try:
        while time.monotonic() < deadline:
            try:
                accepted, peer = listener.accept()
                return stack.enter_context(accepted), peer
            except BlockingIOError:
                pass
            try:
                if client.recv(1) == b"":
                    raise ConnectionResetError("closed instead of accepted")
            except BlockingIOError:
                pass
            time.sleep(0.002)
        raise TimeoutError("neither accepted nor refused")
    finally:
        listener.settimeout(patience[0])
        client.settimeout(patience[1])


def _meet_by_datagrams(client, listener, address, port, source, timeout):
    packet_info(listener, listener.family)
    with client.connected(address, port, socket.SOCK_DGRAM, source, timeout) as c:
        c.send(b"question")
        deadline = time.monotonic() + timeout
        listener.settimeout(0.02)
        while True:
            try:
                data, ancillary, _, peer = listener.recvmsg(100, 256)
                break
            except TimeoutError:
                c.settimeout(0.001)
                with contextlib.suppress(TimeoutError):
                    c.recv(1)       # a refusal is an error of the connected socket
                if time.monotonic() > deadline:
                    raise
        assert data == b"question"
        reply = answer_from(listener.family, ancillary)
        listener.sendmsg([b"answer"], reply, 0, peer)
        info = reply[0][2]
        own = socket.inet_ntop(listener.family, info[:16] if listener.family == socket.AF_INET6 else info[4:8])
        c.settimeout(timeout)
        assert c.recv(100) == b"answer"
        return plain(peer[0]), plain(own)


def _chunks(length):
    for view in itertools.cycle(_CHUNKS):
        if length <= 0:
            return
        yield view[:length]
        length -= len(view)


@functools.lru_cache(maxsize=None)
def digest_of(length):
    """The digest of what send_octets sends."""
    digest = hashlib.sha256()
    for view in _chunks(length):
        digest.update(view)
    return digest.hexdigest()


def send_octets(s, length):
    """Sends so much of the repeated pattern."""
    for view in _chunks(length):
        s.sendall(view)


def take_octets(s):
    """Reads to the end; (length, digest)."""
    digest, length, buffer = hashlib.sha256(), 0, bytearray(1 << 20)
    while n := s.recv_into(buffer):
        digest.update(memoryview(buffer)[:n])
        length += n
    return length, digest.hexdigest()


def exactly(s, length):
    """So many octets, or fewer at the end; MSG_WAITALL does not wait on a socket with a timeout."""
    data = b""
    while len(data) < length and (more := s.recv(length - len(data))):
        data += more
    return data


class Task(threading.Thread):
    """A thread with a result; join() raises what it raised."""

    def __init__(self, function, *args):
        super().__init__(daemon=True)
        self.function, self.args, self.value, self.error = function, args, None, None
        self.start()

    def run(self):
        try:
            self.value = self.function(*self.args)
        except BaseException as error:
            self.error = error

    def result(self, timeout=120):
        self.join(timeout)
        if self.is_alive():
            raise TimeoutError(f"{self.function.__name__} has not ended within {timeout} s")
        if self.error:
            raise self.error
        return self.value


def pair(client, server, address, port, server_port=None, server_address=""):
    """Both ends of one TCP connection: (client, server)."""
    with server.bound(server_address, server_port or port) as listener, contextlib.ExitStack() as stack:
        c = client.connected(address, port)
        try:
            accepted, _ = accept_or_end(listener, c, stack)
            stack.pop_all()
        except BaseException:
            c.close()
            raise
    accepted.settimeout(60)
    c.settimeout(60)
    return c, accepted


def reset(s):
    """Closes with RST."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def raise_descriptor_limit():
    """All the descriptors that the hard limit allows; the daemon inherits that."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def running_seconds(pid):
    """The processor time that all threads of a process have used, in the scheduler's own resolution."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def resident_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def anonymous_octets(pid):
    """Resident memory that is no file's, counted page by page: the sums in status may be off by some pages a processor."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(1024 * int(line.split()[1]) for line in f if line.startswith("Anonymous:"))


def descriptors(pid):
    """The open descriptors of a process, counted by what they are: socket, pipe, anon_inode, a path."""
    counts = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            kind = os.readlink(f"/proc/{pid}/fd/{name}").partition("[")[0].rstrip(":")
            counts[kind] = counts.get(kind, 0) + 1
    return counts


def settled(function, what, timeout=10):
    """Waits until a value stops changing, and returns it."""
    last = [object()]

    def same():
        value = function()
        if value == last[0]:
            return True
        last[0] = value
        time.sleep(0.3)
        return False
    wait_until(same, f"rest of {what}", timeout)
    return last[0]
