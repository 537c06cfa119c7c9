"""The server's side of pesto's protocol: messages made by hand, a server that says what a test wants, and a recorder between two."""
import os
import socket
import struct
import threading

END, HOST_ID, SPLICE_ID = b"\0", 1, 3
DUAL, BEST_EFFORT, SCAN = 1, 2, 4


def greeting(*pifs, magic=b"basil:s\0", version=2, name_size=128, interface_size=16):
    """Without its end."""
    return magic + struct.pack(">III", version, name_size, interface_size) + b"".join(pifs)


def pif(*rules, id=HOST_ID, name=b"HOST", capabilities=0x3f, count=None):
    return bytes([id]) + name.ljust(128, b"\0") + struct.pack(">II", capabilities, len(rules) if count is None else count) + b"".join(rules)


def splice(*rules, **named):
    return pif(*rules, id=SPLICE_ID, name=b"SPLICE", **named)


def v4(text):
    return bytes(10) + b"\xff\xff" + socket.inet_aton(text)


def rule(first, last=None, to=None, *, address=bytes(16), target=bytes(16), interface=b"", protocol=6, flags=DUAL):
    last, to = last or first, first if to is None else to
    return address + target + interface.ljust(16, b"\0") + struct.pack(">HHHBB", first, last, to, protocol, flags)


class OneClient(threading.Thread):
    """Listens at `path` and serves one client; what that sent is in `received`."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.received, self.listener = bytearray(), socket.socket(socket.AF_UNIX)
        if os.path.exists(path):
            os.unlink(path)
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen(1)
        self.listener.settimeout(20)
        self.start()

    def run(self):
        try:
            with self.listener, self.listener.accept()[0] as client:
                client.settimeout(20)
                self.serve(client)
        except OSError:
            pass                                            # who was refused goes before everything was said

    def hear(self, client, enough=None):
        while (enough is None or len(self.received) < enough) and (data := client.recv(65536 if enough is None else enough - len(self.received))):
            self.received += data


class Scripted(OneClient):
    """Sends these octets, in pieces; then hears the client out, or so many octets; then sends `farewell`."""

    def __init__(self, path, octets, *, piece=65536, hears=None, farewell=b"", shut=True):
        self.octets, self.piece, self.hears, self.farewell, self.shut = octets, piece, hears, farewell, shut
        super().__init__(path)

    def serve(self, client):
        for at in range(0, len(self.octets), self.piece):
            client.sendall(self.octets[at:at + self.piece])
        if self.shut and not self.farewell:
            client.shutdown(socket.SHUT_WR)
        self.hear(client, self.hears)
        client.sendall(self.farewell)


class Recorder(OneClient):
    """Between a client and the server at `server`."""

    def __init__(self, path, server):
        self.server = server
        super().__init__(path)

    def serve(self, client):
        with socket.socket(socket.AF_UNIX) as server:
            server.settimeout(20)
            server.connect(self.server)
            there = threading.Thread(target=self.pump, args=(client, server, self.received), daemon=True)
            there.start()
            self.pump(server, client, bytearray())
            there.join(20)

    @staticmethod
    def pump(source, sink, record):
        try:
            while data := source.recv(65536):
                record += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass                                            # the other one has closed
