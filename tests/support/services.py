"""The servers that the tests' clients talk to, each on its assigned port, in both families. Prints "ready" when all listen.

TCP  7  echo                      9  takes everything, then reports "LENGTH SHA256"        19  sends as much as the line asks for
    20  resets after one line    21  says "bye" and closes its half, then reports like 9 to whoever asks port 22
    23  sends as 19 does, but reports nothing until it has read the end of the other half
    80  HTTP: a page
UDP  7  echo                     37  answers with the sender's address, port, TTL and TOS as it saw them
    19  answers "COUNT SIZE" with so many datagrams of that size, each of which begins with its number
"""
import array
import hashlib
import http.server
import json
import socket
import struct
import threading

PATTERN = hashlib.shake_256(b"tapioca").digest(1048573)       # a prime length: a lost or doubled segment cannot go unnoticed
PAGE = b"<html><body>A page from the other side.</body></html>\n"
records = {}
socket.IP_RECVTTL = getattr(socket, "IP_RECVTTL", 12)


def send_pattern(connection, length):
    """Sends the first length octets of the repeated pattern."""
    view = memoryview(PATTERN)
    while length:
        sent = min(length, len(view))
        connection.sendall(view[:sent])
        length -= sent


def read_line(connection):
    line = b""
    while not line.endswith(b"\n"):
        octet = connection.recv(1)
        if not octet:
            return line
        line += octet
    return line


def drain(connection):
    """Reads to the end; length and hash of what came."""
    digest, length, buffer = hashlib.sha256(), 0, bytearray(1 << 18)
    while n := connection.recv_into(buffer):
        digest.update(memoryview(buffer)[:n])
        length += n
    return length, digest.hexdigest()


def echo(connection):
    while data := connection.recv(1 << 18):
        connection.sendall(data)


def sink(connection):
    connection.sendall(b"%d %s\n" % ((r := drain(connection))[0], r[1].encode()))


def source(connection):
    send_pattern(connection, int(read_line(connection)))


def reset(connection):
    read_line(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def early_close(connection):
    key = read_line(connection).strip().decode()
    connection.sendall(b"bye\n")
    connection.shutdown(socket.SHUT_WR)
    records[key] = drain(connection)


def report(connection):
    connection.sendall(json.dumps(records.get(read_line(connection).strip().decode())).encode())


def source_after_end(connection):
    length = int(read_line(connection))
    drain(connection)
    send_pattern(connection, length)


def serve_tcp(port, handler):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)

    def one(connection):
        with connection:
            try:
                handler(connection)
            except OSError:
                pass            # what a client does to its connection is the client's matter

    def loop():
        while True:
            threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()


def udp_socket(port, family, address):
    s = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind((address, port))
    return s


def packet_info(s, family):
    """Answers from the address that was asked, and gives the handler the ancillary data."""
    if family == socket.AF_INET:
        for option in (socket.IP_RECVTTL, socket.IP_RECVTOS, socket.IP_PKTINFO if hasattr(socket, "IP_PKTINFO") else 8):
            s.setsockopt(socket.IPPROTO_IP, option, 1)
    else:
        for option in (socket.IPV6_RECVHOPLIMIT, socket.IPV6_RECVTCLASS, socket.IPV6_RECVPKTINFO):
            s.setsockopt(socket.IPPROTO_IPV6, option, 1)


def answer_from(family, ancillary):
    """The control message that makes the answer leave from the address that the question came to."""
    for level, kind, data in ancillary:
        if family == socket.AF_INET and (level, kind) == (socket.IPPROTO_IP, 8):
            return [(level, kind, struct.pack("I4s4x", 0, data[4:8]))]
        if family == socket.AF_INET6 and (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            return [(level, kind, data)]
    return []


def serve_runs(family, address):
    """Datagrams of equal size that leave as one run, so that they may arrive as one."""
    s = udp_socket(19, family, address)
    packet_info(s, family)

    def loop():
        while True:
            try:
                data, ancillary, _, sender = s.recvmsg(2048, 512)
                count, size = map(int, data.split())
                octets = b"".join(struct.pack("!I", n) + PATTERN[:size - 4] for n in range(count))
                s.sendmsg([octets], answer_from(family, ancillary) + [(socket.IPPROTO_UDP, 103, struct.pack("H", size))], 0, sender)    # UDP_SEGMENT
            except (OSError, ValueError):
                pass
    threading.Thread(target=loop, daemon=True).start()


def what_was_seen(ancillary):
    seen = {}
    for level, kind, data in ancillary:
        if (level, kind) in ((socket.IPPROTO_IP, socket.IP_TTL), (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT)):
            seen["ttl"] = array.array("i", data)[0]
        elif (level, kind) == (socket.IPPROTO_IP, socket.IP_TOS):
            seen["tos"] = data[0]
        elif (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_TCLASS):
            seen["tos"] = array.array("i", data)[0]
    return seen


def serve_udp(port, family, address, handler):
    s = udp_socket(port, family, address)
    packet_info(s, family)

    def loop():
        while True:
            try:
                data, ancillary, _, sender = s.recvmsg(65536, 512)
                s.sendmsg([handler(data, ancillary, sender)], answer_from(family, ancillary), 0, sender)
            except OSError:
                pass            # an ICMP error of an earlier answer
    threading.Thread(target=loop, daemon=True).start()


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *args):
        pass


class PageServer(http.server.ThreadingHTTPServer):
    address_family, daemon_threads, request_queue_size = socket.AF_INET6, True, 128

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def main():
    for port, handler in ((7, echo), (9, sink), (19, source), (20, reset), (21, early_close), (22, report), (23, source_after_end)):
        serve_tcp(port, handler)
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        serve_udp(7, family, address, lambda data, ancillary, sender: data)
        serve_runs(family, address)
        serve_udp(37, family, address, lambda data, ancillary, sender: json.dumps({"address": sender[0], "port": sender[1], **what_was_seen(ancillary)}).encode())
    pages = PageServer(("::", 80), Page)
    print("ready", flush=True)
    pages.serve_forever()


if __name__ == "__main__":
    main()
