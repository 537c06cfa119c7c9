"""A pasta with a control socket at a path, where it may be changed, and a server for its flows: for test cases."""
import os
import stat

import cleanup
from guests import Daemon, Guest
from hosts import PYTHON, USER, SimulatedHost


class OnControlledDaemon:
    """`program`: a server, which says in a line that it listens. Port 8000 of the host leads to 7000 in the guest."""
    workers = 1

    @classmethod
    def setUpClass(cls):
        cls.host = SimulatedHost()
        cls.guest = Guest(cls.host)
        cls.path = f"{cls.host.dir}/control"
        os.chmod(cls.host.dir, stat.S_IMODE(os.stat(cls.host.dir).st_mode) | 0o777)
        cls.daemon = Daemon(cls.guest, "--control", cls.path, *cls.options(), "--workers", cls.workers, ports=("-t", "8000:7000", "-u", "none", "-T", "none", "-U", "none"))
        cls.server = cls.serve()
        cls.server.stdout.readline()

    @classmethod
    def options(cls):
        """What the daemon is asked for besides."""
        return ()

    @classmethod
    def serve(cls):
        """Behind the uplink."""
        return cls.host.popen(*cls.host.in_remote(PYTHON, "-c", cls.program), stdout=-1)

    @classmethod
    def tearDownClass(cls):
        cleanup.end_process(cls.server)
        cls.daemon.stop()
        cls.host.close()

    def tearDown(self):
        self.assertIsNone(self.daemon.process.poll(), self.daemon.log())

    def tapioca(self, *words, status=0, uid=USER):
        done = self.host.run(self.host.binary("tapioca"), *words, uid=uid, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout if status == 0 else done.stderr
