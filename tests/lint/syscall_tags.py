#!/usr/bin/env python3
"""The system-call filter is the union of the tags beside the wrappers: what a wrapper in daemon/ says it calls is allowed by a line in
seccomp/profiles, and what a line allows is called by a wrapper. The libraries' own calls and the sanitizers' have tables without tags.
Options of sockets are compared one by one: setsockopt and getsockopt are allowed for those in options.cpp only."""
import re

import lint

TAG = re.compile(r"^\s*// syscalls:(.*)$", re.M)
LINE = re.compile(r'^\s*\{\s*"(\w+)",\s*"([^"]*)",\s*"([^"]*)"', re.M)

# The processes that read resolv.conf have a table of their own. The guardian's list stands behind the watcher's in it.
HELPERS = "seccomp/profiles/watcher.cpp"
HELPER_TAG = re.compile(r"^\s*// syscalls of the (watcher|guardian):(.*)$", re.M)
HELPER_LISTS = {"watcher": re.compile(r"allowed_call watcher\[\] = \{\n(.*?)\n\};", re.S),
                "guardian": re.compile(r"allowed_call guardian\[\] = \{\n(.*?)\n\};", re.S)}
HELPER_LIBRARY = ("libc", "kernel")     # who makes a call without a wrapper of ours

TAGGED = ("translator.cpp", "pasta.cpp", "vhost.cpp")
UNTAGGED = ("runtime.cpp", "sanitized.cpp")

# Made by wrappers that only start-up uses: allowed to be absent from the profiles.
BEFORE_THE_SEAL = {
    "epoll_create1": "each poller is made with its worker",
    "timerfd_create": "each poller is made with its alarm",
    "newfstatat": "resolv.conf is read at start",
    "uname": "the host's name is read at start",
}

# The options of sockets: level and name. A wrapper's call, and a line of the table, which has one list for each of the two calls.
OPTION = r"(SOL_\w+|IPPROTO_\w+),\s*(\w+)"
CALLS = {"setsockopt": re.compile(r"\bset(?:sockopt)?\(\s*\w[\w.>()-]*?,\s*" + OPTION),
         "getsockopt": re.compile(r"\bget(?:sockopt)?\(\s*\w[\w.>()-]*?,\s*" + OPTION)}
LISTS = {"setsockopt": "set_options", "getsockopt": "read_options"}
OPTIONS = "seccomp/profiles/options.cpp"

# Read at start only.
OPTIONS_BEFORE_THE_SEAL = {
    ("getsockopt", "SO_TYPE"): "of the descriptor that was inherited",
    ("getsockopt", "IP_TTL"): "the usual one",
    ("getsockopt", "SO_ACCEPTCONN"): "of what another process gave us",
    ("setsockopt", "SO_SNDTIMEO"): "of the log's socket",
    ("setsockopt", "SO_RCVTIMEO"): "of the netlink socket that hears of new routes",
    ("setsockopt", "SO_ATTACH_FILTER"): "of the socket that hears of changes of the network",
    ("setsockopt", "type"): "netlink's",
}


def filtered(path):
    """The clients are programs of their own, without the daemon's filter."""
    return path.parts[0] == "daemon" and path.parts[1] != "client"


def listed_options(root, call):
    text = (root / OPTIONS).read_text() if (root / OPTIONS).exists() else ""
    found = re.search(LISTS[call] + r"\[\] = \{\n(.*?)\n\};", text, re.S)
    return set(re.findall(r"^\s*\{" + OPTION, found.group(1), re.M)) if found else set()


def used_options(root, call):
    """(level, name) -> the first file that sets or reads it."""
    found = {}
    for path in lint.files(root, ".hpp", ".cpp"):
        if filtered(path):
            for option in CALLS[call].findall(lint.read(root, path) or ""):
                found.setdefault(option, path)
    return found


def check_options(root):
    for call in CALLS:
        used, listed = used_options(root, call), listed_options(root, call)
        for level, name in sorted(used):
            if (level, name) not in listed and (call, name) not in OPTIONS_BEFORE_THE_SEAL:
                yield f"{used[level, name]}: {call} of {level}, {name}, which no line of {OPTIONS} allows"
        for level, name in sorted(listed - set(used)):
            yield f"{OPTIONS}: allows {call} of {level}, {name}, which no wrapper makes"


def tags(root):
    """Name of a call -> the first wrapper that says it makes it."""
    found = {}
    for path in lint.files(root, ".hpp", ".cpp"):
        if filtered(path):
            for listed in TAG.findall(lint.read(root, path) or ""):
                for name in listed.split():
                    found.setdefault(name, path)
    return found


def check_helpers(root):
    """The watcher's list and its tags; the guardian's, where the watcher's calls are allowed, too."""
    if not (root / HELPERS).exists():
        return
    text, tagged = (root / HELPERS).read_text(), {"watcher": {}, "guardian": {}}
    for path in lint.files(root, ".hpp", ".cpp"):
        if path.parts[0] in ("daemon", "seccomp"):
            for helper, listed in HELPER_TAG.findall(lint.read(root, path) or ""):
                for name in listed.split():
                    tagged[helper].setdefault(name, path)
    for helper, pattern in HELPER_LISTS.items():
        found = pattern.search(text)
        listed = LINE.findall(found.group(1)) if found else []
        wrapped = {name for name, who, _ in listed if who not in HELPER_LIBRARY}
        yield from (f"{HELPERS}: {name} lacks who or why" for name, who, why in listed if not who.strip() or not why.strip())
        yield from (f"{tagged[helper][name]}: tagged {name}, which the {helper} may not call" for name in sorted(set(tagged[helper]) - wrapped))
        yield from (f"{HELPERS}: lets the {helper} call {name}, which no wrapper is tagged with" for name in sorted(wrapped - set(tagged[helper])))


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
    complaints = list(check_options(root)) + list(check_helpers(root))
    for call in CALLS:
        if listed_options(root, call):
            allowed[call] = ("options.cpp", "wrappers", "options")
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


def options(first, second):
    return f"constexpr socket_option set_options[] = {{\n{first}\n}};\nconstexpr socket_option read_options[] = {{\n{second}\n}};\n"


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
SETTER = "// syscalls: setsockopt\nint g() { return set(fd->get(), SOL_SOCKET, SO_LINGER, 1); }\n"
READER = "// syscalls: getsockopt\nint h() { return ::getsockopt(fd, SOL_SOCKET,\n SO_ERROR, &e, &n); }\n"
VIOLATIONS += [
    ("setsockopt of SOL_SOCKET, SO_LINGER, which no line", {"daemon/os/a.cpp": SETTER, OPTIONS: options('    {SOL_SOCKET, SO_MARK, "w"},', "")}),
    ("allows setsockopt of SOL_SOCKET, SO_MARK, which no wrapper", {"daemon/os/a.cpp": SETTER, OPTIONS: options('    {SOL_SOCKET, SO_MARK, "w"},', "")}),
    ("getsockopt of SOL_SOCKET, SO_ERROR, which no line", {"daemon/os/a.cpp": READER, OPTIONS: options("", '    {SOL_SOCKET, SO_DOMAIN, "w"},')}),
]
HELPER_TABLE = "constexpr allowed_call watcher[] = {\n%s\n};\nconstexpr allowed_call guardian[] = {\n%s\n};\n"
HELPER_WRAPPER = {"daemon/os/b.cpp": "// syscalls of the watcher: ppoll\nint k();\n// syscalls of the guardian: clone\nint l();\n"}
HELPER_PROFILE = {HELPERS: HELPER_TABLE % (profile(("ppoll", "k", "waits"), ("exit_group", "libc", "ends")), profile(("clone", "l", "forks")))}
VIOLATIONS += [
    ("tagged ppoll, which the watcher may not call", {**HELPER_WRAPPER, HELPERS: HELPER_TABLE % ("", profile(("clone", "l", "forks")))}),
    ("lets the guardian call wait4, which no wrapper", {**HELPER_WRAPPER, HELPERS: HELPER_TABLE % (profile(("ppoll", "k", "waits")), profile(("clone", "l", "forks"), ("wait4", "l", "waits")))}),
    ("lacks who or why", {**HELPER_WRAPPER, HELPERS: HELPER_TABLE % (profile(("ppoll", "k", " ")), profile(("clone", "l", "forks")))}),
]
CLEAN = {**WRAPPER, **HELPER_WRAPPER, **HELPER_PROFILE, **PROFILE, "seccomp/profiles/runtime.cpp": profile(("brk", "libc", "heap")), "daemon/os/a.cpp": SETTER, "daemon/os/c.cpp": READER,
         OPTIONS: options('    {SOL_SOCKET, SO_LINGER, "w"},', '    {SOL_SOCKET, SO_ERROR, "w"},')}

if __name__ == "__main__":
    lint.main(check, VIOLATIONS, CLEAN)
