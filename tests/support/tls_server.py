"""TLS servers in the test's own process, which note of each connection whether an octet came, whom the client asked for, and how it ended.

They speak as much of HTTP as curl, and a person at `openssl s_client`, needs: GET /LENGTH has so many octets of the pattern as its answer, of
which the digest is known (inside.digest_of); to PUT the answer is the digest of what came. Without a version, as in HTTP/0.9, there is no header.
"""
import contextlib
import hashlib
import select
import socket
import ssl
import threading

from hosts import run
from inside import send_octets


def make_certificate(directory, *names):
    """The paths of a certificate, which is its own authority, and of its key."""
    certificate, key = f"{directory}/certificate.pem", f"{directory}/key.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={names[0]}",
        "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names), "-keyout", key, "-out", certificate)
    return certificate, key


class Arrival:
    """A connection, as its server saw it."""

    def __init__(self, address):
        self.address = address
        self.spoke = False      # an octet of the client's came
        self.name = None        # of the server, as the client said
        self.end = None         # when it is over: 0, or the errno of its end


class TlsServer:
    """At port 443 of some addresses of a place; another port is served like it."""

    def __init__(self, place, addresses, certificate, key, ports=(443,)):
        self.arrivals = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._context.sni_callback = self._note_name
        self._listeners = [place.bound(address, port) for address in addresses for port in ports]
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self):
        self._done.set()
        self._thread.join()
        for s in self._listeners:
            s.close()

    @staticmethod
    def _note_name(tls, name, _):
        tls.arrival.name = name

    def _serve(self):
        while not self._done.is_set():
            for listener in select.select(self._listeners, [], [], 0.05)[0]:
                with contextlib.suppress(OSError):
                    s, _ = listener.accept()
                    arrival = Arrival(s.getsockname()[0])
                    self.arrivals.append(arrival)
                    threading.Thread(target=self._talk, args=(s, arrival), daemon=True).start()

    def _talk(self, s, arrival):
        end = 0
        try:
            with s:
                s.settimeout(60)
                arrival.spoke = s.recv(1, socket.MSG_PEEK) != b""
                if arrival.spoke:
                    self._answer(s, arrival)
        except OSError as why:
            end = why.errno or -1       # ssl's own have none
        arrival.end = end

    def _answer(self, s, arrival):
        with self._context.wrap_socket(s, server_side=True, do_handshake_on_connect=False) as tls:
            tls.arrival = arrival
            tls.do_handshake()
            stream = tls.makefile("rb")
            method, path, *version = stream.readline().decode().split()
            lines = iter(stream.readline, b"\r\n") if version else ()
            header = dict(line.decode().lower().rstrip().split(": ", 1) for line in lines)
            digest = None
            if method == "PUT":
                if "expect" in header:
                    tls.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                digest = self._digest_of(stream, int(header["content-length"])).encode()
            length = int(path[1:]) if digest is None else len(digest)
            if version:
                tls.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n".encode())
            send_octets(tls, length) if digest is None else tls.sendall(digest)
            with contextlib.suppress(OSError):
                tls.unwrap()

    @staticmethod
    def _digest_of(stream, length):
        digest = hashlib.sha256()
        while length and (data := stream.read(min(length, 1 << 16))):
            digest.update(data)
            length -= len(data)
        return digest.hexdigest()
