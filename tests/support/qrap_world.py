"""What qrap meets, made by the test: servers in the place of passt, a program in the place of QEMU that reports how it was started,
and a /tmp of its own, because the sockets that qrap looks for have fixed names there."""
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile
import threading

import cleanup

BROADCAST, OURS = "ff" * 6, "9a5500000001"
ARP_PROBE = bytes.fromhex("0000002a" + BROADCAST * 2 + "0806" "0001080006040001" + "00" * 20)
NS_PROBE = bytes.fromhex("0000004e" + BROADCAST * 2 + "86dd" "6000000000183aff" + "00" * 15 + "01" + "00" * 16
                         + "8700000000000000" + "00" * 16)

ARP_REPLY = bytes.fromhex("0000003c" + BROADCAST + OURS + "0806" "0001080006040002" + OURS + "00000000" + BROADCAST + "00" * 22)
ADVERTISEMENT = bytes.fromhex("00000056" + BROADCAST + OURS + "86dd" "6000000000203aff" + "00" * 15 + "01" + "00" * 15 + "01"
                              + "88000000" "e0000000" + "00" * 16 + "0201" + OURS)
ARP_FIRST = bytes.fromhex("0000003c" + BROADCAST + OURS + "0806" "0001080006040001" + OURS + "c6336401" + BROADCAST + "c633640a" + "00" * 18)

FAKE_QEMU = """#!/usr/bin/python3 -ISB
import json, os, socket, struct, sys, time
number = int(os.environ.get("FAKE_FD", "5"))
listed = sorted(int(name) for name in os.listdir("/proc/self/fd"))      # with the descriptor of the list itself
report = {"argv": sys.argv[1:], "open": [n for n in listed if os.path.exists(f"/proc/self/fd/{n}")], "environment": dict(os.environ)}
try:
    network = socket.socket(fileno=number)
    report["blocking"] = os.get_blocking(number)
    report["timeouts"] = [network.getsockopt(socket.SOL_SOCKET, o, 16).hex() for o in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO)]
    report["first"] = network.recv(65536).hex()
    network.sendall(struct.pack(">I", 14) + b"frame of QEMU.")
except OSError as error:
    report["error"] = str(error)
place = os.environ.get("FAKE_REPORT", "/tmp/report")
with open(place + ".part", "w") as file:
    json.dump(report, file)
os.rename(place + ".part", place)
if "FAKE_STAYS" in os.environ:
    time.sleep(60)
"""


class Server:
    """Listens in the place of passt. `serve(server, connection)` has the accepted connection, and runs in a thread of its own."""

    def __init__(self, path, serve):
        self.received, self.accepted, self.serve = b"", 0, serve
        self.path, self.listener = path, socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self.one, args=(connection,), daemon=True).start()

    def one(self, connection):
        with connection:
            try:
                self.serve(self, connection)
            except OSError:
                pass

    def read(self, connection, size):
        """Exactly `size` octets, less at the end of the stream."""
        taken = b""
        while len(taken) < size and (more := connection.recv(size - len(taken))):
            taken += more
        self.received += taken
        return taken

    def frames(self, connection):
        while len(head := self.read(connection, 4)) == 4:
            yield head + self.read(connection, struct.unpack(">I", head)[0])

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


def answer_arp(server, connection):
    """The first passt: answers ARP alone."""
    for frame in server.frames(connection):
        if frame == ARP_PROBE:
            connection.sendall(ARP_REPLY)


def answer_solicitation(server, connection):
    """A passt without IPv4."""
    for frame in server.frames(connection):
        if frame == NS_PROBE:
            connection.sendall(ADVERTISEMENT)


def speak_first(server, connection):
    """The newest passt: asks for its guest as soon as one connects."""
    connection.sendall(ARP_FIRST)
    answer_arp(server, connection)


def binary():
    """The qrap to be tested: that of the build, or another."""
    return os.environ.get("TAPIOCA_QRAP") or os.path.join(os.environ["TAPIOCA_BIN"], "..", "qrap", "qrap")


class World:
    def __init__(self):
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="tapioca-qrap-"))
        cleanup.at_exit(shutil.rmtree, self.tmp, True)
        self.servers, self.processes = [], []
        shutil.copy(binary(), self.tmp / "qrap")
        (self.tmp / "bin").mkdir()

    def program(self, name, text=FAKE_QEMU, mode=0o755):
        """A program in the only directory of qrap's PATH."""
        path = self.tmp / "bin" / name
        path.write_text(text)
        path.chmod(mode)
        return f"/tmp/bin/{name}"

    def server(self, name, serve):
        self.servers.append(Server(self.tmp / name, serve))
        return self.servers[-1]

    def start(self, *arguments, prepare="", path="/tmp/bin", **environment):
        """qrap in a mount namespace where self.tmp is /tmp; exec all the way, so that the process is qrap and then QEMU."""
        search = ["-u", "PATH"] if path is None else [f"PATH={path}"]
        script = f'mount --bind "$0" /tmp && {prepare} exec "$@"'
        command = ["unshare", "-m", "sh", "-c", script, str(self.tmp), "env", *search, "/tmp/qrap", *arguments]
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C", **environment}
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.processes.append(process)
        cleanup.at_exit(cleanup.end_process, process)
        return process

    def run(self, *arguments, **options):
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def report(self):
        """How QEMU was started, or None if it was not; the next one is asked for anew."""
        path = self.tmp / "report"
        if not path.exists():
            return None
        text = path.read_text()
        path.unlink()
        return json.loads(text)

    def close(self):
        for process in self.processes:
            cleanup.end_process(process)
        for server in self.servers:
            server.close()
        shutil.rmtree(self.tmp, True)
