#!/usr/bin/env python3
"""Makes inputs for fuzz targets out of captures that pasta wrote (--pcap): from_capture.py CAPTURE... DIRECTORY

Each frame becomes an input of the target for its protocol in DIRECTORY/TARGET, and runs of the guest's frames, as they came, become
inputs of `plane`. What is worth keeping of them, tests/fuzz/keep.sh finds out, once they lie where run.sh lets the corpora grow:
build/fuzz/tests/fuzz/corpus.
"""
import hashlib
import pathlib
import struct
import sys

OUR_MAC = bytes.fromhex("9a559a559a55")     # what pasta's end of the link is called by default
ICMPV6_NEIGHBOURS = range(133, 138)         # RFC 4861 section 4
FRAMES_OF_A_RUN, LONGEST_FRAME = 24, 4095   # what an event of the plane target can carry


def frames(path):
    """The frames of a capture in microseconds, little-endian (the pcap file format, draft-ietf-opsawg-pcap)."""
    data = pathlib.Path(path).read_bytes()
    if data[:4] != b"\xd4\xc3\xb2\xa1":
        raise SystemExit(f"{path}: not a capture of pasta's")
    at = 24
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at + 16:at + 16 + length]
        at += 16 + length


def upper_of(frame):
    """Protocol and upper layer of an IP packet without extension headers."""
    if frame[12:14] == b"\x08\x00":
        return frame[23], frame[14 + 4 * (frame[14] & 15):]
    return frame[20], frame[54:]


def inputs(frame):
    """(target, octets) for each target that reads a part of the frame as it stands."""
    yield "classify", frame
    kind = frame[12:14]
    if kind == b"\x08\x06":
        yield "arp", frame[14:]
        return
    if kind not in (b"\x08\x00", b"\x86\xdd"):
        return
    protocol, upper = upper_of(frame)
    yield "ipv4" if kind == b"\x08\x00" else "ipv6", frame[14:]
    if protocol == 6:
        yield "tcp", upper
    elif protocol == 17:
        yield "udp", upper
        if upper[2:4] == b"\x00\x43":
            yield "dhcp", upper[8:]
    elif protocol == 58 and upper and upper[0] in ICMPV6_NEIGHBOURS:
        yield "ndp", frame[14:]


def run_of(some):
    """An input of the plane target: the choice of a set-up, and an event of 8 octets for each frame, with the frame behind it."""
    octets = bytearray([1])
    for frame in some:
        octets += bytes([0, 0, 1, 0, 0, 0]) + struct.pack(">H", len(frame)) + frame
    return bytes(octets)


def main(captures, directory):
    def put(target, octets):
        folder = directory / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha1(octets).hexdigest()).write_bytes(octets)

    for capture in captures:
        sent = []
        for frame in frames(capture):
            for target, octets in inputs(frame):
                put(target, octets)
            if frame[6:12] != OUR_MAC and len(frame) <= LONGEST_FRAME:
                sent.append(frame)
        for first in range(0, len(sent), FRAMES_OF_A_RUN):
            put("plane", run_of(sent[first:first + FRAMES_OF_A_RUN]))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(sys.argv[1:-1], pathlib.Path(sys.argv[-1]))
