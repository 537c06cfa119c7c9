"""Questions to name servers, and servers that know the texts small.test and large.test and the host here.test."""
import socket
import struct

SMALL, LARGE = 100, 4000
TXT, EDNS = 16, 41
SERVFAIL, REFUSED = 2, 5


def words(length):
    """The strings of a TXT record with so many octets of text."""
    return ["%c" % (97 + i // 250 % 26) * min(250, length - i) for i in range(0, length, 250)]


def question(name, number):
    """A query for a TXT record, with room for large answers (RFC 6891)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 1) + labels + b"\0" + struct.pack("!HH", TXT, 1) + struct.pack("!BHHIH", 0, EDNS, 4096, 0, 0)


class ServerFailure(ValueError):
    """SERVFAIL instead of an answer."""


def text(answer, asked):
    """The text of the one TXT record in an answer to this query."""
    number, flags, _, answers = struct.unpack_from("!HHHH", answer)
    if flags & 0x800f == 0x8000 | SERVFAIL:
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


DNSMASQ = ("dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--user=root", "--pid-file", "--bind-interfaces", "--edns-packet-max=4096",
           "--host-record=here.test,192.0.2.99,2001:db8::99", *(f"--txt-record={name}.test,{','.join(words(length))}" for name, length in (("small", SMALL), ("large", LARGE))))


def failing_server(place, address, code):
    """A socket that gets queries, and a function that answers one of them with that code."""
    s = place.bound(address, 53, socket.SOCK_DGRAM)

    def answer():
        query, client = s.recvfrom(65536)
        number, flags = struct.unpack_from("!HH", query)
        end = query.index(b"\0", 12) + 5
        s.sendto(struct.pack("!HHHHHH", number, flags & 0x7900 | 0x8080 | code, 1, 0, 0, 0) + query[12:end], client)
    return s, answer
