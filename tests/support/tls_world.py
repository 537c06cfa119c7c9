"""A guest whose policy has tls = "sni", and servers at far whose one certificate is for all their names: what differs is the address to which a name leads."""
import contextlib
import errno
import hashlib
import os

from guests import NO_PORTS, Daemon, Guest
from hosts import FAR4, FAR6, RESOLVER4, RESOLVER6, SimulatedHost, run, wait_until
from inside import Place, digest_of, guest_place, remote_place
from name_server import A, AAAA, NameServer, ask, record
from tls_server import TlsServer, make_certificate

LENGTH = 4_000_003
OTHER4, OTHER6, OPEN4 = "198.51.100.80", "2001:db8:f::80", "198.51.100.81"
ANYWHERE = "203.0.113.53"
HERE, THERE, RAW = (FAR4, FAR6), (OTHER4, OTHER6), ("198.51.100.82", "2001:db8:f::82")        # at the last, the tests themselves listen
NAMES = {"raw.test": RAW, "good.test": HERE, "deep.wild.test": HERE, "never-asked.wild.test": HERE, "evil.wild.test": HERE, "other.test": THERE, "ssh.test": HERE}
POLICY = f"""profile = "deny-all"
tls = "sni"
allow = ["good.test:443,8443", "*.wild.test:443", "other.test:443", "raw.test:443", "ssh.test:22", "{OPEN4}:443"]
deny = ["evil.wild.test"]
"""



def is_ipv6(address):
    return ":" in address


class World:
    workers = 1

    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.addClassCleanup(cls.host.close)
        for address, length in ((RESOLVER4, 24), (RESOLVER6, 64)):
            run("ip", "-n", cls.host.remote, "addr", "add", address + f"/{length}", "dev", "eth0", *(["nodad"] if is_ipv6(address) else []))
        for address in (OTHER4, OTHER6, OPEN4, *RAW):
            run("ip", "-n", cls.host.far, "addr", "add", address, "dev", "eth0", *(["nodad"] if is_ipv6(address) else []))
        cls.far = Place(f"/run/netns/{cls.host.far}")
        cls.names = NameServer(remote_place(cls.host), [RESOLVER4, RESOLVER6], cls.records)
        cls.addClassCleanup(cls.names.close)
        cls.certificate, key = make_certificate(cls.host.dir, "good.test", "*.wild.test", "other.test")
        os.chmod(cls.certificate, 0o644)
        cls.server = TlsServer(cls.far, [FAR4, FAR6, OTHER4, OTHER6, OPEN4], cls.certificate, key, (443, 8443))
        cls.addClassCleanup(cls.server.close)
        cls.guest = Guest(cls.host)
        cls.place = guest_place(cls.guest)

    @staticmethod
    def records(name, kind):
        if name not in NAMES:
            return None
        return [record(name, a) for a in NAMES[name] if kind == (AAAA if is_ipv6(a) else A)]

    def daemon(self, policy=POLICY, *options):
        path = f"{self.host.dir}/policy.toml"
        with open(path, "w") as f:
            f.write(policy)
        os.chmod(path, 0o644)
        started = Daemon(self.guest, "--workers", self.workers, "--egress", path, *options, ports=NO_PORTS)
        self.addCleanup(started.stop)
        return started

    def asked(self, *names):
        """The guest has asked for these, so that their addresses may be connected to."""
        for name in names:
            for kind in (A, AAAA):
                self.assertNotEqual(ask(self.place, ANYWHERE, name, kind).addresses(), [])

    def arrival(self, since, **options):
        """The one connection that the servers have had since then, once it is over."""
        wait_until(lambda: len(self.server.arrivals) > since and self.server.arrivals[-1].end is not None, "end of the connection", **options)
        found, = self.server.arrivals[since:]
        return found

    @contextlib.contextmanager
    def passes(self, name):
        before = len(self.server.arrivals)
        yield
        self.assertEqual(self.arrival(before).name, name)

    @contextlib.contextmanager
    def nothing_arrives(self):
        """A connection, as the kernel made it before anything was said, and its reset."""
        before = len(self.server.arrivals)
        yield
        came = self.arrival(before)
        self.assertEqual((came.spoke, came.end), (False, errno.ECONNRESET))

    def s_client(self, address, *words, port=443):
        """`openssl s_client` asks for LENGTH octets: (what it got, its status, what it said)."""
        got = f"{self.host.dir}/got"
        script = f'printf "GET /{LENGTH}\\r\\n" | openssl s_client -quiet -CAfile {self.certificate} -verify_return_error "$@" >{got}'
        name = f"[{address}]" if is_ipv6(address) else address
        done = self.guest.run("sh", "-c", script, "sh", "-connect", f"{name}:{port}", *words, check=False)
        with open(got, "rb") as f:
            return f.read(), done.returncode, done.stderr

    def s_client_passes(self, address, name, *words, **options):
        with self.subTest(passes=address, name=name), self.passes(name):
            got, status, said = self.s_client(address, *(["-servername", name] if name else ["-noservername"]), *words, **options)
            self.assertEqual((len(got), hashlib.sha256(got).hexdigest(), status), (LENGTH, digest_of(LENGTH), 0), said)

    def s_client_is_cut(self, address, *words):
        with self.subTest(cut=address, words=words), self.nothing_arrives():
            got, status, said = self.s_client(address, *words)
            self.assertEqual(got, b"")
            self.assertNotEqual(status, 0)
            self.assertRegex(said, f"errno={errno.ECONNRESET}|reset by peer")

    def curl(self, *words):
        return self.guest.run("curl", "-sS", "--noproxy", "*", "--max-time", "30", "--cacert", self.certificate, "-o", f"{self.host.dir}/got", *words, check=False)

    def curl_passes(self, *words, says=None):
        done = self.curl(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(f"{self.host.dir}/got", "rb") as f:
            got = f.read()
        if says is None:
            self.assertEqual((len(got), hashlib.sha256(got).hexdigest()), (LENGTH, digest_of(LENGTH)))
        else:
            self.assertEqual(got.decode(), says)

    def curl_is_cut(self, *words):
        with self.subTest(cut=words), self.nothing_arrives():
            self.assertRegex(self.curl("--insecure", *words).stderr, "(?i)reset by peer|errno 104")
