#!/usr/bin/env python3
"""What no tracked file may hold: postponed work, traces of one machine, conflict markers, untidy line ends."""
import re
import socket

import lint

# Written apart, so that this file does not complain of itself.
POSTPONED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
MACHINE_PATH = re.compile(r"(?<![\w.])/(work|home/[a-z][\w-]*|Users/\w+|root)/[\w.]")
CONFLICT = re.compile(r"^(<{7} |>{7} |={7}$)")
AS_RECEIVED = ("LICENSE", "tests/fuzz/corpus/")


def rules():
    yield POSTPONED, "postponed work belongs into an issue"
    yield MACHINE_PATH, "a path of one machine"
    yield CONFLICT, "a conflict marker"
    yield re.compile(r"[ \t\r]+$"), "white space at the end of the line"
    host = socket.gethostname().split(".")[0]
    if len(host) > 5 and host not in ("localhost", "debian", "ubuntu"):
        yield re.compile(rf"\b{re.escape(host)}\b"), "the name of this machine"


def check(root):
    complaints = []
    for path in lint.files(root):
        text = lint.read(root, path)
        if text is None or str(path).startswith(AS_RECEIVED):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            complaints += [f"{path}:{number}: {why}" for pattern, why in rules() if pattern.search(line)]
        if text and not text.endswith("\n"):
            complaints.append(f"{path}: no newline at the end")
        if path.suffix in lint.COMPILED and "\t" in text:
            complaints.append(f"{path}: a tab")
        if path.suffix == ".hpp" and "#pragma once" not in text:
            complaints.append(f"{path}: no #pragma once")
    return complaints


VIOLATIONS = [
    ("postponed", {"daemon/a.cpp": "// TO" + "DO: later\n"}),
    ("postponed", {"doc/a.md": "FIX" + "ME\n"}),
    ("a path of one machine", {"doc/a.md": "see /ho" + "me/somebody/notes\n"}),
    ("a path of one machine", {"run": "cd /wo" + "rk/tree\n"}),
    ("conflict", {"doc/a.md": "<" * 7 + " HEAD\n"}),
    ("white space", {"doc/a.md": "word \n"}),
    ("no newline", {"doc/a.md": "word"}),
    ("a tab", {"proto/a.cpp": "int\ta;\n"}),
    ("no #pragma once", {"proto/a.hpp": "int a();\n"}),
]
CLEAN = {"doc/a.md": "`./run`, /proc/self/ns/net and https://example.org/home/x\n", "proto/a.hpp": "#pragma once\n"}

if __name__ == "__main__":
    lint.main(check, VIOLATIONS, CLEAN)
