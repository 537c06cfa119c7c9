"""Servers for clients that an egress policy lets through or not: web, DNS over HTTPS, and as much of PostgreSQL as a query needs.

usage: egress_services.py DIRECTORY CERTIFICATE KEY [ADDRESS...]    says "ready" when all listen
"""
import base64
import http.server
import os
import socket
import socketserver
import ssl
import struct
import sys
import threading
import urllib.parse

DOH_ANSWER = "198.51.100.73"      # whatever is asked


class Server(http.server.ThreadingHTTPServer):
    def server_bind(self):
        """Without a question to a resolver for the name of the address."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


class Web(http.server.SimpleHTTPRequestHandler):
    """Files; and DNS over HTTPS (RFC 8484) at /dns-query, which has one answer to all questions."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        asked = urllib.parse.urlparse(self.path)
        if asked.path != "/dns-query":
            return super().do_GET()
        text = urllib.parse.parse_qs(asked.query)["dns"][0]
        self.answer(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, query):
        end = query.index(b"\0", 12) + 5
        is_a = query[end - 4:end - 2] == b"\0\1"
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(DOH_ANSWER) if is_a else b""
        body = query[:2] + struct.pack("!HHHHH", 0x8180, 1, int(is_a), 0, 0) + query[12:end] + record
        self.send_response(200)
        self.send_header("Content-Type", "application/dns-message")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve_database(listener):
    """Protocol 3.0: no TLS, no password, and one row with one column, "tapioca", to whatever is asked."""
    def message(kind, body):
        return kind + struct.pack("!I", len(body) + 4) + body

    def talk(s):
        with s, s.makefile("rb") as octets:
            while True:
                length, code = struct.unpack("!II", octets.read(8))
                octets.read(length - 8)
                if code == 196608:
                    break
                s.sendall(b"N")
            ready = message(b"Z", b"I")
            s.sendall(message(b"R", struct.pack("!I", 0)) + message(b"S", b"server_version\0" b"15.0\0") + message(b"S", b"client_encoding\0UTF8\0") + ready)
            while (kind := octets.read(1)) and kind != b"X":
                octets.read(struct.unpack("!I", octets.read(4))[0] - 4)
                column = struct.pack("!H", 1) + b"name\0" + struct.pack("!IHIhIH", 0, 0, 25, -1, 0xffffffff, 0)
                row = struct.pack("!HI", 1, 7) + b"tapioca"
                s.sendall(message(b"T", column) + message(b"D", row) + message(b"C", b"SELECT 1\0") + ready)
    while True:
        threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()


def main():
    directory, certificate, key, *addresses = sys.argv[1:]
    os.chdir(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    for address in addresses:
        for port in (80, 443):
            server = Server((address, port), Web)
            if port == 443:
                server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            threading.Thread(target=server.serve_forever, daemon=True).start()
        threading.Thread(target=serve_database, args=(socket.create_server((address, 5432)),), daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
