"""A guest that moves from one host to another, with its memory and its queues, as QEMU has it: both hosts have the same addresses, and one
wire after the other leads to them.

The state of the back-end goes through a pipe between SET_DEVICE_STATE_FD and CHECK_DEVICE_STATE, while no ring runs.
"""
import os
import select
import struct
import subprocess
import time

import cleanup
from hosts import SimulatedHost, run
from passt import Passt
from vhost_messages import VERSION, Link, Request

SAVE, LOAD = 0, 1
NO_DESCRIPTOR = 0x100
PORTS = ("port0", "port1")


class MovingHosts:
    """Two hosts with one address; `wire(n)` says which of them the world sees."""

    def __init__(self):
        self.hosts = [SimulatedHost(), SimulatedHost()]
        first, second = self.hosts
        self.remote = first.remote
        mac = "02:00:00:00:00:02"
        for host, port in zip(self.hosts, PORTS):
            host.ip("link", "del", "eth0")
            run("ip", "-n", host.name, "link", "add", "eth0", "address", mac, "type", "veth", "peer", "name", port, "netns", self.remote)
        for bridge, address in (("eth0", "02:00:00:00:01:01"), ("nowhere", "02:00:00:00:01:02")):     # else they would have a port's
            run("ip", "-n", self.remote, "link", "add", bridge, "address", address, "type", "bridge", "forward_delay", 0)
        run("ip", "netns", "exec", self.remote, "sysctl", "-qw", "net.ipv4.conf.nowhere.arp_ignore=1")
        for device in ("eth0", "nowhere", *PORTS):
            run("ip", "-n", self.remote, "link", "set", device, "up")
        for host in self.hosts:
            host.ip("link", "set", "eth0", "up")
        self.wire(0)
        first._address_router()
        for host in self.hosts:
            host._configure_host(True, True, True)

    def wire(self, number):
        for other, port in enumerate(PORTS):
            run("ip", "-n", self.remote, "link", "set", port, "master", "eth0" if other == number else "nowhere")

    def close(self):
        for host in reversed(self.hosts):
            host.close()


class PeerPasst(Passt):
    """Upstream's passt, in its own folder beside ours."""

    def __init__(self, host, programs, *options, **more):
        self.programs = programs
        super().__init__(_With(host, programs), *options, **more)


class _With:
    """A host that has the programs of another folder."""

    def __init__(self, host, folder):
        self._host, self._folder = host, folder
        kept = f"{host.dir}/peers"
        if not os.path.isdir(kept):
            os.mkdir(kept)
            os.chmod(kept, 0o755)
            for name in os.listdir(folder):
                if name.startswith(("passt", "pasta")):
                    run("cp", "-L", os.path.join(folder, name), kept)

    def __getattr__(self, name):
        return getattr(self._host, name)

    def binary(self, name="passt"):
        return f"{self._host.dir}/peers/{name}"


def helper(host, program, path):
    """passt-repair, as root of the host's network namespace."""
    process = subprocess.Popen(host.argv([program, path]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    cleanup.at_exit(cleanup.end_process, process)
    return process


def set_state_fd(link, direction, fd, phase=0):
    """The number that is answered."""
    answer = link.ask(Request.SET_DEVICE_STATE_FD, struct.pack("<II", direction, phase), [fd])
    return struct.unpack("<Q", answer)[0]


def check_state(link):
    return struct.unpack("<Q", link.ask(Request.CHECK_DEVICE_STATE))[0]


def save(link, limit=10):
    """The state of a back-end whose rings do not run, and what the check says."""
    read, write = os.pipe()
    answer = set_state_fd(link, SAVE, write)
    os.close(write)
    if answer != NO_DESCRIPTOR:
        os.close(read)
        raise AssertionError(f"answered {answer:#x}")
    state, end = bytearray(), time.monotonic() + limit
    while select.select([read], [], [], max(0, end - time.monotonic()))[0]:
        part = os.read(read, 1 << 20)
        if not part:
            break
        state += part
    else:
        raise TimeoutError(f"{len(state)} octets of state, and no end")
    os.close(read)
    return bytes(state), check_state(link)


def load(link, state):
    """What the check says of it."""
    read, write = os.pipe()
    answer = set_state_fd(link, LOAD, read)
    os.close(read)
    if answer != NO_DESCRIPTOR:
        os.close(write)
        raise AssertionError(f"answered {answer:#x}")
    try:
        with open(write, "wb", buffering=0) as into:
            while state:
                state = state[into.write(state):]
    except BrokenPipeError:
        pass
    return check_state(link)


def change_back_end(front, path):
    """Another back-end for a guest whose rings have been stopped: its connection, on which nothing runs yet. The one before stays open, and is
    returned."""
    before = front.link
    front.link = Link(path)
    front.connect = path
    front._first("owner", "get_features", "negotiate", "queues")
    front._each_ring([word for word in front.order.hello if word in ("call", "err")])
    return before
