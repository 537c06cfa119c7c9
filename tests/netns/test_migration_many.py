#!/usr/bin/env python3
"""A guest with many connections migrates: all of them go on, and for how long nothing is heard of it."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import netns_test
from migration_case import FAMILIES, OnMovingHosts

MANY = 2000
LONGEST = 0.5


class Many(OnMovingHosts):
    def test_all_go_on_after_a_short_silence(self):
        self.begin()
        idle = [self.connection(*FAMILIES[n % 2], 7) for n in range(MANY * 3 // 4)]
        uploads = [self.connection(*FAMILIES[n % 2], 9) for n in range(MANY // 4)]
        for connection in uploads:
            connection.send(b"before")
        began = time.monotonic()
        state = self.migrate()
        self.assert_echo(idle[0], b"after")
        silence = time.monotonic() - began
        print(f"silence of {1000 * silence:.0f} ms, {len(state)} octets", file=sys.stderr)
        for connection in uploads:
            connection.send(b" and after", finish=True)
            self.assertEqual(connection.receive(timeout=30).split()[:1], [b"16"])
        for connection in idle:
            self.assert_echo(connection, b"and again")
        if os.getloadavg()[0] <= 2 * os.cpu_count():        # each step waits for a processor, which is no fault of ours
            self.assertLess(silence, LONGEST)


if __name__ == "__main__":
    netns_test.main()
