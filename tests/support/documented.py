"""The commands of Markdown pages, as a reader would paste them.

In README.md and doc/guide each sh block stands below a mark, which readers do not see:

    <!-- run: TEXT -->                       as an ordinary user; TEXT is printed
    <!-- run: TEXT | TEXT -->                all of these are printed, on standard output or standard error
    <!-- run as root with curl tcpdump: TEXT -->      as root; skipped where a program is missing
    <!-- run until with curl: TEXT -->       ended when all of TEXT is there; for what does not end by itself
    <!-- not run: REASON -->
"""
import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(?:^<!-- (?P<mark>.*?) -->\n+)?^```sh\n(?P<script>.*?)^```$", re.M | re.S)
RUN = re.compile(r"run(?P<root> as root)?(?P<until> until)?(?: with (?P<programs>[\w. -]+))?: (?P<texts>.+)")
NOT_RUN = re.compile(r"not run: .+")


@dataclasses.dataclass(frozen=True)
class Block:
    page: str           # relative to the root of the tree
    line: int
    script: str
    run: bool
    root: bool = False
    until: bool = False  # it does not end by itself
    programs: tuple = ()
    texts: tuple = ()   # what it prints


def pages():
    return ["README.md", *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("doc/guide/*.md"))]


def blocks_of(page, text):
    """The sh blocks of a page; ValueError names one without a mark, or with a mark that is neither of the two."""
    found = []
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start("script")) + 1
        mark = block["mark"] or ""
        if NOT_RUN.fullmatch(mark):
            found.append(Block(page, line, block["script"], False))
        elif run := RUN.fullmatch(mark):
            texts = tuple(t.strip() for t in run["texts"].split(" | "))
            found.append(Block(page, line, block["script"], True, bool(run["root"]), bool(run["until"]), tuple((run["programs"] or "").split()), texts))
        else:
            raise ValueError(f"{page}:{line}: the sh block has neither a mark <!-- run: TEXT --> nor <!-- not run: REASON -->")
    return found


def blocks():
    return [block for page in pages() for block in blocks_of(page, (ROOT / page).read_text())]


def patient(script):
    """The same on a busy machine, and in a small world without TLS; the wait for a process in the background is for that process."""
    for shown, run in (("https://example.org", "http://example.org"), ("example.org:443", "example.org:80"), ("timeout 60", "timeout 300"), ("--retry 20", "--retry 100"), ("sleep 60", "sleep 300")):
        script = script.replace(shown, run)
    return re.sub(r"(sleep 300 &\n)sleep 1\n", r'\1until [ "$(cat /proc/$!/comm)" = sleep ]; do sleep 0.1; done\n', script)
