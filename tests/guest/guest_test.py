"""The runner of the tests in tests/guest: those of tests/netns, and what a guest needs besides."""
import os
import shutil
import sys

import guest_image
import netns_test


def missing():
    """Why guests cannot be tested here, or an empty string."""
    if reason := netns_test.missing():
        return reason
    for program in ("qemu-system-x86_64", "busybox", "dnsmasq", "curl", "ldd"):
        if not shutil.which(program):
            return f"needs the program {program}"
    if not os.path.exists(os.path.join(os.environ["TAPIOCA_BIN"], "passt")):
        return "needs a passt in TAPIOCA_BIN"
    try:
        guest_image.find_kernel(os.environ["TAPIOCA_GUEST_IMAGE"])
    except guest_image.Unavailable as reason:
        return str(reason)
    return ""


def main(also=lambda: ""):
    """also: what else the tests of one file need."""
    if reason := missing() or also():
        print(f"skipped: {reason}")
        sys.exit(77)
    netns_test.main()
