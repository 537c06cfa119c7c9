"""A thread of another process that does nothing for a while, as if the processors were busy with others (ptrace(2))."""
import contextlib
import ctypes
import os

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WAIT_FOR_THREADS = 0x40000000   # __WALL


def _ptrace(request, thread):
    zero = ctypes.c_void_p(0)
    if ctypes.CDLL(None, use_errno=True).ptrace(ctypes.c_long(request), ctypes.c_long(thread), zero, zero) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")


@contextlib.contextmanager
def stopped(thread):
    _ptrace(PTRACE_SEIZE, thread)
    _ptrace(PTRACE_INTERRUPT, thread)
    os.waitpid(thread, WAIT_FOR_THREADS)
    try:
        yield
    finally:
        _ptrace(PTRACE_DETACH, thread)


def threads(pid):
    """In the order of their start."""
    return sorted(int(task) for task in os.listdir(f"/proc/{pid}/task"))
