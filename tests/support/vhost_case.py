"""What tests of passt's vhost-user share: a daemon for each class, started again if a test has cost its life, and patience with its door."""
import time

from guests import OnServingHost
from passt import Passt
from vhost_front import FrontEnd, NotOffered


class OnVhost(OnServingHost):
    daemon = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            cls.start_daemon()
        except BaseException:
            cls.host.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        super().tearDownClass()

    @classmethod
    def start_daemon(cls):
        cls.daemon = Passt(cls.host, "--vhost-user", "-m", "1500")

    @classmethod
    def alive(cls):
        return cls.daemon.process.poll() is None

    def patiently(self, form, timeout=3):
        """form(), again and again: until the end of the front-end before is noticed, a new one is refused."""
        end = time.monotonic() + timeout
        while True:
            try:
                return form()
            except NotOffered:
                raise
            except Exception:
                if time.monotonic() > end or not self.alive():
                    raise
                time.sleep(0.005)

    def open_front(self, **options):
        """A front-end that has said hello."""
        def attempt():
            front = FrontEnd(self.daemon.path, **options)
            try:
                return front.open()
            except BaseException:
                front.close()
                raise
        return self.patiently(attempt)
