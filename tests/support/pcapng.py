"""A reader of pcapng, as strict as its draft, for what a capture of ours may hold."""
import struct
from collections import namedtuple

Frame = namedtuple("Frame", "time way octets length lost comment")
Capture = namedtuple("Capture", "interface snaplen frames received dropped")
SECTION, INTERFACE, STATISTICS, FRAME = 0x0A0D0D0A, 1, 5, 6


def options(octets):
    found = {}
    while octets:
        code, length = struct.unpack_from("=HH", octets)
        if code == 0:
            assert length == 0 and len(octets) == 4, "something stands behind the end of options"
            return found
        assert 4 + length <= len(octets)
        found[code] = octets[4:4 + length]
        octets = octets[4 + (length + 3) // 4 * 4:]
    return found


def blocks(octets):
    while octets:
        kind, length = struct.unpack_from("=II", octets)
        assert length % 4 == 0 and 12 <= length <= len(octets), (kind, length, len(octets))
        assert struct.unpack_from("=I", octets, length - 4) == (length,)
        yield kind, octets[8:length - 4]
        octets = octets[length:]


def read(octets):
    all_blocks = list(blocks(octets))
    (first, section), (second, interface), *rest = all_blocks
    assert first == SECTION and struct.unpack_from("=IHH", section) == (0x1A2B3C4D, 1, 0)
    assert second == INTERFACE
    link, _, snaplen = struct.unpack_from("=HHI", interface)
    about = options(interface[8:])
    assert link == 1 and about[9] == b"\x09", "Ethernet, nanoseconds"
    frames, received, dropped = [], None, None
    for kind, body in rest:
        if kind == FRAME:
            number, high, low, kept, length = struct.unpack_from("=IIIII", body)
            assert number == 0 and kept <= length and received is None
            said = options(body[20 + (kept + 3) // 4 * 4:])
            way = {1: "in", 2: "out"}[struct.unpack("=I", said[2])[0]]
            lost = struct.unpack("=Q", said[4])[0] if 4 in said else 0
            frames.append(Frame((high << 32 | low) / 1e9, way, body[20:20 + kept], length, lost, said.get(1, b"").decode()))
        else:
            assert kind == STATISTICS
            said = options(body[12:])
            received, dropped = (struct.unpack("=Q", said[code])[0] for code in (4, 5))
    return Capture(about[2].decode(), snaplen, frames, received, dropped)


def read_pcap(octets):
    """The frames of a classic capture, in microseconds and in this machine's order: (time, octets)."""
    assert struct.unpack_from("=I", octets) == (0xA1B2C3D4,)
    at, found = 24, []
    while at < len(octets):
        seconds, micros, kept, _ = struct.unpack_from("=IIII", octets, at)
        found.append((seconds + micros / 1e6, octets[at + 16:at + 16 + kept]))
        at += 16 + kept
    return found
