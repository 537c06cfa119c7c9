"""What tests of migration share: two hosts, a guest on the first, and what takes it to the other."""
import itertools
import os
import unittest

import frames
from hosts import HOST4, HOST6, REMOTE4, REMOTE6, ROUTER4, wait_until
from inside import Place
from migration import MovingHosts, PeerPasst, change_back_end, helper, load, save
from passt import Passt
from vhost_front import PLAIN, FrontEnd
from vhost_guest import Connection, VhostGuest

PEERS = os.environ.get("TAPIOCA_PEERS", "")
HAS_PEERS = all(os.access(os.path.join(PEERS, name), os.X_OK) for name in ("passt", "passt-repair"))
FAMILIES = ((HOST4, REMOTE4), (HOST6, REMOTE6))
ports = itertools.count(20000)


class OnMovingHosts(unittest.TestCase):
    source = target = "ours"
    helpers = "ours"
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.moving = MovingHosts()
        cls.hosts = cls.moving.hosts
        cls.services = cls.hosts[0].start_services()
        cls.remote = Place(f"/run/netns/{cls.moving.remote}")

    @classmethod
    def tearDownClass(cls):
        cls.moving.close()

    def setUp(self):
        self.front, self.links, self.daemons = None, [], []
        self.moving.wire(0)

    def tearDown(self):
        if self.front:
            self.front.close()
        for link in self.links:
            link.close()
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.stop()

    def daemon(self, number, kind, *options):
        make = (lambda *o: PeerPasst(self.hosts[number], PEERS, *o)) if kind == "upstream" else (lambda *o: Passt(self.hosts[number], *o))
        daemon = make("--vhost-user", "-m", "1500", "-t", "8080", *self.options, *options)
        self.daemons.append(daemon)
        return daemon

    def help(self, number, kind=None, path=None):
        program = os.path.join(PEERS, "passt-repair") if (kind or self.helpers) == "upstream" else os.path.join(os.environ["TAPIOCA_BIN"], "passt-repair")
        daemon = self.daemons[number]
        process = helper(self.hosts[number], program, path or daemon.path + ".repair")
        wait_until(lambda: "TCP_REPAIR helper" in daemon.log(), "helper at the daemon")
        return process

    def begin(self, *options, with_target=True, with_helpers=True):
        self.first = self.daemon(0, self.source, *options)
        if with_target:
            self.second = self.daemon(1, self.target)
        if with_helpers:
            self.processes = [self.help(number) for number in range(1 + with_target)]
        self.front = FrontEnd(self.first.path, features=PLAIN).open().start()
        self.guest = VhostGuest(self.front)
        self.assertIsNotNone(self.guest.ask(frames.arp_request(ROUTER4, HOST4), frames.is_arp_reply))

    def connection(self, source, target, port):
        return Connection(self.guest, source, next(ports), target, port)

    def migrate(self):
        """To the other host; what was the state."""
        self.front.stop()
        state, answer = save(self.front.link)
        self.assertEqual(answer, 0, self.first.log()[-600:])
        self.links.append(change_back_end(self.front, self.second.path))
        self.moving.wire(1)
        self.assertEqual(load(self.front.link, state), 0, self.second.log()[-600:])
        self.go_on()
        return state

    def go_on(self):
        self.front.resume()
        self.guest.outgoing.drain()

    def assert_echo(self, connection, text):
        connection.send(text)
        self.assertEqual(connection.receive(len(text), 5), text)
