#!/usr/bin/env python3
"""Records a terminal in which the main job is done: TAPIOCA_BIN=DIRECTORY record.py [DIRECTORY for the results, by default doc]

Types each line of SCENES into a shell in a simulated host, as an ordinary user, and writes what a terminal shows: recording.cast for
asciinema (format 2), and recording.svg, which shows the same lines appear in any browser. Needs root, for the simulated host alone.
"""
import html
import json
import os
import pty
import re
import select
import struct
import fcntl
import sys
import termios
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))

WIDTH, HEIGHT = 104, 26
PROMPT = "$ "
TYPING, READING = 0.012, 0.6     # seconds a key, and after each answer
SCENES = [
    "# A command with a network of its own, as an ordinary user:",
    "pasta --config-net -- ip -br address",
    "# A server in a namespace, reached from the host:",
    "pasta --config-net -t 8080 -u none -T none -U none -- python3 -m http.server 8080 >server.log 2>&1 &",
    "curl -s --retry 9 --retry-delay 1 --retry-all-errors http://127.0.0.1:8080/ | head -n 1",
    "# Which guests are there, and which ports of the host lead to them?",
    "tapioca ps",
    "tapioca rules",
    "# A command that reaches the network, but not the host's loopback, and that nobody reaches:",
    "pasta --config-net --no-map-gw -t none -u none -T none -U 53 -- curl -s http://example.org/",
]
ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()][A-Z0-9])")


class Terminal:
    """A shell behind a pseudo-terminal, with the time of everything that it prints."""

    def __init__(self, argv, environment):
        self.events, self.clock = [], 0.0
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, environment)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))

    def read_until_prompt(self, limit=60):
        """What is printed up to the next prompt; the recording's clock goes on as long as that took."""
        text, started = "", time.monotonic()
        while not text.endswith(PROMPT):
            if not select.select([self.fd], [], [], max(0, started + limit - time.monotonic()))[0]:
                raise TimeoutError(f"no prompt after {text!r}")
            text += os.read(self.fd, 1 << 16).decode(errors="replace")
        self.clock += time.monotonic() - started
        return text

    def show(self, text, pause=0.0):
        self.events.append((round(self.clock, 3), text))
        self.clock += pause

    def run(self, line):
        """Shows a line as it is typed, then what it answers."""
        for key in line:
            self.show(key, TYPING)
        os.write(self.fd, line.encode() + b"\n")
        said = self.read_until_prompt()
        self.show("\r\n" + said, READING)

    def close(self):
        os.write(self.fd, b"exit\n")
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def record(host):
    environment = {**host.environment(), "PATH": f"{host.dir}:/usr/sbin:/usr/bin:/sbin:/bin", "PS1": PROMPT, "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": str(WIDTH)}
    from hosts import USER
    shell = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--inh-caps=-all", "sh", "-i"]
    terminal = Terminal(host.argv(shell), environment)
    terminal.read_until_prompt()
    os.write(terminal.fd, b"stty -echo; set +m; cd\n")       # typed lines are shown by us, key by key
    terminal.read_until_prompt()
    terminal.clock = 0.0
    terminal.show(PROMPT, 0.5)
    for line in SCENES:
        terminal.run(line)
    os.write(terminal.fd, b"kill $!\n")
    terminal.close()
    # Process ids differ from run to run, and so does what the shell says of its jobs.
    return [(when, re.sub(r"\[1\] \d+\r\n", "", text)) for when, text in terminal.events]


def cast(events):
    header = {"version": 2, "width": WIDTH, "height": HEIGHT, "title": "tapioca"}
    return "".join(json.dumps(line) + "\n" for line in [header, *([when, "o", text] for when, text in events)])


def lines_of(events):
    """(when it begins, text) of each line of the screen, without escapes."""
    lines = [[0.0, ""]]
    for when, text in events:
        for part in re.split(r"(\r?\n)", ESCAPES.sub("", text)):
            if part in ("\n", "\r\n"):
                lines.append([when, ""])
            elif part:
                if not lines[-1][1]:
                    lines[-1][0] = when
                lines[-1][1] += part
    return [(when, text) for when, text in lines]


def svg(events):
    """The lines appear at their times, and the whole begins anew; a picture without animations shows all of them."""
    lines, row, total = lines_of(events), 18, events[-1][0] + 12
    height = (len(lines) + 1) * row + 12
    styles, texts = [], []
    for number, (when, text) in enumerate(lines):
        begin = 100 * when / total
        styles.append(f"@keyframes l{number}{{0%,{begin:.2f}%{{opacity:0}}{begin + 0.01:.2f}%,100%{{opacity:1}}}}.l{number}{{animation:l{number} {total:.1f}s step-end infinite}}")
        kind = "c" if text.startswith(PROMPT + "#") else "p" if text.startswith(PROMPT) else "o"
        texts.append(f'<text class="l{number} {kind}" x="12" y="{24 + number * row}" xml:space="preserve">{html.escape(text)}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * 8 + 24} {height}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="13">\n'
            f"<style>.o{{fill:#d0d7de}}.p{{fill:#fff;font-weight:bold}}.c{{fill:#7ee787}}@media (prefers-reduced-motion:no-preference){{{''.join(styles)}}}</style>\n"
            f'<rect width="100%" height="100%" rx="8" fill="#161b22"/>\n' + "\n".join(texts) + "\n</svg>\n")


def main():
    if not os.path.exists(os.path.join(os.environ.get("TAPIOCA_BIN", ""), "pasta")) or os.geteuid() != 0:
        sys.exit(__doc__)
    target = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.path.join(HERE, "..", "..", "doc")
    from documented_host import documented_host
    events = record(documented_host())
    for name, text in (("recording.cast", cast(events)), ("recording.svg", svg(events))):
        with open(os.path.join(target, name), "w") as f:
            f.write(text)
    print("".join(text + "\n" for _, text in lines_of(events)), end="")


if __name__ == "__main__":
    main()
