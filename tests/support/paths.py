"""The ways that a connection can take between a client and a server: past the tap from loopback to loopback, or over it."""
import contextlib

from guests import connected_guest
from hosts import HOST4, HOST6, SimulatedHost
from inside import guest_place, host_place, pair, raise_descriptor_limit, remote_place

MIB = 1 << 20
IN, OUT = 8000, 9000
PORTS = ("-t", f"{IN}", "-u", f"{IN}", "-T", f"{OUT},9100:9101,9200-9201", "-U", f"{OUT},9100:9101,9200-9201")
# name, client, address, port, server
BYPASS = (("in4", "host", "127.0.0.1", IN, "guest"), ("in6", "host", "::1", IN, "guest"),
          ("out4", "guest", "127.0.0.1", OUT, "host"), ("out6", "guest", "::1", OUT, "host"))
TAP = (("own4", "host", HOST4, IN, "guest"), ("own6", "host", HOST6, IN, "guest"),
       ("remote4", "remote", HOST4, IN, "guest"), ("remote6", "remote", HOST6, IN, "guest"))
ALL = BYPASS + TAP


class Paths:
    options = ()

    @classmethod
    def setUpClass(cls):
        raise_descriptor_limit()
        cls.host = SimulatedHost()
        cls.guest, cls.daemon = connected_guest(cls.host, "--workers", cls.workers, *cls.options, ports=PORTS)
        cls.places = {"host": host_place(cls.host), "guest": guest_place(cls.guest), "remote": remote_place(cls.host)}

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.host.close()

    def setUp(self):
        self.assertIsNone(self.daemon.process.poll(), self.daemon.log()[-2000:])

    @contextlib.contextmanager
    def connection(self, path, port=None):
        """Both ends, with the client's first."""
        _, client, address, asked, server = path
        # what answers on the host is bound to the loopback address: the daemon has no socket there that could collide
        ends = pair(self.places[client], self.places[server], address, asked, port or asked, address if server == "host" else "")
        with ends[0], ends[1]:
            yield ends

    def each(self, paths, form):
        """Runs form(one end, the other end) over each path, in both roles."""
        for path in paths:
            for turned in (False, True):
                with self.subTest(path=path[0], first="server" if turned else "client"), self.connection(path) as ends:
                    form(*(reversed(ends) if turned else ends))
