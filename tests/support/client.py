"""The tests' clients, as subcommands that run inside a guest and report one JSON object.

    download ADDR LENGTH [PORT]      upload ADDR LENGTH [PORT]      parallel ADDR COUNT LENGTH down|up
    connect ADDR PORT [TIMEOUT]      half-close ADDR LENGTH         late-data ADDR LENGTH
    reset ADDR   be-reset ADDR       slow-reader ADDR LENGTH PAUSE  listen PORT LENGTH
    udp ADDR PORT SIZE...            udp-flows ADDR COUNT           udp-refused ADDR PORT
    both-ways ADDR PORT LENGTH       until-end ADDR PORT            udp-server PORT COUNT
    udp-mtu ADDR SIZE                speak-up PORT COUNT ROUNDS PAUSE                                hear-out ADDR PORT COUNT
    who-server PORT                  who tcp|udp ADDR PORT [SOURCE]
    udp-seen ADDR [--port N] [--ttl N] [--tos N]                    send-all ADDR FLOWS ROUNDS [PAUSE]
"""
import errno
import json
import os
import selectors
import socket
import struct
import sys
import time

from services import PATTERN, drain, send_pattern


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def endpoint(address, port):
    """The socket address, with the scope of fe80::1%eth0."""
    return socket.getaddrinfo(address, int(port), family(address), flags=socket.AI_NUMERICHOST)[0][4]


def connect(address, port, timeout=30):
    return socket.create_connection((address, port), timeout)


def expected(length):
    import hashlib
    digest, whole = hashlib.sha256(), length // len(PATTERN)
    for _ in range(whole):
        digest.update(PATTERN)
    digest.update(PATTERN[:length - whole * len(PATTERN)])
    return digest.hexdigest()


def result(length, received, digest, started):
    seconds = time.monotonic() - started
    return {"length": received, "equal": received == length and digest == expected(length), "seconds": seconds,
            "mbit": 8e-6 * received / seconds}


def download(address, length, port="19"):
    length, started = int(length), time.monotonic()
    with connect(address, int(port)) as s:
        s.sendall(b"%d\n" % length)
        return result(length, *drain(s), started)


def upload(address, length, port="9"):
    length, started = int(length), time.monotonic()
    with connect(address, int(port)) as s:
        send_pattern(s, length)
        s.shutdown(socket.SHUT_WR)
        s.settimeout(120)
        received, digest = s.makefile().read().split()
        return result(length, int(received), digest, started)


def try_connect(address, port, timeout="10"):
    """How an attempt to connect ended, by its errno's name, and how soon."""
    started, error = time.monotonic(), None
    try:
        connect(address, int(port), float(timeout)).close()
    except OSError as e:
        error = errno.errorcode.get(e.errno, str(e)) if e.errno else "ETIMEDOUT"
    return {"error": error, "seconds": time.monotonic() - started}


def half_close(address, length):
    """Our half is closed first; then the server sends."""
    with connect(address, 23) as s:
        s.sendall(b"%d\n" % int(length))
        s.shutdown(socket.SHUT_WR)
        return result(int(length), *drain(s), time.monotonic())


def late_data(address, length):
    """The server's half is closed first; then we send."""
    key = f"{os.getpid()}-{time.monotonic_ns()}".encode()
    with connect(address, 21) as s:
        s.sendall(key + b"\n")
        farewell, _ = drain(s)
        started = time.monotonic()
        send_pattern(s, int(length))
    while True:
        with connect(address, 22) as s:
            s.sendall(key + b"\n")
            if record := json.loads(s.makefile().read()):
                return {**result(int(length), *record, started), "farewell": farewell}
        time.sleep(0.05)


def reset(address):
    """We reset: the other side must see it, so the echo's thread ends; here only that nothing hangs."""
    with connect(address, 7) as s:
        s.sendall(b"x" * 1000)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return {}


def be_reset(address):
    with connect(address, 20, 10) as s:
        s.sendall(b"please\n")
        try:
            return {"error": None, "data": s.recv(1).decode()}
        except OSError as e:
            return {"error": errno.errorcode.get(e.errno)}


def slow_reader(address, length, pause):
    """Asks for data, lets every buffer fill up, sleeps, and reads the rest."""
    with connect(address, 19) as s:
        s.sendall(b"%d\n" % int(length))
        time.sleep(float(pause))
        started = time.monotonic()
        return result(int(length), *drain(s), started)


def parallel(address, count, length, direction):
    """Transfers that start together; the time that each took until its last octet."""
    count, length, up = int(count), int(length), direction == "up"
    selector, connections, buffer = selectors.EpollSelector(), [], bytearray(1 << 16)
    for _ in range(count):
        s = connect(address, 9 if up else 19)
        s.setblocking(False)
        connections.append(s)
    started, seconds, failed = time.monotonic(), [], 0
    for s in connections:
        if not up:
            s.send(b"%d\n" % length)
        selector.register(s, selectors.EVENT_WRITE if up else selectors.EVENT_READ, [length])
    while len(seconds) + failed < count:
        ready = selector.select(60)
        if not ready:
            break
        for key, mask in ready:
            s, left = key.fileobj, key.data
            if mask & selectors.EVENT_WRITE:
                left[0] -= s.send(memoryview(PATTERN)[:min(left[0], 65536)])
                if not left[0]:
                    s.shutdown(socket.SHUT_WR)
                    selector.modify(s, selectors.EVENT_READ, left)
                continue
            got = s.recv_into(buffer)
            if not up:
                left[0] -= got
            if got == 0 or left[0] < 0:
                failed += 1
                selector.unregister(s)
            elif up or left[0] == 0:
                seconds.append(time.monotonic() - started)
                selector.unregister(s)
    return {"done": len(seconds), "seconds": sorted(seconds)}


def udp(address, port, *sizes):
    """Which sizes came back as they were. The path's MTU, once learned, is an error of the socket; the datagram still has to arrive."""
    echoed = []
    with socket.socket(family(address), socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        s.connect(endpoint(address, port))
        s.settimeout(2)
        for size in map(int, sizes):
            s.send(PATTERN[:size])
            for _ in range(2):
                try:
                    if s.recv(65536) == PATTERN[:size]:
                        echoed.append(size)
                    break
                except OSError as e:
                    if e.errno != errno.EMSGSIZE:
                        break
    return {"echoed": echoed}


def udp_flows(address, count):
    """Many flows at once, each with its own content; how many answers were right."""
    sockets = []
    for i in range(int(count)):
        s = socket.socket(family(address), socket.SOCK_DGRAM)
        s.connect(endpoint(address, 7))
        s.settimeout(2)
        sockets.append(s)
    sockets[0].send(b"")        # more than some 250 datagrams do not wait for the gateway's link address: it must be known
    sockets[0].recv(1)
    right = 0
    for attempt in range(3):
        for i, s in enumerate(sockets):
            s.send(b"flow %d attempt %d" % (i, attempt))
        for i, s in enumerate(sockets):
            right += s.recv(2048) == b"flow %d attempt %d" % (i, attempt)
    return {"right": right}


def udp_refused(address, port):
    """The error that a connected socket gets from a closed port."""
    with socket.socket(family(address), socket.SOCK_DGRAM) as s:
        s.connect(endpoint(address, port))
        s.settimeout(2)
        s.send(b"hello")
        try:
            return {"error": None, "data": len(s.recv(2048))}
        except TimeoutError:
            return {"error": "timeout"}
        except OSError as e:
            return {"error": errno.errorcode.get(e.errno)}


def udp_seen(address, *options):
    """What the server saw of a datagram."""
    chosen = dict(zip(options[::2], map(int, options[1::2])))
    with socket.socket(family(address), socket.SOCK_DGRAM) as s:
        six = family(address) == socket.AF_INET6
        level = socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP
        if "--ttl" in chosen:
            s.setsockopt(level, socket.IPV6_UNICAST_HOPS if six else socket.IP_TTL, chosen["--ttl"])
        if "--tos" in chosen:
            s.setsockopt(level, socket.IPV6_TCLASS if six else socket.IP_TOS, chosen["--tos"])
        if "--port" in chosen:
            s.bind(("", chosen["--port"]))
        s.connect(endpoint(address, 37))
        s.settimeout(2)
        s.send(b"what do you see?")
        return json.loads(s.recv(2048))


def send_all(address, flows, rounds, pause="0"):
    """Many short exchanges on flows that stay open, with a pause between the rounds; how many answers were right."""
    sockets, right = [connect(address, 7) for _ in range(int(flows))], 0
    for n in range(int(rounds)):
        time.sleep(float(pause) if n else 0)
        for i, s in enumerate(sockets):
            s.sendall(b"%07d\n" % (i * 1000 + n))
        for i, s in enumerate(sockets):
            answer = b""
            while len(answer) < 8:
                answer += s.recv(8 - len(answer))
            right += answer == b"%07d\n" % (i * 1000 + n)
    return {"right": right}


def listen(port, length):
    """A server in the guest: one connection, in which both sides send at once."""
    import threading
    with socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        print("listening", file=sys.stderr, flush=True)
        listener.settimeout(30)
        s, peer = listener.accept()
    with s:
        s.settimeout(60)

        def answer():
            send_pattern(s, int(length))
            s.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=answer)
        sender.start()
        received, digest = drain(s)
        sender.join()
    return {"peer": peer[0], "length": received, "equal": digest == expected(int(length))}


def both_ways(address, port, length):
    """The client of `listen`."""
    import threading
    started = time.monotonic()
    with connect(address, int(port)) as s:
        def ask():
            send_pattern(s, int(length))
            s.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=ask)
        sender.start()
        received = drain(s)
        sender.join()
    return result(int(length), *received, started)


def until_end(address, port):
    """Connects and waits for how it ends."""
    try:
        with connect(address, int(port), 10) as s:
            return {"error": None, "data": len(s.recv(1))}
    except OSError as e:
        return {"error": errno.errorcode.get(e.errno)}


def speak_up(port, count, rounds, pause):
    """A server in the guest that speaks first after each silence, on all its connections."""
    connections = []
    with socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512) as listener:
        print("listening", file=sys.stderr, flush=True)
        listener.settimeout(30)
        while len(connections) < int(count):
            connections.append(listener.accept()[0])
    for n in range(int(rounds)):
        time.sleep(float(pause))
        for s in connections:
            s.sendall(b"%07d\n" % n)
    for s in connections:
        s.close()
    return {}


def hear_out(address, port, count):
    """The client of `speak_up`: how many connections brought every line in order."""
    connections = [connect(address, int(port), 60) for _ in range(int(count))]
    heard = [b"".join(iter(lambda: s.recv(4096), b"")) for s in connections]
    return {"heard": [text.decode().split() for text in heard]}


def udp_server(port, count):
    """Echoes so many datagrams."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.bind(("::", int(port)))
        s.settimeout(20)
        print("listening", file=sys.stderr, flush=True)
        for _ in range(int(count)):
            data, sender = s.recvfrom(65536)
            s.sendto(data, sender)
    return {}


def who_server(port):
    """Tells each client, over TCP and UDP, which addresses it sees as source and destination."""
    listener = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    datagrams.setsockopt(socket.IPPROTO_IP, 49, 1)      # IP_MULTICAST_ALL, which an IPv6 socket does not have by itself
    datagrams.bind(("::", int(port)))
    print("listening", file=sys.stderr, flush=True)

    def told(*ends):
        return json.dumps(dict(zip(("source", "destination"), (e.removeprefix("::ffff:").split("%")[0] for e in ends)))).encode()
    ready = selectors.DefaultSelector()
    for s in (listener, datagrams):
        ready.register(s, selectors.EVENT_READ)
    while True:
        for key, _ in ready.select():
            if key.fileobj is listener:
                s, peer = listener.accept()
                with s:
                    s.sendall(told(peer[0], s.getsockname()[0]))
            else:
                _, ancillary, _, sender = datagrams.recvmsg(2048, 256)
                group = socket.inet_ntop(socket.AF_INET6, ancillary[0][2][:16])
                datagrams.sendto(told(sender[0], group), sender)


def who(protocol, address, port, source=None):
    """The client of `who-server`: its answer, and where that came from."""
    stream = protocol == "tcp"
    with socket.socket(family(address), socket.SOCK_STREAM if stream else socket.SOCK_DGRAM) as s:
        if source:
            s.bind((source, 0))
        s.settimeout(3)
        if stream:
            s.connect(endpoint(address, port))
            return {**json.loads(s.makefile().read()), "answered": address}
        s.sendto(b"who?", endpoint(address, port))
        answer, sender = s.recvfrom(2048)
        return {**json.loads(answer), "answered": sender[0], "port": sender[1]}


def udp_mtu(address, size):
    """What the path's MTU is found to be by a sender that forbids fragments."""
    six = ":" in address
    level, discover, mtu = (socket.IPPROTO_IPV6, 23, 24) if six else (socket.IPPROTO_IP, 10, 14)
    with socket.socket(family(address), socket.SOCK_DGRAM) as s:
        s.setsockopt(level, discover, 2)            # IP_PMTUDISC_DO
        s.connect(endpoint(address, 9))
        found = s.getsockopt(level, mtu)
        for _ in range(20):
            try:
                s.send(PATTERN[:int(size)])
            except OSError:
                pass                                # EMSGSIZE, once the MTU is known
            time.sleep(0.05)
            if s.getsockopt(level, mtu) != found:
                break
        return {"mtu": s.getsockopt(level, mtu)}


if __name__ == "__main__":
    name = {"connect": "try_connect"}.get(sys.argv[1], sys.argv[1].replace("-", "_"))
    print(json.dumps(globals()[name](*sys.argv[2:])))
