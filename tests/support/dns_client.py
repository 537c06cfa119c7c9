"""Questions for TXT records, and their answers (RFC 1035), from any network namespace."""
import socket
import struct

TXT, EDNS = 16, 41


class ServerFailure(Exception):
    """SERVFAIL."""


def question(name, number):
    """A query for a TXT record, with room for large answers (RFC 6891)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 1) + labels + b"\0" + struct.pack("!HH", TXT, 1) + struct.pack("!BHHIH", 0, EDNS, 4096, 0, 0)


def text(answer, asked):
    """The text of the one TXT record in an answer to this query."""
    number, flags, _, answers = struct.unpack_from("!HHHH", answer)
    if number == struct.unpack_from("!H", asked)[0] and flags & 0x800f == 0x8002:
        raise ServerFailure
    if (number, flags & 0x820f, answers) != (struct.unpack_from("!H", asked)[0], 0x8000, 1):     # a response, whole, without error
        raise ValueError(f"an answer with flags {flags:04x} and {answers} records")
    at = len(asked) - 11 + 12                                                                   # behind the question; the name is a pointer
    length, = struct.unpack_from("!H", answer, at - 2)
    record, found = answer[at:at + length], []
    while record:
        found.append(record[1:1 + record[0]].decode())
        record = record[1 + record[0]:]
    return found


def ask(place, address, name, kind, timeout=5):
    """The text of a name, asked over TCP or UDP."""
    query = question(name, 4711)
    with place.connected(address, 53, kind, timeout=timeout) as s:
        if kind == socket.SOCK_DGRAM:
            s.send(query)
            return text(s.recv(65536), query)
        s.sendall(struct.pack("!H", len(query)) + query)
        answers = s.makefile("rb")
        length, = struct.unpack("!H", answers.read(2))
        return text(answers.read(length), query)
