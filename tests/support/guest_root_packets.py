"""Packets as root of a guest makes them, whatever their fields say."""
import socket
import struct


def octets(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def internet_sum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def upper(source, destination, protocol, port, payload=b"let me out"):
    """A datagram, or a SYN."""
    if protocol == 17:
        header = struct.pack("!HHHH", 40000, port, 8 + len(payload), 0)
    else:
        header, payload = struct.pack("!HHIIHHHH", 40000, port, 7, 0, 0x5002, 64000, 0, 0), b""
    length = len(header) + len(payload)
    pseudo = octets(source) + octets(destination) + (struct.pack("!IHBB", length, 0, 0, protocol) if ":" in source else struct.pack("!BBH", 0, protocol, length))
    total = internet_sum(pseudo + header + payload)
    at = 6 if protocol == 17 else 16
    return header[:at] + struct.pack("!H", total) + header[at + 2:] + payload


def ip4(source, destination, protocol, data, offset=0, more=False, options=b"", identification=77):
    words = 5 + len(options) // 4
    header = struct.pack("!BBHHHBBH4s4s", 0x40 | words, 0, words * 4 + len(data), identification, (0x2000 if more else 0) | offset // 8, 64, protocol, 0,
                         octets(source), octets(destination)) + options
    return header[:10] + struct.pack("!H", internet_sum(header)) + header[12:] + data


def ip6(source, destination, next_header, data):
    return struct.pack("!IHBB", 0x60000000, len(data), next_header, 64) + octets(source) + octets(destination) + data
