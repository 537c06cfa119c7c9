#!/usr/bin/env python3
"""The system-call filter is the union of the tags beside the wrappers: what a wrapper in daemon/ says it calls is allowed by a line in
seccomp/profiles, and what a line allows is called by a wrapper. The libraries' own calls and the sanitizers' have tables without tags."""
import re

import lint

TAG = re.compile(r"^\s*// syscalls:(.*)$", re.M)
LINE = re.compile(r'^\s*\{\s*"(\w+)",\s*"([^"]*)",\s*"([^"]*)"', re.M)

TAGGED = ("translator.cpp", "pasta.cpp")
UNTAGGED = ("runtime.cpp", "sanitized.cpp")

# Made by wrappers that only start-up uses: allowed to be absent from the profiles.
BEFORE_THE_SEAL = {
    "epoll_create1": "each poller is made with its worker",
    "newfstatat": "resolv.conf is read at start",
    "uname": "the host's name is read at start",
}


def tags(root):
    """Name of a call -> the first wrapper that says it makes it."""
    found = {}
    for path in lint.files(root, ".hpp", ".cpp"):
        if path.parts[0] == "daemon":
            for listed in TAG.findall(lint.read(root, path) or ""):
                for name in listed.split():
                    found.setdefault(name, path)
    return found


def lines(root, tables):
    """Name of a call -> (table, who, why)."""
    found = {}
    for table in tables:
        path = root / "seccomp" / "profiles" / table
        if path.exists():
            for name, who, why in LINE.findall(path.read_text()):
                found[name] = (table, who, why)
    return found


def check(root):
    tagged, allowed, untagged = tags(root), lines(root, TAGGED), lines(root, UNTAGGED)
    complaints = []
    for name, path in sorted(tagged.items()):
        if name in allowed and name in BEFORE_THE_SEAL:
            complaints.append(f"syscall_tags.py: {name} is allowed in {allowed[name][0]}, so it is no matter of start-up alone")
        if name not in allowed and name not in BEFORE_THE_SEAL:
            complaints.append(f"{path}: tagged {name}, which no line in seccomp/profiles allows")
    for name, (table, _, _) in sorted(allowed.items()):
        if name not in tagged:
            complaints.append(f"seccomp/profiles/{table}: allows {name}, which no wrapper is tagged with")
    for name, (table, who, why) in sorted({**untagged, **allowed}.items()):
        if not who.strip() or not why.strip():
            complaints.append(f"seccomp/profiles/{table}: {name} lacks who or why")
    for name in sorted(set(lines(root, ("translator.cpp",))) & set(lines(root, ("runtime.cpp",)))):
        complaints.append(f"seccomp/profiles/runtime.cpp: {name} is in translator.cpp already")
    return complaints


def profile(*entries):
    return "".join('    {"%s", "%s", "%s"},\n' % entry for entry in entries)


WRAPPER = {"daemon/os/file.cpp": "// syscalls: read close\nint f();\n"}
PROFILE = {"seccomp/profiles/translator.cpp": profile(("read", "f", "reads"), ("close", "f", "closes"))}
VIOLATIONS = [
    ("tagged read, which no line", {**WRAPPER, "seccomp/profiles/translator.cpp": profile(("close", "f", "closes"))}),
    ("allows write, which no wrapper", {**WRAPPER, **PROFILE, "seccomp/profiles/pasta.cpp": profile(("write", "f", "writes"))}),
    ("lacks who or why", {**WRAPPER, **PROFILE, "seccomp/profiles/runtime.cpp": profile(("brk", "libc", " "))}),
    ("is in translator.cpp already", {**WRAPPER, **PROFILE, "seccomp/profiles/runtime.cpp": profile(("read", "libc", "reads"))}),
]
CLEAN = {**WRAPPER, **PROFILE, "seccomp/profiles/runtime.cpp": profile(("brk", "libc", "heap"))}

if __name__ == "__main__":
    lint.main(check, VIOLATIONS, CLEAN)
