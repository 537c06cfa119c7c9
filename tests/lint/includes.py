#!/usr/bin/env python3
"""Who may include what: the layers of proto, the folders of the daemon, and which library is known where."""
import re

import lint

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)

# proto: a folder may include itself and every folder of a lower rank.
PROTO_RANK = {"base": 0, "wire": 1, "capture": 1, "policy": 2, "frame": 2, "responder": 3, "flow": 3, "tcp": 4, "udp": 4, "icmp": 4, "forward": 4, "vhost": 4,
              "control": 5, "migrate": 5}
# daemon: likewise; what stands in daemon/ itself is known by none of them.
DAEMON_RANK = {"os": 0, "config": 1, "policy": 1.5, "report": 2, "client": 2, "tap": 3, "forward": 4, "translate": 5, "plane": 6, "netns": 6, "loop": 7, "control": 8,
               "follow": 9, "names": 9, "migrate": 9, "start_up": 10}
# memory is there for construct_at, string and vector for what is given to proto; whoever allocates is caught by purity.py.
PROTO_STANDARD = set("""algorithm array atomic bit chrono climits compare concepts cstddef cstdint cstring initializer_list iterator limits
memory numeric optional ranges ratio span string string_view tuple type_traits utility variant vector version""".split())

# Own headers: top folder -> top folders that it may include. tests may include everything, nothing may include tests.
MAY_INCLUDE = {"proto": {"proto"}, "seccomp": {"seccomp"}, "qrap": {"qrap", "proto"}, "daemon": {"daemon", "proto", "seccomp"},
               "doc": {"doc", "daemon"}}

# Headers of the system and of libraries: pattern -> the places that may know them.
KERNEL = ("daemon/os/", "daemon/tap/", "daemon/netns/", "daemon/client/", "seccomp/", "qrap/")
KNOWN_IN = [
    (re.compile(r"^(sys|linux|asm)/(?!types\.h)|^(unistd|fcntl|sched|poll)\.h$"), KERNEL),  # types.h declares no calls
    (re.compile(r"^boost/asio"), ("daemon/control/",)),
    (re.compile(r"^spdlog/"), ("daemon/report/",)),
    (re.compile(r"^CLI/"), ("daemon/config/",)),
    (re.compile(r"^libmnl/"), ("daemon/os/", "daemon/netns/")),
    (re.compile(r"^pcap/"), ("daemon/client/",)),
    (re.compile(r"^(toml\+\+/|idn2\.h$|libpsl\.h$)"), ("daemon/policy/",)),
    (re.compile(r"^(seccomp|cap-ng)\.h$"), ("seccomp/",)),
]
ASIO = re.compile(r"^boost/asio")


def own_header(path, name):
    """Why this file must not include this header of ours, or None."""
    top, target = path.parts[0], name.split("/")
    if top != "tests" and target[0] not in MAY_INCLUDE.get(top, ()):
        return f"{top} must not include {target[0]}"
    for ranked, ranks in (("proto", PROTO_RANK), ("daemon", DAEMON_RANK)):
        if top != ranked or target[0] != ranked or len(path.parts) < 3:
            continue
        here, there = path.parts[1], target[1]
        if here not in ranks or there not in ranks:
            return f"{ranked}/{here if here not in ranks else there} has no place in the order of the layers"
        if here != there and ranks[there] >= ranks[here]:
            return f"{ranked}/{here} must not include {ranked}/{there}"
    return None


def foreign_header(path, name):
    """Why this file must not include this header of a library or of the system, or None."""
    top = path.parts[0]
    if top == "tests":
        return None
    if top == "proto" and name not in PROTO_STANDARD:
        return "proto knows a few headers of the standard library, and not this one"
    for pattern, places in KNOWN_IN:
        if pattern.search(name) and not str(path).startswith(places):
            return f"only in {', '.join(places)}"
    if ASIO.search(name) and path.suffix != ".cpp":
        return "Asio costs 2 s of compile time a file: in .cpp files only"
    return None


def cycle(graph):
    """One include cycle as a list of files, or None."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return path[path.index(node):] + [node]
        if node in done:
            return None
        path.append(node)
        for following in graph.get(node, ()):
            if found := visit(following):
                return found
        path.pop()
        done.add(node)
        return None

    return next((found for node in graph if (found := visit(node))), None)


def check(root):
    complaints, graph = [], {}
    for path in lint.files(root, *lint.COMPILED):
        for match in INCLUDE.finditer(lint.read(root, path)):
            quoted, name = match[1] == '"', match[2]
            if quoted and not (root / name).is_file():
                why = "not a path from the top of the tree"
            else:
                why = own_header(path, name) if quoted else foreign_header(path, name)
            if why:
                line = lint.read(root, path).count("\n", 0, match.start(1)) + 1
                complaints.append(f"{path}:{line}: {name}: {why}")
            if quoted:
                graph.setdefault(str(path), []).append(name)
    if found := cycle(graph):
        complaints.append("include cycle: " + " -> ".join(found))
    return complaints


def planted(path, include, **more):
    return {path: f"#pragma once\n#include {include}\n", **{name.replace("__", "/") + ".hpp": "" for name in more}}


VIOLATIONS = [
    ("proto/base must not include proto/wire", planted("proto/base/a.hpp", '"proto/wire/b.hpp"', proto__wire__b=1)),
    ("proto/tcp must not include proto/udp", planted("proto/tcp/a.cpp", '"proto/udp/b.hpp"', proto__udp__b=1)),
    ("proto/responder must not include proto/flow", planted("proto/responder/a.cpp", '"proto/flow/b.hpp"', proto__flow__b=1)),
    ("proto/misc has no place", planted("proto/misc/a.cpp", '"proto/base/b.hpp"', proto__base__b=1)),
    ("daemon/tap must not include daemon/translate", planted("daemon/tap/a.cpp", '"daemon/translate/b.hpp"', daemon__translate__b=1)),
    ("daemon/plane must not include daemon/loop", planted("daemon/plane/a.hpp", '"daemon/loop/b.hpp"', daemon__loop__b=1)),
    ("daemon/control must not include daemon/start_up", planted("daemon/control/a.cpp", '"daemon/start_up/b.hpp"', daemon__start_up__b=1)),
    ("daemon/b.hpp has no place", planted("daemon/start_up/a.cpp", '"daemon/b.hpp"', daemon__b=1)),
    ("proto must not include daemon", planted("proto/base/a.hpp", '"daemon/os/b.hpp"', daemon__os__b=1)),
    ("seccomp must not include daemon", planted("seccomp/a.cpp", '"daemon/os/b.hpp"', daemon__os__b=1)),
    ("daemon must not include tests", planted("daemon/main.cpp", '"tests/b.hpp"', tests__b=1)),
    ("not this one", planted("proto/base/a.hpp", "<map>")),
    ("only in daemon/os/", planted("daemon/translate/a.cpp", "<sys/socket.h>")),
    ("only in daemon/control/", planted("daemon/loop/worker.cpp", "<boost/asio.hpp>")),
    (".cpp files only", planted("daemon/control/a.hpp", "<boost/asio/ip/tcp.hpp>")),
    ("only in daemon/report/", planted("daemon/tap/a.cpp", "<spdlog/spdlog.h>")),
    ("only in daemon/config/", planted("daemon/main.cpp", "<CLI/CLI.hpp>")),
    ("not a path from the top", planted("daemon/os/a.cpp", '"error.hpp"')),
    ("include cycle", planted("daemon/os/a.hpp", '"daemon/os/b.hpp"') | planted("daemon/os/b.hpp", '"daemon/os/a.hpp"')),
]
CLEAN = planted("proto/frame/a.cpp", '"proto/wire/b.hpp"\n#include <span>', proto__wire__b=1) | \
    planted("daemon/os/a.cpp", '"proto/wire/b.hpp"\n#include <sys/socket.h>') | planted("daemon/control/a.cpp", "<boost/asio.hpp>")

if __name__ == "__main__":
    lint.main(check, VIOLATIONS, CLEAN)
