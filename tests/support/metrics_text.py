"""Judges a text of metrics: Prometheus's format 0.0.4, or OpenMetrics 1.0, as far as this project uses them."""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:{NAME}="(?:[^"\\\n]|\\[\\"n])*",?)*)\}})? (-?[0-9.e+]+)$')
SUFFIXES = {"counter": ["_total"], "info": ["_info"], "gauge": [""]}


class Malformed(Exception):
    pass


def families(text, openmetrics):
    """{family: (type, {series: value})}. Raises Malformed for what a strict reader would not take."""
    if not text.endswith("\n"):
        raise Malformed("no end of the last line")
    lines, found, current, helped = text.splitlines(), {}, None, None
    if text.count("# EOF") != 1 or lines[-1] != "# EOF":
        raise Malformed("one # EOF, at the end")
    for line in lines[:-1]:
        words = line.split(" ", 3)
        if words[:2] == ["#", "HELP"] and len(words) == 4:
            helped = words[2]
        elif words[:2] == ["#", "TYPE"] and len(words) == 4:
            current, kind = words[2], words[3]
            if helped != current or current in found:
                raise Malformed(f"{line}: once, behind its HELP")
            if kind not in ("counter", "gauge", *(["info"] if openmetrics else [])):
                raise Malformed(f"{line}: no such type")
            if kind == "counter" and current.endswith("_total") == openmetrics:
                raise Malformed(f"{line}: _total is the family's in Prometheus's format, and the sample's in OpenMetrics")
            found[current] = (kind, {})
        elif match := SAMPLE.match(line):
            name, labels, value = match.groups()
            if current is None:
                raise Malformed(f"{line}: before any family")
            kind, series = found[current]
            names = [current + suffix for suffix in SUFFIXES[kind]] if openmetrics else [current]
            if name not in names or line.rpartition(" ")[0] in series:
                raise Malformed(f"{line}: not of {current}, or twice")
            of = re.findall(rf'({NAME})="', labels or "")
            if len(of) != len(set(of)):
                raise Malformed(f"{line}: a label twice")
            series[line.rpartition(" ")[0]] = float(value)
        else:
            raise Malformed(line)
    return found
