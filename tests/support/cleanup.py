"""Undoes what a test made, also when it fails or is told to end.

Every namespace, process and directory that a test makes is entered here at once. The entries are undone in the opposite
order at exit, and when SIGTERM, SIGINT or SIGHUP ends the test.
"""
import atexit
import os
import signal
import subprocess
import sys

_undo = []


def at_exit(function, *args):
    """Enters what has to be undone; returns a token for `now`."""
    token = (function, args)
    _undo.append(token)
    return token


def now(token):
    """Undoes one entry before its time; twice is harmless."""
    if token in _undo:
        _undo.remove(token)
        token[0](*token[1])


def undo_all():
    """Undoes every entry."""
    while _undo:
        function, args = _undo.pop()
        try:
            function(*args)
        except Exception as error:      # the remaining entries still have to be undone
            print(f"cleaning up: {error}", file=sys.stderr)


def end_process(process, timeout=5):
    """Ends a process that we started: politely, then not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream:
            stream.close()


def _end(number, frame):
    """Not sys.exit: a test runner would take that for one failed test and go on."""
    signal.signal(number, signal.SIG_IGN)
    undo_all()
    os._exit(128 + number)


atexit.register(undo_all)
for _number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(_number, _end)
