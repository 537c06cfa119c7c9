"""Hostile messages of a vhost-user front-end, as a table. A case is (name, stage, what is done with a front-end, what is expected).

stage: "hello" has negotiated, "running" has a ring that works. expected: "alive" (the daemon is; the connection may end), or "served" (so
is the connection: what was done is allowed, or to be ignored).
"""
import os
import socket
import struct

from vhost_memory import MIB, PAGE, File
from vhost_messages import (HEADER, NEED_REPLY, NO_DESCRIPTOR, REPLY, VERSION, Request, log_area, memory_table, single_region,
                            u64, vring_addresses, vring_state)

ALIVE, SERVED = "alive", "served"
TOP = (1 << 64) - 1
FAR_INDEXES = (32, 64, 255, 0xffff, 1 << 31, 0xffffffff)
SIZES = (0, 3, 100, 1023, 1025, 32767, 32769, 65535, 65536, 1 << 31, 0xffffffff)
STATES = (Request.SET_VRING_NUM, Request.SET_VRING_BASE, Request.GET_VRING_BASE, Request.SET_VRING_ENABLE)
DESCRIPTORS = (Request.SET_VRING_KICK, Request.SET_VRING_CALL, Request.SET_VRING_ERR)
SMALLEST_PAYLOAD = {Request.SET_FEATURES: 8, Request.SET_MEM_TABLE: 40, Request.SET_LOG_BASE: 16, Request.SET_VRING_NUM: 8, Request.SET_VRING_ADDR: 40,
                    Request.SET_VRING_BASE: 8, Request.GET_VRING_BASE: 8, Request.SET_VRING_KICK: 8, Request.SET_VRING_CALL: 8, Request.SET_VRING_ERR: 8,
                    Request.SET_PROTOCOL_FEATURES: 8, Request.SET_VRING_ENABLE: 8, Request.SEND_RARP: 8, Request.NET_SET_MTU: 8,
                    Request.ADD_MEM_REG: 40, Request.REM_MEM_REG: 40, Request.SET_DEVICE_STATE_FD: 8}
cases = []


def case(name, stage, action, expected=ALIVE):
    cases.append((name, stage, action, expected))


def message(name, stage, request, payload=b"", fds=(), flags=VERSION, size=None, expected=ALIVE):
    """One message. fds: names of things to open."""
    def action(front):
        opened = [opening(word) for word in fds]
        try:
            front.link.send(request, payload, opened, flags, size)
        finally:
            for fd in opened:
                os.close(fd)
    case(name, stage, action, expected)


def opening(word):
    """A descriptor that somebody might send."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    chosen = {"pipe": lambda: os.dup(reader), "pipe_writer": lambda: os.dup(writer), "directory": lambda: os.open("/", os.O_RDONLY),
              "null": lambda: os.open("/dev/null", os.O_RDWR), "zero": lambda: os.open("/dev/zero", os.O_RDWR), "full": lambda: os.open("/dev/full", os.O_RDWR),
              "readonly": lambda: os.open("/proc/self/exe", os.O_RDONLY), "path": lambda: os.open("/", os.O_PATH), "eventfd": lambda: os.eventfd(0),
              "busy_eventfd": lambda: os.eventfd(5, os.EFD_SEMAPHORE), "full_eventfd": _full_eventfd, "short": lambda: _memfd(PAGE), "empty": lambda: _memfd(0),
              "good": lambda: _memfd(MIB), "socket": _lone_socket, "full_pipe": lambda: _filled(writer)}[word]()
    os.close(reader) if word != "full_pipe" else kept.append(reader)
    os.close(writer)
    return chosen


kept = []       # the other ends of what must not look closed


def _memfd(size):
    fd = os.memfd_create("hostile")
    os.ftruncate(fd, size)
    return fd


def _full_eventfd():
    fd = os.eventfd(0)
    os.eventfd_write(fd, TOP - 1)
    return fd


def _lone_socket():
    one, other = socket.socketpair()
    other.close()
    return one.detach()


def _filled(writer):
    try:
        while True:
            os.write(writer, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writer, True)
    return os.dup(writer)


def _indexes():
    for request in STATES:
        for index in FAR_INDEXES:
            message(f"{request.name} of ring {index}", "hello", request, vring_state(index, 1))
            message(f"{request.name} of ring {index}, running, acknowledged", "running", request, vring_state(index, 1), flags=VERSION | NEED_REPLY)
    for index in FAR_INDEXES:
        message(f"SET_VRING_ADDR of ring {index}", "running", Request.SET_VRING_ADDR, vring_addresses(index, 0, PAGE, 2 * PAGE, 3 * PAGE, 0))
    for request in DESCRIPTORS:
        for index in (32, 64, 255, 1 << 9, 1 << 32, TOP ^ NO_DESCRIPTOR):
            message(f"{request.name} of ring {index:#x}", "running", request, u64(index), ["eventfd"])
        for index in (0, 1, 32, 255):
            message(f"{request.name} of ring {index} that names a descriptor and has none", "running", request, u64(index))
            message(f"{request.name} of ring {index} that names none and has one", "running", request, u64(index | NO_DESCRIPTOR), ["eventfd"])


def _sizes():
    for size in SIZES:
        for index in (0, 1):
            message(f"SET_VRING_NUM {size} of running ring {index}", "running", Request.SET_VRING_NUM, vring_state(index, size))
        case(f"a start with rings of {size}", "hello", lambda front, size=size: _start_with_size(front, size))
    for base in (65536, 1 << 31, 0xffffffff, 0xffff, 1000):
        case(f"a start at base {base}", "hello", lambda front, base=base: _start_at(front, base))
        message(f"SET_VRING_BASE {base} of a running ring", "running", Request.SET_VRING_BASE, vring_state(0, base))


def _start_with_size(front, size):
    front._num = lambda index: front.tell("num", Request.SET_VRING_NUM, vring_state(index, size))
    front.start()


def _start_at(front, base):
    front.bases = {0: base, 1: base}
    front.start()
    front.rings[1].notify()


def _addresses():
    for part, which in enumerate(("table", "used", "available")):
        for name, wrong in (("unaligned", lambda a, r: a + 1), ("null", lambda a, r: 0), ("outside", lambda a, r: 0x10_0000), ("last octet", lambda a, r: r.user + r.size - 1),
                            ("end", lambda a, r: r.user + r.size), ("wrapping", lambda a, r: TOP & ~15), ("all ones", lambda a, r: TOP),
                            ("a guest address", lambda a, r: r.guest), ("half of it outside", lambda a, r: r.user + r.size - 64)):
            for stage in ("hello", "running"):
                case(f"{which}: {name}, {stage}", stage, lambda front, part=part, wrong=wrong, stage=stage: _start_elsewhere(front, part, wrong, stage))
    for flags in (1, 2, 0xffffffff):
        for log in (0, TOP, 1 << 63):
            message(f"SET_VRING_ADDR with flags {flags:#x}, log {log:#x}", "hello", Request.SET_VRING_ADDR, vring_addresses(0, flags, PAGE, PAGE, PAGE, log))


def _start_elsewhere(front, part, wrong, stage):
    region = front.memory.regions[0]

    def address(index):
        ring = front.rings[index]
        where = [front.memory.user(a) for a in (ring.table, ring.used, ring.available)]
        where[part] = wrong(where[part], region)
        front.tell("addr", Request.SET_VRING_ADDR, vring_addresses(index, 0, *where, 0))
    front._addr = address
    if stage == "hello":
        return front.start()
    address(0)
    address(1)
    front.rings[1].notify()


USER = 0x7f00_0000_0000
# name, regions, descriptors
REGIONS = (
    ("of length zero", [(0, 0, USER, 0)], ["good"]), ("of one octet", [(0, 1, USER, 0)], ["good"]), ("of every length", [(0, TOP, 0, 0)], ["good"]),
    ("that wraps in guest addresses", [(TOP - PAGE, MIB, USER, 0)], ["good"]), ("that wraps in user addresses", [(0, MIB, TOP - PAGE, 0)], ["good"]),
    ("that ends at 2^64", [(TOP - MIB + 1, MIB, TOP - MIB + 1, 0)], ["good"]), ("whose offset wraps", [(0, MIB, USER, TOP - PAGE)], ["good"]),
    ("whose offset is 2^63", [(0, MIB, USER, 1 << 63)], ["good"]), ("whose offset is not of a page", [(0, PAGE, USER, 1)], ["good"]),
    ("whose offset is behind the file", [(0, PAGE, USER, MIB)], ["good"]), ("longer than the file", [(0, 2 * MIB, USER, 0)], ["good"]),
    ("longer than the file by its offset", [(0, MIB, USER, PAGE)], ["good"]), ("of 2^47 octets", [(0, 1 << 47, USER, 0)], ["good"]),
    ("of an empty file", [(0, MIB, USER, 0)], ["empty"]), ("of too short a file", [(0, MIB, USER, 0)], ["short"]), ("without a descriptor", [(0, MIB, USER, 0)], []),
    ("with two descriptors", [(0, MIB, USER, 0)], ["good", "good"]),
    *((f"of {word}", [(0, MIB, USER, 0)], [word]) for word in ("pipe", "directory", "null", "zero", "readonly", "path", "eventfd", "socket")))
TABLES = (
    ("of two that overlap in guest addresses", [(0, MIB, USER, 0), (MIB - PAGE, MIB, 2 * USER, 0)], ["good"] * 2),
    ("of two that overlap in user addresses", [(0, MIB, USER, 0), (2 * MIB, MIB, USER + PAGE, 0)], ["good"] * 2),
    ("of two that are one", [(0, MIB, USER, 0)] * 2, ["good"] * 2), ("of one within another", [(0, MIB, USER, 0), (PAGE, PAGE, USER + PAGE, 0)], ["good"] * 2),
    ("of two with one descriptor", [(0, MIB, USER, 0), (2 * MIB, MIB, 2 * USER, 0)], ["good"]), ("of none", [], []), ("of none with a descriptor", [], ["good"]),
    *((f"of {n}", [(2 * k * MIB, MIB, USER + 2 * k * MIB, 0) for k in range(n)], ["good"] * min(n, 100)) for n in (8, 9, 32, 33, 100, 509, 510)))


def _regions():
    for name, regions, fds in (*REGIONS, *TABLES):
        for stage in ("hello", "running"):
            message(f"SET_MEM_TABLE {name}, {stage}", stage, Request.SET_MEM_TABLE, memory_table(regions), fds)
    for name, regions, fds in REGIONS:
        message(f"ADD_MEM_REG {name}", "slots", Request.ADD_MEM_REG, single_region(*regions[0]), fds, VERSION | NEED_REPLY)
    for count in (0, 1, 3, 9, 1 << 31, 0xffffffff):
        message(f"SET_MEM_TABLE that counts {count} of 2 regions", "hello", Request.SET_MEM_TABLE,
                memory_table([(0, MIB, USER, 0), (2 * MIB, MIB, 2 * USER, 0)], count), ["good"] * 2)
    for name, region in (("nobody added", (1 << 50, MIB, USER, 0)), ("of length zero", (0, 0, 0, 0)), ("of every length", (0, TOP, 0, 0))):
        for fds in ([], ["good"], ["good"] * 8):
            message(f"REM_MEM_REG of a region {name}, {len(fds)} descriptors", "slots", Request.REM_MEM_REG, single_region(*region), fds, VERSION | NEED_REPLY)
    case("REM_MEM_REG of a region, with its descriptor, a hundred times", "slots", _remove_often)
    case("ADD_MEM_REG of more regions than there may be", "slots", _add_many)


def _remove_often(front):
    region = front.memory.regions[-1]
    for _ in range(100):
        front.link.acknowledgement(Request.REM_MEM_REG, single_region(*region.description()), [region.file.fd])
        front.link.acknowledgement(Request.ADD_MEM_REG, single_region(*region.description()), [region.file.fd])


def _add_many(front):
    file = File(PAGE)
    try:
        for n in range(600):
            front.link.tell(Request.ADD_MEM_REG, single_region((1 << 50) + n * PAGE, PAGE, (1 << 45) + n * PAGE, 0), [file.fd], True)
    finally:
        file.close()


def _surplus():
    for request in Request:
        payload = bytes(SMALLEST_PAYLOAD.get(request, 0))
        message(f"{request.name} with a descriptor in surplus", "hello", request, payload, ["eventfd"] * 2)
        if request in SMALLEST_PAYLOAD:
            for size in (0, len(payload) - 1, 4096):
                message(f"{request.name} of {size} octets", "hello", request, bytes(size))
    for request in (Request.GET_FEATURES, Request.SET_VRING_KICK, Request.SET_MEM_TABLE, Request.REM_MEM_REG, 77):
        message(f"request {request:d} with 250 descriptors", "running", request, bytes(SMALLEST_PAYLOAD.get(request, 0)), ["eventfd"] * 250)


def _unknown():
    for number in (0, 44, 45, 100, 1000, 0x7fffffff, 0xffffffff):
        message(f"unknown request {number}", "running", number, expected=SERVED)
        message(f"unknown request {number} with 40 octets and a descriptor", "running", number, bytes(40), ["good"], expected=SERVED)
        case(f"unknown request {number}, acknowledged", "running", lambda front, number=number: _is_refused(front, number), SERVED)
    for request in (Request.RESET_OWNER, *list(Request)[20:35], *list(Request)[38:41]):
        message(f"{request.name}, which is not offered", "running", request, bytes(8))
        message(f"{request.name}, which is not offered, acknowledged", "running", request, bytes(8), flags=VERSION | NEED_REPLY)


def _is_refused(front, number):
    if front.link.acknowledgement(number) == 0:
        raise AssertionError("an unknown request succeeded")


def _headers():
    for request in (Request.GET_FEATURES, Request.SET_FEATURES, Request.SET_MEM_TABLE, Request.GET_VRING_BASE, Request.GET_QUEUE_NUM, 77):
        message(f"request {request:d} marked as a reply", "running", request, bytes(SMALLEST_PAYLOAD.get(request, 0)), flags=VERSION | REPLY)
        message(f"request {request:d} marked as a reply that wants one", "running", request, bytes(8), flags=VERSION | REPLY | NEED_REPLY)
    for flags in (0, 2, 3, 0xfffffff2, 0xffffffff):
        message(f"flags {flags:#x}", "running", Request.GET_FEATURES, flags=flags)
    for size in (4097, 65536, 1 << 20, 1 << 31, 0xffffffff):
        for request in (Request.GET_FEATURES, Request.SET_MEM_TABLE, 77):
            message(f"request {request:d} that announces {size} octets", "running", request, bytes(64), size=size)
    whole = {"GET_FEATURES": (HEADER.pack(Request.GET_FEATURES, VERSION, 0), []),
             "SET_VRING_NUM": (HEADER.pack(Request.SET_VRING_NUM, VERSION, 8) + vring_state(0, 256), []),
             "SET_VRING_KICK": (HEADER.pack(Request.SET_VRING_KICK, VERSION, 8) + u64(0), ["eventfd"]),
             "SET_MEM_TABLE": (HEADER.pack(Request.SET_MEM_TABLE, VERSION, 40) + memory_table([(0, MIB, USER, 0)]), ["good"])}
    for name, (octets, fds) in whole.items():
        for end in range(1, len(octets)):
            case(f"{name} cut after {end} octets", "hello", lambda front, cut=octets[:end], fds=fds: _cut(front, cut, fds))


def _cut(front, octets, fds):
    opened = [opening(word) for word in fds]
    try:
        front.link.send_octets(octets, opened)
        front.link.socket.shutdown(socket.SHUT_WR)
    finally:
        for fd in opened:
            os.close(fd)


def _logs():
    for name, area, fds in (("without a descriptor", log_area(PAGE), []), ("of no octets", log_area(0), ["good"]), ("of all octets", log_area(TOP), ["good"]),
                            ("longer than its file", log_area(2 * MIB), ["good"]), ("whose offset wraps", log_area(PAGE, TOP), ["good"]),
                            ("at an odd offset", log_area(PAGE, 3), ["good"]), ("behind its file", log_area(PAGE, MIB), ["good"]), ("of an empty file", log_area(PAGE), ["empty"]),
                            *((f"of {word}", log_area(PAGE), [word]) for word in ("pipe", "directory", "null", "eventfd", "socket"))):
        message(f"SET_LOG_BASE {name}", "running", Request.SET_LOG_BASE, area, fds)
    for word in ("pipe", "directory", "null", "full_pipe", "full_eventfd"):
        message(f"SET_LOG_FD of {word}", "running", Request.SET_LOG_FD, b"", [word])
    case("a log that is too small for the memory", "running", _small_log)
    for direction, phase in ((0, 1), (2, 0), (0xffffffff, 0), (1, 0), (0, 0)):
        message(f"SET_DEVICE_STATE_FD {direction} {phase} of {'directory'}", "running", Request.SET_DEVICE_STATE_FD, struct.pack("<II", direction, phase), ["directory"])


def _small_log(front):
    file = File(PAGE)
    try:
        front.link.ask(Request.SET_LOG_BASE, log_area(8), [file.fd])
        front._log_to(True)
        front.rings[1].notify()
    finally:
        file.close()


for _fill in (_indexes, _sizes, _addresses, _regions, _surplus, _unknown, _headers, _logs):
    _fill()
