#!/usr/bin/env python3
"""A guest that was to migrate and does not, or comes without something: the source goes on, whatever fails. The options that say what the
source does when its guest has gone.
"""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import frames
import netns_test
from hosts import HOST4, REMOTE4, wait_until
from migration import LOAD, SAVE, change_back_end, check_state, load, save, set_state_fd
from migration_case import FAMILIES, OnMovingHosts
from services import PATTERN
from vhost_front import PLAIN, FrontEnd


class Staying(OnMovingHosts):
    """The guest does not leave, or comes without something: the source goes on."""

    def begin_with_connections(self, *options, **more):
        self.begin(*options, **more)
        self.open_ones = [self.connection(*ends, 7) for ends in FAMILIES]
        for connection in self.open_ones:
            self.assert_echo(connection, b"before")

    def assert_all_go_on(self):
        self.go_on()
        for connection in self.open_ones:
            self.assert_echo(connection, b"and after")
            self.assert_echo(connection, PATTERN[:50_000])
            self.assertFalse(connection.is_reset)

    def test_it_goes_on_after_its_state_was_taken(self):
        self.begin_with_connections(with_target=False)
        for _ in range(3):
            self.front.stop()
            _, answer = save(self.front.link)
            self.assertEqual(answer, 0)
            self.assert_all_go_on()

    def test_what_peers_send_meanwhile_is_not_lost(self):
        listener = self.remote.bound("", 9001)
        self.addCleanup(listener.close)
        self.begin(with_target=False)
        connection = self.connection(HOST4, REMOTE4, 9001)
        peer, _ = listener.accept()
        self.addCleanup(peer.close)
        self.front.stop()
        save(self.front.link)
        peer.sendall(PATTERN[:30_000])
        time.sleep(0.3)
        self.go_on()
        self.assertEqual(connection.receive(30_000, 10), PATTERN[:30_000])

    def test_whoever_calls_meanwhile_is_heard_then(self):
        self.begin(with_target=False)
        self.front.stop()
        save(self.front.link)
        client = self.remote.make(2)
        self.addCleanup(client.close)
        client.setblocking(False)
        client.connect_ex((HOST4, 8080))
        time.sleep(0.2)
        self.assertEqual(client.getsockopt(1, 4), 0, "no refusal")
        self.go_on()
        end = time.monotonic() + 5
        while time.monotonic() < end:
            frame = self.guest.receive(1)
            found = frame and frames.packet(frame)
            if found and found.protocol == frames.TCP and found.upper[13] & frames.SYN:
                return
        self.fail("no connection for the guest")

    def test_a_pipe_that_nobody_reads_to_its_end(self):
        self.begin_with_connections(with_target=False)
        for take in (0, 1, 58, 61, 100):
            with self.subTest(take=take):
                self.front.stop()
                read, write = os.pipe()
                set_state_fd(self.front.link, SAVE, write)
                os.close(write)
                if take:
                    os.read(read, take)
                os.close(read)
                answer = check_state(self.front.link)
                self.assertIn(answer, (0, 1))
                self.assert_all_go_on()

    def test_a_full_pipe_whose_reader_goes(self):
        """With a socket of a large queue, so that the state does not fit into the pipe."""
        listener = self.remote.bound("", 9001)
        self.addCleanup(listener.close)
        self.begin_with_connections(with_target=False)
        big = self.connection(HOST4, REMOTE4, 9001)
        peer, _ = listener.accept()
        self.addCleanup(peer.close)
        peer.setblocking(False)
        try:
            while True:
                peer.send(PATTERN[:1 << 16])
        except BlockingIOError:
            pass
        time.sleep(0.3)
        self.front.stop()
        read, write = os.pipe()
        set_state_fd(self.front.link, SAVE, write)
        os.close(write)
        os.read(read, 4096)
        os.close(read)
        self.assertEqual(check_state(self.front.link), 1)
        self.assert_all_go_on()
        self.assertFalse(big.is_reset)

    def test_a_descriptor_that_is_no_pipe(self):
        self.begin_with_connections(with_target=False)
        for direction in (SAVE, LOAD):
            self.front.stop()
            fd = os.open(f"{self.hosts[0].dir}/resolv.conf", os.O_RDONLY)
            set_state_fd(self.front.link, direction, fd)
            os.close(fd)
            self.assertEqual(check_state(self.front.link), 1)
            self.assert_all_go_on()

    def test_what_is_asked_for_wrongly_is_refused(self):
        self.begin_with_connections(with_target=False)
        read, write = os.pipe()
        self.assertEqual(set_state_fd(self.front.link, SAVE, write), 0x101, "rings run")
        self.front.stop()
        self.assertEqual(set_state_fd(self.front.link, 2, write), 0x101, "direction")
        self.assertEqual(set_state_fd(self.front.link, SAVE, write, phase=1), 0x101, "phase")
        self.assertEqual(check_state(self.front.link), 1, "nothing to check")
        os.close(read)
        os.close(write)
        self.assert_all_go_on()

    def test_a_helper_that_dies_costs_the_migration_only(self):
        self.begin_with_connections(with_target=False)
        self.processes[0].kill()
        self.processes[0].wait()
        time.sleep(0.1)
        self.front.stop()
        state, answer = save(self.front.link)
        self.assertEqual((answer, state[58:62]), (0, bytes(4)), "no connections without a helper")
        self.assert_all_go_on()

    def test_another_helper_takes_its_place(self):
        self.begin_with_connections(with_target=False)
        self.front.stop()
        state, answer = save(self.front.link)
        self.assertEqual((answer, state[61]), (0, 2))
        self.processes[0].kill()
        self.processes[0].wait()
        self.front.resume()
        time.sleep(0.3)
        self.help(0)
        self.guest.outgoing.drain()
        for connection in self.open_ones:
            self.assert_echo(connection, b"and after")

    def test_a_front_end_that_goes_before_it_says_so(self):
        self.begin_with_connections(with_target=False)
        self.front.stop()
        read, write = os.pipe()
        set_state_fd(self.front.link, SAVE, write)
        os.close(write)
        while os.read(read, 1 << 16):
            pass
        os.close(read)
        self.front.link.close()
        time.sleep(0.2)
        change_back_end(self.front, self.first.path)
        self.assert_all_go_on()

    def test_states_that_are_none(self):
        self.begin_with_connections()
        self.front.stop()
        state, _ = save(self.front.link)
        for name, bad in {"empty": b"", "cut": state[:-1], "short": state[:70], "magic": b"x" + state[1:], "version": state[:11] + b"\x01" + state[12:16] + state[16:],
                          "longer": state + b"x", "count": state[:58] + b"\xff" * 4 + state[62:]}.items():
            with self.subTest(name):
                front = FrontEnd(self.second.path, features=PLAIN).open()
                self.assertEqual(load(front.link, bad), 1)
                front.close()
                self.assertIsNone(self.second.process.poll(), self.second.log()[-500:])
        self.assert_all_go_on()

    def test_a_record_that_makes_no_sense_costs_its_connection(self):
        self.begin_with_connections()
        self.front.stop()
        state, answer = save(self.front.link)
        self.assertEqual(answer, 0)
        first = 62
        state = state[:first] + b"\x07" + state[first + 1:]
        self.links.append(change_back_end(self.front, self.second.path))
        self.assertEqual(load(self.front.link, state), 0)
        self.moving.wire(1)
        self.go_on()
        alive = []
        for connection in self.open_ones:
            try:
                self.assert_echo(connection, b"and after")
                alive.append(connection)
            except AssertionError:
                self.assertTrue(connection.is_reset)
        self.assertEqual(len(alive), 1)

    def test_a_target_without_a_helper_resets_to_the_guest(self):
        self.begin_with_connections(with_target=False)
        self.second = self.daemon(1, "ours")
        self.migrate()
        connection = self.open_ones[0]      # which takes what comes for the other one
        connection.receive(1, 5)
        self.assertTrue(connection.is_reset)

    def test_the_end_after_a_migration(self):
        self.begin_with_connections("--migrate-exit")
        self.migrate()
        self.assertEqual(self.first.process.wait(5), 0)
        for connection in self.open_ones:
            self.assert_echo(connection, b"and after")

    def test_a_helper_at_a_path_of_the_users(self):
        path = f"{self.hosts[0].dir}/elsewhere"
        self.begin_with_connections("--repair-path", path, with_helpers=False)
        self.processes = [self.help(0, path=path), self.help(1)]
        self.migrate()
        for connection in self.open_ones:
            self.assert_echo(connection, b"and after")

    def test_without_lingering(self):
        self.begin_with_connections("--migrate-no-linger")
        self.migrate()
        wait_until(lambda: not self.hosts[0].run("ss", "-tnH", "state", "established").stdout.strip(), "sockets closed")
        for connection in self.open_ones:
            self.assert_echo(connection, b"and after")

    def test_a_source_lingers(self):
        self.begin_with_connections("--one-off")
        self.migrate()
        self.links.pop().close()
        time.sleep(0.5)
        self.assertIsNone(self.first.process.poll())
        self.assertEqual(len(self.hosts[0].run("ss", "-tnH", "state", "established").stdout.split("\n")) - 1, 2)


if __name__ == "__main__":
    netns_test.main()
