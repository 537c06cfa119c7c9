"""For tests of forwarding rules that change: servers behind the rules, clients in front of them, and rules as calls have them."""

# Takes each connection; answers what it is sent with as many octets, or a datagram with "heard". What it saw of clients it prints on request.
SERVER = """import socket, sys, threading
def serve(c):
    while octets := c.recv(65536):
        c.sendall(octets)
    c.close()
def tcp(port):
    s = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1000)
    while True:
        threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
def udp(port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind(("::", port))
    while True:
        s.sendto(b"heard", s.recvfrom(100)[1])
for port in map(int, sys.argv[1:]):
    threading.Thread(target=tcp, args=(port,), daemon=True).start()
    threading.Thread(target=udp, args=(port,), daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""
# Sends octets, and reads as many back.
ASK = """import socket, sys
address, port, how, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if how == "udp" else socket.SOCK_STREAM)
s.settimeout(3)
s.connect((address, port))
s.sendall(bytes(count))
got = 0
while got < count:
    octets = s.recv(65536)
    if not octets: sys.exit(1)
    if how == "udp": break
    got += len(octets)
print("answered")
"""
# So many connections in each second, for so many seconds, each with an octet there and back: how many were answered, and what went wrong with others.
CALLER = """import socket, sys, time
address, port, rate, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
start, answered, wrong = time.monotonic(), 0, []
for n in range(int(rate * seconds)):
    time.sleep(max(0, start + n / rate - time.monotonic()))
    try:
        with socket.create_connection((address, port), 5) as c:
            c.sendall(b"?")
            answered += c.recv(100) == b"?"
    except OSError as why:
        wrong.append(str(why))
print(answered, round(time.monotonic() - start, 1), *wrong)
"""


def spec(ports, side="host", protocol="tcp"):
    return {"side": side, "protocol": protocol, "ports": ports}
