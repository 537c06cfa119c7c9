#!/usr/bin/env python3
"""proto computes values from values: what it takes from outside is memcpy and its kin, and nothing else.

usage: purity.py LIBRARY    the objects of proto, compiled without LTO (which would hide the builtins)
"""
import pathlib
import re
import subprocess
import sys
import tempfile

import lint

# Besides our own names: what the compiler itself emits for copies, fortified copies and stack protection.
ALLOWED = re.compile(r"^(mem(cpy|move|set|cmp|chr)|__mem(cpy|move|set)_chk|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_)$")
OURS = re.compile(r"^_Z(T[VTSI])?N?[KVRO]*7tapioca")

PLANTED = [  # what must be found, the source
    ("getpid", "#include <unistd.h>\nnamespace tapioca { int f() { return getpid(); } }"),
    ("_Znwm", "namespace tapioca { int* f() { return new int; } }"),
    ("clock", "#include <chrono>\nnamespace tapioca { auto f() { return std::chrono::steady_clock::now(); } }"),
    ("_ZSt20__throw_length_error", "#include <string>\nnamespace tapioca { std::string f(int n) { return std::string(n, 'x'); } }"),
    ("other", "namespace other { int g(); }\nnamespace tapioca { int f() { return other::g(); } }"),
]
CLEAN = "#include <cstring>\nnamespace tapioca { int g(int); int f(void* a, void* b, unsigned n) { memcpy(a, b, n); return g(1); } }"


def foreign_names(objects):
    """(object, name) of each undefined symbol that proto must not know."""
    listing = subprocess.run(["nm", "-u", "--format=posix", str(objects)], capture_output=True, text=True, check=True).stdout
    found, member = [], objects.name
    for line in listing.splitlines():
        if line.endswith(":"):
            member = line.rstrip(":")
        elif line and not ALLOWED.match(name := line.split()[0]) and not OURS.match(name):
            found.append((member, name))
    return found


def compiled(directory, source):
    target = pathlib.Path(directory) / "planted.o"
    subprocess.run([lint.compiler(), "-std=gnu++20", "-O1", "-c", "-x", "c++", "-o", str(target), "-"], input=source, text=True, check=True)
    return target


def main():
    failed = 0
    with tempfile.TemporaryDirectory(prefix="tapioca-lint-") as directory:
        for expected, source in [*PLANTED, (None, CLEAN)]:
            names = [name for _, name in foreign_names(compiled(directory, source))]
            if (not names) if expected is None else any(expected in n for n in names):
                continue
            failed += 1
            print(f"self-test: expected {expected!r}, got {names} from: {source}")
    library = pathlib.Path(sys.argv[1])
    if not any(line for line in subprocess.run(["nm", str(library)], capture_output=True, text=True).stdout.splitlines()):
        print(f"{library}: no symbols at all: built with LTO?")
        failed += 1
    for member, name in sorted(set(foreign_names(library))):
        print(f"{member}: {name}")
        failed += 1
    print(f"{len(PLANTED) + 2 - min(failed, len(PLANTED) + 2)} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
