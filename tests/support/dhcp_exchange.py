"""DHCP and DHCPv6 messages sent by hand from inside a guest, for what ready-made clients do not let one ask.

    v4 IFACE MESSAGE...   each MESSAGE is TYPE[:key=address,...] with TYPE discover, request, inform and the keys requested, server, client
    v6 IFACE MESSAGE...   each MESSAGE is TYPE[:address] with TYPE solicit, request, renew, rebind, confirm, information; the
                          server's identifier is that of the first answer, and is left out of a rebind (RFC 8415 section 16)

Prints a JSON list with what came back for each message, null for silence. RFC 2131, RFC 2132, RFC 8415.
"""
import fcntl
import json
import os
import socket
import struct
import sys

MAGIC = b"\x63\x82\x53\x63"
TYPES4 = {"discover": 1, "request": 3, "decline": 4, "release": 7, "inform": 8}
NAMES4 = {2: "offer", 5: "ack", 6: "nak"}
TYPES6 = {"solicit": 1, "request": 3, "confirm": 4, "renew": 5, "rebind": 6, "information": 11}
NAMES6 = {2: "advertise", 7: "reply"}


def mac_of(interface):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        return fcntl.ioctl(s, 0x8927, struct.pack("256s", interface.encode()))[18:24]


def message4(mac, xid, word):
    kind, _, rest = word.partition(":")
    keys = dict(pair.split("=") for pair in rest.split(",") if pair)
    client = socket.inet_aton(keys.get("client", "0.0.0.0"))
    head = struct.pack("!BBBBIHH4s4s4s4s16s64s128s", 1, 1, 6, 0, xid, 0, 0x8000, client, b"", b"", b"", mac, b"", b"")
    options = bytes([53, 1, TYPES4[kind]])
    for name, code in (("requested", 50), ("server", 54)):
        if name in keys:
            options += bytes([code, 4]) + socket.inet_aton(keys[name])
    return head + MAGIC + options + bytes([55, 4, 1, 3, 51, 54]) + b"\xff"


def options4(data):
    found, at = {}, 240
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        length = data[at + 1]
        found[data[at]] = data[at + 2:at + 2 + length]
        at += 2 + length
    return found


def exchange4(interface, words):
    results = []
    for word in words:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("", 68))
            s.settimeout(1)
            xid = int.from_bytes(os.urandom(4), "big")
            s.sendto(message4(mac_of(interface), xid, word), ("255.255.255.255", 67))
            try:
                data = s.recv(2048)
            except TimeoutError:
                results.append(None)
                continue
            options = options4(data)
            results.append({"type": NAMES4.get(options[53][0], options[53][0]), "xid": struct.unpack("!I", data[4:8])[0] == xid,
                            "address": socket.inet_ntoa(data[16:20]),
                            "server": socket.inet_ntoa(options[54]) if 54 in options else None})
    return results


def option6(code, data):
    return struct.pack("!HH", code, len(data)) + data


def options6(data):
    found, at = {}, 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from("!HH", data, at)
        found[code] = data[at + 4:at + 4 + length]
        at += 4 + length
    return found


def message6(mac, transaction, kind, address, server):
    data = struct.pack("!I", TYPES6[kind] << 24 | transaction) + option6(1, struct.pack("!HH", 3, 1) + mac) + option6(8, b"\0\0")
    if server and kind in ("request", "renew"):
        data += option6(2, server)
    if kind != "information":
        lease = option6(5, socket.inet_pton(socket.AF_INET6, address) + bytes(8)) if address else b""
        data += option6(3, struct.pack("!III", 7, 0, 0) + lease)
    return data


def answer6(data, transaction):
    options = options6(data[4:])
    result = {"type": NAMES6.get(data[0], data[0]), "xid": data[1:4] == transaction.to_bytes(3, "big"), "addresses": [], "status": None}
    if 3 in options:
        inner = options6(options[3][12:])
        if 5 in inner:
            result["addresses"].append(socket.inet_ntop(socket.AF_INET6, inner[5][:16]))
        if 13 in inner:
            result["status"] = struct.unpack("!H", inner[13][:2])[0]
    return result, options.get(2)


def exchange6(interface, words):
    results, server = [], None
    for word in words:
        kind, _, address = word.partition(":")
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            index = socket.if_nametoindex(interface)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("::", 546))
            s.settimeout(1)
            transaction = int.from_bytes(os.urandom(3), "big")
            s.sendto(message6(mac_of(interface), transaction, kind, address, server), ("ff02::1:2", 547, 0, index))
            try:
                result, identifier = answer6(s.recv(2048), transaction)
                server = server or identifier
                results.append(result)
            except TimeoutError:
                results.append(None)
    return results


if __name__ == "__main__":
    print(json.dumps((exchange4 if sys.argv[1] == "v4" else exchange6)(sys.argv[2], sys.argv[3:])))
