"""Hostile contents of rings, and hostile descriptors and memory behind them, as a table; see vhost_hostile.py for its columns."""
import os

import frames
from hosts import HOST4, REMOTE4, ROUTER4
from vhost_guest import VhostGuest, virtio_header
from vhost_hostile import ALIVE, SERVED, TOP, opening
from vhost_memory import PAGE
from vhost_messages import Request, memory_table, u64
from vhost_ring import INDIRECT, NEXT, WRITE, descriptor

cases = []
RECEIVE, TRANSMIT = 0, 1


def case(name, stage, action, expected=ALIVE):
    cases.append((name, stage, action, expected))


def asked():
    return frames.arp_request(ROUTER4, HOST4)


def write_table(front, index, table, heads=(0,), lead=None):
    """Descriptors by their number, offered as these heads. What a front-end of good faith had put there is overwritten."""
    ring = front.rings[index]
    for at, octets in table.items():
        front.memory.write(ring.table + 16 * at, octets)
    for head in heads:
        ring.offer(head)
    front.memory.set_u16(ring.available + 2, ring.next_available if lead is None else front.memory.u16(ring.available + 2) + lead)
    ring.notify()


def poke(front):
    """Makes the device want to write to the receive queue."""
    front.rings[TRANSMIT].put(asked())
    front.rings[TRANSMIT].publish(True)


def scribble(front, octets=b"", size=PAGE):
    """Guest memory with a frame in it; its address."""
    start = front.memory.allocate(size, 16)
    front.memory.write(start, octets or bytes(12) + asked())
    return start


# ---- chains: name, descriptors by number as a function of (address of a frame, ring, end of a region), heads
CHAINS = (
    ("a head at the ring's size", lambda a, r, end: {}, lambda n: [n]), ("a head of 65535", lambda a, r, end: {}, lambda n: [0xffff]),
    ("next at the ring's size", lambda a, r, end: {0: descriptor(a, 12, NEXT, r.size)}, lambda n: [0]),
    ("next of 65535", lambda a, r, end: {0: descriptor(a, 12, NEXT, 0xffff)}, lambda n: [0]),
    ("a loop of one", lambda a, r, end: {0: descriptor(a, 12, NEXT, 0)}, lambda n: [0]),
    ("a loop of two", lambda a, r, end: {0: descriptor(a, 12, NEXT, 1), 1: descriptor(a, 12, NEXT, 0)}, lambda n: [0]),
    ("a loop of the whole ring", lambda a, r, end: {k: descriptor(a, 1, NEXT, (k + 1) % r.size) for k in range(r.size)}, lambda n: [0]),
    ("a loop of the whole ring, offered in full", lambda a, r, end: {k: descriptor(a, 1000, NEXT, (k + 1) % r.size) for k in range(r.size)}, lambda n: range(n)),
    ("one buffer offered as often as the ring is long", lambda a, r, end: {0: descriptor(a, 72)}, lambda n: [0] * n),
    ("length zero", lambda a, r, end: {0: descriptor(a, 0)}, lambda n: [0]),
    ("lengths zero in a chain", lambda a, r, end: {0: descriptor(a, 0, NEXT, 1), 1: descriptor(a, 0, NEXT, 2), 2: descriptor(a, 0)}, lambda n: [0]),
    ("length zero in the midst", lambda a, r, end: {0: descriptor(a, 12, NEXT, 1), 1: descriptor(a, 0, NEXT, 2), 2: descriptor(a + 12, 60)}, lambda n: [0]),
    ("a length of 2^32 - 1", lambda a, r, end: {0: descriptor(a, 0xffffffff)}, lambda n: [0]),
    ("no memory there", lambda a, r, end: {0: descriptor(1 << 50, 72)}, lambda n: [0]), ("an address of ones", lambda a, r, end: {0: descriptor(TOP, 72)}, lambda n: [0]),
    ("an address that wraps", lambda a, r, end: {0: descriptor(TOP - 60, 72)}, lambda n: [0]),
    ("half of it behind the memory", lambda a, r, end: {0: descriptor(end - 36, 72)}, lambda n: [0]), ("behind the memory", lambda a, r, end: {0: descriptor(end, 72)}, lambda n: [0]),
    ("a good header, then no memory", lambda a, r, end: {0: descriptor(a, 12, NEXT, 1), 1: descriptor(1 << 50, 72)}, lambda n: [0]),
    ("more than 64 KiB", lambda a, r, end: {k: descriptor(a, PAGE, NEXT * (k < 31), k + 1) for k in range(32)}, lambda n: [0]),
    ("more than 2^32 octets", lambda a, r, end: {k: descriptor(r.memory.regions[-1].guest, 0xb00000 >> 4 << 4, NEXT * (k < r.size - 1), k + 1) for k in range(r.size)}, lambda n: [0]),
    ("lengths whose sum wraps", lambda a, r, end: {0: descriptor(a, 0xffffffff, NEXT, 1), 1: descriptor(a, 73)}, lambda n: [0]),
    ("unknown flags", lambda a, r, end: {0: descriptor(a, 72, 0xfff8)}, lambda n: [0]),
    ("the ring's own table", lambda a, r, end: {0: descriptor(r.table, 16 * r.size)}, lambda n: [0]), ("the used ring", lambda a, r, end: {0: descriptor(r.used, 6 + 8 * r.size)}, lambda n: [0]),
)


def _indirect(length, entries, flags=INDIRECT, at=None):
    """A table of entries elsewhere, announced with a length."""
    def table(front, ring, frame, write):
        where = scribble(front, b"".join(entries(frame, write)) or bytes(16), max(PAGE, 16 * (ring.size + 2))) if at is None else at(front)
        return {0: descriptor(where, length(ring), flags, 1 if flags & NEXT else 0), 1: descriptor(frame, 72, write)}
    return table


def _behind(front):
    return front.memory.regions[-1].guest + front.memory.regions[-1].size


INDIRECTS = (
    ("nested", _indirect(lambda r: 16, lambda a, w: [descriptor(a, 16, INDIRECT)])), ("empty", _indirect(lambda r: 0, lambda a, w: [])),
    ("not a multiple of 16", _indirect(lambda r: 17, lambda a, w: [descriptor(a, 72, w)] * 2)), ("of 15 octets", _indirect(lambda r: 15, lambda a, w: [descriptor(a, 72, w)])),
    ("longer than the ring", _indirect(lambda r: 16 * (r.size + 1), lambda a, w: [descriptor(a, 1, w | NEXT, k + 1) for k in range(65)] + [descriptor(a, 1, w)])),
    ("of 2^32 - 16 octets", _indirect(lambda r: 0xfffffff0, lambda a, w: [descriptor(a, 72, w)])),
    ("outside memory", _indirect(lambda r: 16, None, at=lambda front: 1 << 50)), ("that wraps", _indirect(lambda r: 32, None, at=lambda front: TOP - 15)),
    ("half behind the memory", _indirect(lambda r: 64, None, at=lambda front: _behind(front) - 32)), ("at an odd address", _indirect(lambda r: 32, None, at=lambda front: _behind(front) - 77)),
    ("with a loop", _indirect(lambda r: 32, lambda a, w: [descriptor(a, 36, w | NEXT, 1), descriptor(a, 36, w | NEXT, 0)])),
    ("with next outside of it", _indirect(lambda r: 32, lambda a, w: [descriptor(a, 36, w | NEXT, 2), descriptor(a, 36, w)])),
    ("with next of 65535", _indirect(lambda r: 32, lambda a, w: [descriptor(a, 36, w | NEXT, 65535), descriptor(a, 36, w)])),
    ("that another descriptor follows", _indirect(lambda r: 16, lambda a, w: [descriptor(a, 72, w)], INDIRECT | NEXT)),
    ("that is to be written", _indirect(lambda r: 16, lambda a, w: [descriptor(a, 72, w)], INDIRECT | WRITE)),
    ("with lengths zero only", _indirect(lambda r: 32, lambda a, w: [descriptor(a, 0, w | NEXT, 1), descriptor(a, 0, w)])),
)


def _writable(table, index):
    """For the receive queue the same with buffers that may be written."""
    if index == TRANSMIT:
        return table
    return {k: octets[:12] + bytes([octets[12] | WRITE]) + octets[13:] for k, octets in table.items()}


def _chain(front, index, table, heads):
    ring, start = front.rings[index], scribble(front)
    # of the receive queue only what is hostile is there
    ring.next_available = front.memory.u16(ring.available + 2)
    write_table(front, index, _writable(table(start, ring, _behind(front)), index), list(heads(ring.size)))
    if index == RECEIVE:
        poke(front)


def _indirect_case(front, index, table):
    ring = front.rings[index]
    write_table(front, index, table(front, ring, scribble(front), WRITE if index == RECEIVE else 0))
    if index == RECEIVE:
        poke(front)


def _chains():
    for index, queue, stage in ((TRANSMIT, "transmit", "running"), (RECEIVE, "receive", "starved")):
        for name, table, heads in CHAINS:
            case(f"{queue}: {name}", stage, lambda front, index=index, table=table, heads=heads: _chain(front, index, table, heads))
        for name, table in INDIRECTS:
            for features in ("", " indirect"):
                case(f"{queue}: a table {name}{features and ', negotiated'}", stage + features, lambda front, index=index, table=table: _indirect_case(front, index, table))
        for lead in (65, 128, 0x8000, 0xfffe, 0xffff):
            case(f"{queue}: an index that leads by {lead}", stage, lambda front, index=index, lead=lead: (write_table(front, index, {}, (), lead), index == RECEIVE and poke(front)))
    case("transmit: a buffer for writing", "running", lambda front: write_table(front, TRANSMIT, {0: descriptor(scribble(front), 72, WRITE)}))
    case("transmit: a header for reading, a frame for writing", "running",
         lambda front: write_table(front, TRANSMIT, {0: descriptor(a := scribble(front), 12, NEXT, 1), 1: descriptor(a + 12, 60, WRITE)}))
    case("receive: a buffer for reading", "starved", lambda front: (write_table(front, RECEIVE, {0: descriptor(scribble(front), 2048)}), poke(front)))
    case("receive: a header for writing, the rest for reading", "starved",
         lambda front: (write_table(front, RECEIVE, {0: descriptor(a := scribble(front), 12, WRITE | NEXT, 1), 1: descriptor(a + 12, 2000)}), poke(front)))
    for length in (1, 2, 11, 12, 13, 25, 26, 71):
        case(f"receive: buffers of {length} octets", "starved",
             lambda front, length=length: (write_table(front, RECEIVE, {k: descriptor(scribble(front, size=128), length, WRITE) for k in range(8)}, range(8)), poke(front)))


# ---- frames and their headers

def _frames():
    for length in range(14):
        case(f"a frame of {length} octets", "running", lambda front, length=length: _sent(front, [(bytes(12), asked()[:length])]))
    for length in range(12):
        case(f"a virtio header of {length} octets", "running",
             lambda front, length=length: write_table(front, TRANSMIT, {0: descriptor(scribble(front), length)}))
    for cut in range(1, 12):
        case(f"a virtio header divided after {cut} octets", "running", lambda front, cut=cut: _sent(front, [(bytes(12), asked())], (cut,)), SERVED)
    datagram = frames.udp(HOST4, 5000, REMOTE4, 7, bytes(1000), True)
    segment = frames.tcp(HOST4, 5001, REMOTE4, 7, 1, 1, 16, 1000, bytes(60000), partial=True)
    headers = {"a checksum that starts behind the frame": dict(flags=1, start=2000, offset=6), "a checksum at 65535": dict(flags=1, start=65535, offset=65535),
               "a checksum whose place is behind the frame": dict(flags=1, start=34, offset=2000), "a checksum whose place is the last octet": dict(flags=1, start=34, offset=1007),
               "a checksum of the Ethernet header": dict(flags=1), "all flags": dict(flags=255), "a number of buffers": dict(buffers=65535),
               "segments of no length": dict(flags=1, gso=1, gso_size=0, start=34, offset=16), "segments of one octet": dict(flags=1, gso=1, gso_size=1, start=34, offset=16),
               "segments of 65535": dict(flags=1, gso=1, gso_size=65535, start=34, offset=16), "a header length of 65535": dict(flags=1, gso=1, gso_size=1000, header_length=65535, start=34, offset=16),
               "a header length of zero": dict(flags=1, gso=1, gso_size=1000, start=34, offset=16), "segments without a checksum": dict(gso=1, gso_size=1000),
               **{f"gso type {kind:#x}": dict(flags=1, gso=kind, gso_size=1000, header_length=54, start=34, offset=16) for kind in (2, 3, 4, 5, 6, 0x7f, 0x80, 0x81, 0xff)}}
    for name, words in headers.items():
        for what, frame in (("a datagram", datagram), ("60000 octets", segment), ("ARP", asked()), ("20 octets", datagram[:20])):
            case(f"{name}, on {what}", "running offload", lambda front, words=words, frame=frame: _sent(front, [(virtio_header(**words), frame)]))
    case("the longest frame there can be", "running", lambda front: _sent(front, [(bytes(12), frames.udp(HOST4, 5000, REMOTE4, 7, bytes(65000)))]))
    case("a frame longer than that", "running", lambda front: _sent(front, [(bytes(12), asked() + bytes(65535))]))


def _sent(front, pairs, cuts=()):
    VhostGuest(front).send_marked(*pairs, cuts=cuts)


# ---- memory and descriptors

def _memory():
    for left in (0, PAGE, 2 << 20):
        for which in (0, 1):
            case(f"file {which} cut to {left} octets under running rings", "running unsealed", lambda front, left=left, which=which: _truncate(front, which, left))
    for way in ("REM_MEM_REG", "SET_MEM_TABLE"):
        for which in (0, 1):
            case(f"region {which} removed under running rings by {way}", "slots" if way == "REM_MEM_REG" else "running unsealed",
                 lambda front, way=way, which=which: _remove(front, way, which))


def _truncate(front, which, left):
    front.rings[TRANSMIT].put(asked())
    front.rings[TRANSMIT].memory.set_u16(front.rings[TRANSMIT].available + 2, 1)
    os.ftruncate(front.memory.regions[which].file.fd, left)
    os.eventfd_write(front.rings[TRANSMIT].kick, 1)
    os.eventfd_write(front.rings[RECEIVE].kick, 1)


def _remove(front, way, which):
    region = front.memory.regions[which]
    if way == "REM_MEM_REG":
        front.remove_region(region)
    else:
        others = [r for r in front.memory.regions if r is not region]
        front.link.send(Request.SET_MEM_TABLE, memory_table([r.description() for r in others]), [r.file.fd for r in others])
    poke(front)


WORDS = ("pipe", "pipe_writer", "directory", "null", "zero", "full", "readonly", "path", "busy_eventfd", "full_eventfd", "socket", "short", "full_pipe")


def _descriptors():
    for request in (Request.SET_VRING_KICK, Request.SET_VRING_CALL, Request.SET_VRING_ERR):
        for word in WORDS:
            for index in (RECEIVE, TRANSMIT):
                case(f"{request.name} of ring {index}: {word}", "running", lambda front, request=request, word=word, index=index: _swap(front, request, word, index))


def _swap(front, request, word, index):
    fd = opening(word)
    try:
        front.link.send(request, u64(index), [fd])
    finally:
        os.close(fd)
    poke(front)
    poke(front)


for _fill in (_chains, _frames, _memory, _descriptors):
    _fill()
