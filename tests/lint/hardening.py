#!/usr/bin/env python3
"""The programs carry what makes faults hard to exploit: hardening.py PROGRAM...

Each property is looked for in the linked file, because options that do not reach the linker's output protect nobody. It proves itself
on a program that was built without any of them.
"""
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

import lint

SOURCE = """#include <cstdio>
#include <cstring>
int main(int argc, char** argv) { char text[64]; std::strcpy(text, argv[argc - 1]); std::puts(text); }
"""
WITHOUT = ["-O0", "-no-pie", "-fno-pie", "-fno-stack-protector", "-fcf-protection=none", "-U_FORTIFY_SOURCE",
           "-Wl,-z,norelro,-z,lazy,-z,execstack"]
ENDBR64 = b"\xf3\x0f\x1e\xfa"     # where indirect jumps may arrive (-fcf-protection)
BRANCHES = 20                       # fewer than any of our programs has, more than the start-up code brings along


def readelf(program, *options):
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(["readelf", "-W", *options, str(program)], capture_output=True, text=True, check=True, env=environment).stdout


def faults(program):
    """What the program lacks."""
    header, dynamic, segments = readelf(program, "-h"), readelf(program, "-d"), readelf(program, "-l")
    imported = readelf(program, "--dyn-syms")
    if "DYN (" not in header:
        yield "it is not position-independent"
    if "GNU_RELRO" not in segments:
        yield "its relocations stay writable"
    if "NOW" not in dynamic:
        yield "it is bound lazily"
    for line in segments.splitlines():
        if line.split()[:1] == ["GNU_STACK"] and "E" in line.split()[6]:
            yield "its stack is executable"
        if line.split()[:1] == ["LOAD"] and "W" in line.split()[6:8] and "E" in line.split()[6:9]:
            yield "memory is writable and executable"
    if "__stack_chk_fail" not in imported:
        yield "its stack frames are not protected"
    if "_chk@" not in imported.replace("__stack_chk", ""):
        yield "its calls of the C library are not fortified"
    if "RPATH" in dynamic or "RUNPATH" in dynamic:
        yield "it looks for libraries in places of its own"
    if platform.machine() == "x86_64" and pathlib.Path(program).read_bytes().count(ENDBR64) < BRANCHES:
        yield "its indirect jumps are not bounded"


def unprotected(directory):
    target = pathlib.Path(directory) / "unprotected"
    subprocess.run([lint.compiler(), *WITHOUT, "-x", "c++", "-o", str(target), "-"], input=SOURCE, text=True, check=True)
    return target


EXPECTED = ["position-independent", "relocations", "lazily", "stack is executable", "frames", "fortified"]


def main():
    expected = EXPECTED + (["indirect jumps"] if platform.machine() == "x86_64" else [])
    failed = 0
    with tempfile.TemporaryDirectory(prefix="tapioca-lint-") as directory:
        found = list(faults(unprotected(directory)))
    for word in expected:
        if not any(word in fault for fault in found):
            failed += 1
            print(f"self-test: nothing about {word!r} in {found}")
    for program in sys.argv[1:]:
        complaints = list(faults(program))
        failed += bool(complaints)
        for complaint in complaints:
            print(f"{program}: {complaint}")
    total = len(expected) + len(sys.argv) - 1
    print(f"{total - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
