#!/usr/bin/env python3
"""Every header compiles alone: it includes what it uses.

A header whose own .cpp includes it first is proved by the build; the others are compiled here, and only again after a change:
a stamp in the build directory lists the files it was made from.
"""
import concurrent.futures
import hashlib
import os
import pathlib
import re
import subprocess

import lint

FIRST_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
CXX = [lint.compiler(), "-std=gnu++20", "-fsyntax-only", "-Wall", "-Wextra", "-DTAPIOCA_VERSION=\"0\""]


def proved_by_build(root, header):
    source = root / header.with_suffix(".cpp")
    if not source.is_file():
        return False
    text = source.read_text()
    first = FIRST_INCLUDE.search(text)
    return first is not None and first[1] == str(header) and "#include <" not in text[:first.start()]


def stamp_of(root, header):
    cache = os.environ.get("TAPIOCA_LINT_CACHE")
    if not cache or root != lint.ROOT:
        return None
    key = hashlib.sha256(f"{CXX} {header}".encode()).hexdigest()[:16]
    return pathlib.Path(cache) / f"{key}.d"


def fresh(stamp):
    """The stamp is younger than everything that the header includes."""
    try:
        made = stamp.stat().st_mtime_ns
        _, _, names = stamp.read_text().replace("\\\n", " ").partition(":")
        return all(os.stat(name).st_mtime_ns < made for name in names.split() if name != "-")
    except OSError:
        return False


def compile_alone(root, header):
    """The compiler's complaint, or None."""
    stamp = stamp_of(root, header)
    if stamp and fresh(stamp):
        return None
    command = [*CXX, "-I", str(root), "-x", "c++", "-"]
    if stamp:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        command[1:1] = ["-MMD", "-MF", str(stamp)]
    made = subprocess.run(command, input=f'#include "{header}"\n', capture_output=True, text=True)
    if made.returncode == 0:
        return None
    if stamp:
        stamp.unlink(missing_ok=True)
    return f"{header}: does not compile alone:\n{made.stderr[:2000]}"


def check(root):
    headers = [h for h in lint.files(root, ".hpp") if not proved_by_build(root, h)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [c for c in pool.map(lambda h: compile_alone(root, h), headers) if c]


VIOLATIONS = [("does not compile alone", {"proto/base/a.hpp": "#pragma once\ninline std::size_t f() { return 1; }\n"})]
CLEAN = {"proto/base/a.hpp": "#pragma once\n#include <cstddef>\ninline std::size_t f() { return 1; }\n",
         "proto/base/proved.hpp": "not even C++\n", "proto/base/proved.cpp": '#include "proto/base/proved.hpp"\n'}

if __name__ == "__main__":
    lint.main(check, VIOLATIONS, CLEAN)
