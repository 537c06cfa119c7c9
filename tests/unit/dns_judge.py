#!/usr/bin/env python3
"""dnspython judges our parser of DNS messages: both read the same ones, made by it, mutated and cut, and agree on what is in them. What we write
anew is the same to it.

usage: dns_judge.py DNS_WORDS
"""
import os
import random
import subprocess
import sys

SYSTEM = "/usr/bin/python3"
try:
    import dns.edns
    import dns.flags
    import dns.message
    import dns.name
    import dns.rdatatype
    import dns.rrset
except ModuleNotFoundError:
    if os.path.exists(SYSTEM) and os.path.realpath(SYSTEM) != os.path.realpath(sys.executable) and not os.environ.get("TAPIOCA_JUDGED"):
        os.execve(SYSTEM, [SYSTEM, *sys.argv], {**os.environ, "TAPIOCA_JUDGED": "1"})
    print("skipped: dnspython is missing")
    sys.exit(77)

NAMES = ("good.test", "a.b.c.good.test", "WWW.Example.com", "x" * 63 + ".test", ".".join(["y" * 50] * 4) + ".test", "_srv._tcp.example.com", "test")
DATA = {"A": ("192.0.2.1", "198.51.100.7"), "AAAA": ("2001:db8::1",), "CNAME": NAMES, "NS": NAMES, "PTR": NAMES, "MX": tuple(f"10 {n}." for n in NAMES),
        "SRV": tuple(f"1 2 443 {n}." for n in NAMES), "TXT": ('"some text" "and more"',), "SOA": tuple(f"{n}. {n}. 1 2 3 4 5" for n in NAMES), "CAA": ('0 issue "x"',)}
chance = random.Random(18)


def some_query():
    m = dns.message.make_query(chance.choice(NAMES), chance.choice(("A", "AAAA", "TXT", "HTTPS")), use_edns=chance.choice((0, False)), payload=chance.choice((512, 1232, 4096)))
    if chance.random() < 0.3 and m.edns >= 0:
        m.use_edns(0, payload=1400, options=[dns.edns.GenericOption(10, b"cookies!")])
    return m.to_wire()


def some_reply():
    m = dns.message.make_response(dns.message.make_query(chance.choice(NAMES), chance.choice(tuple(DATA)), use_edns=chance.choice((0, False))))
    m.set_rcode(chance.choice((0, 0, 0, 2, 3)))
    for section in (m.answer, m.answer, m.answer, m.authority, m.additional):
        if chance.random() < 0.7:
            kind = chance.choice(tuple(DATA))
            values = [v if v.endswith(".") or kind not in ("CNAME", "NS", "PTR") else v + "." for v in chance.sample(DATA[kind], 1)]
            section.append(dns.rrset.from_text(dns.name.from_text(chance.choice(NAMES)), chance.randrange(100000), "IN", kind, *values))
    return m.to_wire()


def mutated(octets):
    octets = bytearray(octets)
    for _ in range(chance.randrange(3)):
        octets[chance.randrange(len(octets))] = chance.choice((0, 1, 12, 0x3f, 0x40, 0xc0, 0xff, chance.randrange(256)))
    return bytes(octets[:chance.randrange(12, len(octets) + 1)] if chance.random() < 0.1 else octets)


def read(octets):
    """What dnspython makes of it; None: it is none."""
    try:
        return dns.message.from_wire(octets, one_rr_per_rrset=True, ignore_trailing=True)
    except Exception:       # of whatever kind: some of its own, some of Python's
        return None


def name_of(text):
    return dns.name.from_wire(bytes.fromhex(text), 0)[0]


def records(message, sections):
    found = []
    for number, section in enumerate(sections):
        found += [(number, rrset.name, int(rrset.rdtype), rrset.ttl, rdata) for rrset in section for rdata in rrset]
    return found


def agree_on_query(octets, words):
    theirs = read(octets)
    if words == "bad":
        return theirs is None or len(theirs.question) != 1 or theirs.answer or theirs.opcode() != 0 or theirs.flags & dns.flags.QR or octets[4:6] != b"\0\1"
    number, recursion, name, kind, in_class, opt, size, _ = words.split()
    if theirs is None:
        return True         # it is stricter with data that we skip
    asked, = theirs.question
    return ((theirs.id, bool(theirs.flags & dns.flags.RD), asked.name, int(asked.rdtype), int(asked.rdclass), theirs.edns >= 0)
            == (int(number), recursion == "1", name_of(name), int(kind), int(in_class), opt == "1")
            and (theirs.edns < 0 or int(size) == max(512, theirs.payload)))


def agree_on_reply(octets, words):
    theirs = read(octets)
    if words == "bad":
        return theirs is None or len(theirs.question) != 1 or theirs.opcode() != 0 or not theirs.flags & dns.flags.QR or octets[4:6] != b"\0\1"
    if theirs is None:
        return True
    said, again = words.split(" = ")
    head, *ours = said.split(" | ")
    number, code, truncated, name, kind, _ = head.split()
    asked, = theirs.question
    if (theirs.id, theirs.rcode() & 15, bool(theirs.flags & dns.flags.TC), asked.name, int(asked.rdtype)) != (int(number), int(code), truncated == "1", name_of(name), int(kind)):
        return False
    if truncated == "1":
        return True
    fields = [one.split() for one in ours]
    listed = [(int(section), name_of(owner), int(kind), int(ttl)) for section, owner, kind, _, ttl in fields if int(kind) != dns.rdatatype.OPT]
    known = records(theirs, (theirs.answer, theirs.authority, theirs.additional))
    if [one[:3] for one in listed] != [one[:3] for one in known] or any(a[3] != b[3] for a, b in zip(listed, known) if a[3] < 1 << 31):
        return False
    if again == "-":
        return True         # too long
    anew = read(bytes.fromhex(again))
    if anew is None or anew.id != 77 or anew.edns < 0:
        return False
    return [one[1:] for one in records(anew, (anew.answer, anew.authority))] == [one[1:] for one in records(theirs, (theirs.answer, theirs.authority))]


def main():
    whole = [("query", some_query()) for _ in range(800)] + [("reply", some_reply()) for _ in range(1600)]
    all_of_them = whole + [(kind, mutated(octets)) for kind, octets in whole for _ in range(4)]
    given = "".join(f"{kind} {octets.hex()}\n" for kind, octets in all_of_them)
    lines = subprocess.run([sys.argv[1]], input=given, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == len(all_of_them)
    wrong = [(kind, octets.hex(), line) for (kind, octets), line in zip(all_of_them, lines)
             if not (agree_on_query if kind == "query" else agree_on_reply)(octets, line)]
    refused = sum(line == "bad" for line in lines[:len(whole)])
    understood = sum(line != "bad" and read(octets) is not None for (_, octets), line in zip(all_of_them[len(whole):], lines[len(whole):]))
    print(f"{len(whole)} messages, {len(all_of_them) - len(whole)} mutated, of which both understand {understood}; {len(wrong)} disagreements")
    for kind, octets, line in wrong[:5]:
        print(kind, octets, line, sep="\n  ")
    return 1 if wrong or refused or understood < 1000 else 0


if __name__ == "__main__":
    sys.exit(main())
