"""QEMU's monitor protocol: commands for a machine that runs, and what it says of itself."""
import json
import socket
import time

from hosts import wait_until


class Qmp:
    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        wait_until(lambda: self._socket.connect_ex(path) == 0, "monitor of the machine")
        self._lines = self._socket.makefile("rw", encoding="utf-8")
        self._events = []
        self._lines.readline()          # the greeting
        self.command("qmp_capabilities")

    def _message(self, timeout):
        self._socket.settimeout(timeout)
        line = self._lines.readline()
        if not line:
            raise RuntimeError("the machine has closed its monitor")
        return json.loads(line)

    def command(self, name, **arguments):
        self._lines.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self._lines.flush()
        while "event" in (message := self._message(30)):
            self._events.append(message)
        if "error" in message:
            raise RuntimeError(f"{name}: {message['error']['desc']}")
        return message["return"]

    def event(self, name, timeout=30):
        """Waits for it; what came before the call counts too."""
        end = time.monotonic() + timeout
        while not (found := [e for e in self._events if e["event"] == name]):
            self._events.append(self._message(max(0.01, end - time.monotonic())))
        self._events.remove(found[0])
        return found[0]

    def close(self):
        self._lines.close()
        self._socket.close()
