#!/usr/bin/env python3
"""Files of at most 400 lines (the named state machines: 600) and functions of at most 50."""
import ast
import re

import lint

FILE_LIMIT, FUNCTION_LIMIT = 400, 50
STATE_MACHINES = {"proto/tcp/connection.cpp": 600, "proto/vhost/session.cpp": 600}
# clang-format gives the brace of a function a line of its own, and every other brace shares one: so a lone brace is a function.
OPENING = re.compile(r"^( *)\{$")


def cpp_functions(lines):
    """(line of the opening brace, lines between the braces), outermost functions only."""
    start = closing = None
    for number, line in enumerate(lines, 1):
        if start is None and (match := OPENING.match(line)):
            start, closing = number, re.compile(match[1] + r"\}")
        elif start is not None and closing.match(line):
            yield start, number - start - 1
            start = None


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno - node.lineno


def check(root):
    complaints = []
    for path in lint.files(root):
        script = not path.suffix and (text := lint.read(root, path)) and text.startswith("#!")
        if path.suffix not in (*lint.COMPILED, ".py", ".sh", ".txt", ".cmake") and not script:
            continue
        text = lint.read(root, path)
        lines = text.splitlines()
        limit = STATE_MACHINES.get(str(path), FILE_LIMIT)
        if len(lines) > limit:
            complaints.append(f"{path}: {len(lines)} lines, the limit is {limit}: one topic per file")
        found = cpp_functions(lines) if path.suffix in lint.COMPILED else python_functions(text) if path.suffix == ".py" else ()
        for line, length in found:
            if length > FUNCTION_LIMIT:
                complaints.append(f"{path}:{line}: a function of {length} lines, the limit is {FUNCTION_LIMIT}")
    return complaints


def function(lines, indent=""):
    return f"{indent}int f()\n{indent}{{\n" + f"{indent}    g();\n" * lines + f"{indent}}}\n"


VIOLATIONS = [
    ("401 lines", {"daemon/long.cpp": "\n" * 401}),
    ("601 lines", {"proto/tcp/connection.cpp": "\n" * 601}),
    ("a function of 51 lines", {"proto/base/a.cpp": function(50) + function(51)}),
    ("a function of 51 lines", {"proto/base/a.hpp": "struct s {\n" + function(51, "    ") + "};\n"}),
    ("a function of 51 lines", {"tests/a.py": "def f():\n" + "    g()\n" * 51}),
    ("401 lines", {"script": "#!/bin/sh\n" + "true\n" * 400}),
]
CLEAN = {"daemon/a.cpp": function(50) + function(50) + "\n" * 290, "proto/tcp/connection.cpp": "\n" * 600, "LICENSE": "x\n" * 900,
         "tests/a.py": "def f():\n" + "    g()\n" * 50}

if __name__ == "__main__":
    lint.main(check, VIOLATIONS, CLEAN)
