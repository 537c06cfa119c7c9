#!/usr/bin/env python3
"""Hours of mixed traffic of two users on a host whose addresses change every minute: nothing is lost that should live, and nothing is left over.

    TAPIOCA_BIN=build/release/daemon tests/soak/soak.py [SECONDS]       60 if not said; an hour is 3600

TAPIOCA_SOAK says the seconds, too; TAPIOCA_SOAK_BUSY=8 doubles the rates, which take an eighth of two processors.

What must live when an address goes: UDP flows and pings of the guests, and everything on the loopbacks. What may end: TCP connections
that are bound to it; whoever connects afterwards is served at once. Prints a report at the end; status 1 if anything is wrong.
"""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "support"), HERE]
import netns_test
from inside import raise_descriptor_limit
from jobs import all_jobs
from world import World

CHANGE_EVERY = 60
MOST_GROWTH = 1 << 30 if netns_test.SANITIZED else 1024      # KiB of memory that need not come back; sanitizers keep what was freed
SILENT = ("flow_quarantined", "tcp_stalls_recovered", "spliced_stalls_recovered", "events_lost", "mailbox_full", "drop_mailbox_full")
LEFT_OPEN = (("udp_flows", 1), ("udp_splices", 2), ("echo_flows", 1))    # what has no end but time, and its descriptors


def run(world, seconds, busy, say):
    """Lets the jobs work; the change in the middle of each minute."""
    jobs = list(all_jobs(world, busy))
    for job in jobs:
        job.start()
    begin, warm = time.monotonic(), None
    every = min(CHANGE_EVERY, max(seconds / 3, 5))
    next_change, next_word = begin + every / 2, begin + 300
    while (now := time.monotonic()) < begin + seconds:
        if now >= next_change:
            world.change_addresses()
            next_change += every
        if warm is None and now >= begin + min(seconds / 2, 300):
            warm = [user.look() for user in world.users]
        if now >= next_word:
            say(f"{now - begin:.0f} s: {sum(j.done for j in jobs)} done, {sum(len(j.faults) for j in jobs)} wrong")
            next_word += 300
        time.sleep(0.1)
    for job in jobs:
        job.stopping.set()
    for job in jobs:
        job.join(30)
    return jobs, warm


def judge_jobs(world, jobs, say):
    wrong = []
    say(f"{'job':60} {'done':>8} {'ended':>6} {'lost':>5} {'wrong':>6} {'slowest':>8}")
    for job in jobs:
        say(f"{job.name:60} {job.done:8} {job.ended:6} {job.lost:5} {len(job.faults):6} {job.slowest:7.2f}s")
        wrong += job.faults[:3]
        if job.is_alive():
            wrong.append(f"{job.name}: does not come to its end")
        if job.done == 0:
            wrong.append(f"{job.name}: nothing was done")
        if job.lost > 3 * len(world.changes.windows):
            wrong.append(f"{job.name}: {job.lost} lost by {len(world.changes.windows)} changes of addresses")
    return wrong


def judge_daemon(world, user, warm, idle, orphans, say):
    """After the traffic: what is left of it. orphans: connections from outside to addresses that went; their servers never hear of an end."""
    wrong, end = [], time.monotonic() + idle
    while True:
        counters, _ = user.daemon.counters()
        known = user.fresh["descriptors"] + sum(n * (counters[f"{kind}_opened"] - counters[f"{kind}_closed"]) for kind, n in LEFT_OPEN)
        left = user.look()
        allowed = orphans + (known if idle < 60 else user.fresh["descriptors"])
        if left["descriptors"] <= allowed or time.monotonic() > end:
            break
        time.sleep(1)
    growth, timeouts = left["KiB"] - warm["KiB"], user.guest.counter("TcpExtTCPTimeouts") - user.timeouts
    say(f"{user.name}: descriptors {user.fresh['descriptors']} at first, {warm['descriptors']} in the midst, {left['descriptors']} at the end; "
        f"anonymous memory {user.fresh['KiB']}, {warm['KiB']}, {left['KiB']} KiB; {left['seconds']:.1f} s of a processor; "
        f"{timeouts} timeouts of the guest's TCP")
    say(f"{user.name}: " + ", ".join(f"{name} {counters[name]}" for name in sorted(counters) if name.startswith(("tcp_flows", "spliced_flows", "udp_", "echo_flows", "drop_", "tcp_re", "tcp_time"))))
    if left["descriptors"] > allowed:
        wrong.append(f"{user.name}: {left['descriptors']} descriptors are open, and {allowed} should be")
    if growth > MOST_GROWTH:
        wrong.append(f"{user.name}: {growth} KiB of memory did not come back")
    for kind in ("tcp_flows", "spliced_flows"):
        opened = counters[f"{kind}_opened"] + counters[f"{kind}_accepted"]
        if not 0 <= opened - counters[f"{kind}_closed"] <= (orphans if kind == "tcp_flows" else 0):
            wrong.append(f"{user.name}: {opened} {kind} were opened, {counters[f'{kind}_closed']} closed")
    wrong += [f"{user.name}: {name} is {counters[name]}" for name in SILENT if counters[name]]
    if timeouts > 20 + 10 * len(world.changes.windows):
        wrong.append(f"{user.name}: {timeouts} timeouts of the guest's TCP")
    if (status := user.daemon.stop()) != 0:
        wrong.append(f"{user.name}: status {status}: {user.daemon.log()[-500:]}")
    return wrong


def soak(seconds, busy=1.0, idle=None):
    """True if all is well."""
    def say(text):
        print(text, flush=True)
    raise_descriptor_limit()
    world = World()
    idle = idle if idle is not None else 330 if seconds >= 600 else 5
    begin, own = time.monotonic(), time.process_time()
    jobs, warm = run(world, seconds, busy, say)
    passed, own = time.monotonic() - begin, time.process_time() - own
    wrong = judge_jobs(world, jobs, say)
    for user, was in zip(world.users, warm):
        ways = ("in ",) if idle >= 60 else ("in ", "out ")      # a guest's reset waits for what the guest was told is delivered
        orphans = sum(job.ended for job in jobs if job.name.startswith(tuple(f"{user.name}, {way}" for way in ways)))
        wrong += judge_daemon(world, user, was, idle, orphans, say)
    say(f"{passed:.0f} s, {len(world.changes.windows)} changes of addresses, {sum(j.done for j in jobs)} done, {sum(j.ended for j in jobs)} ended and "
        f"{sum(j.lost for j in jobs)} lost with an address; {100 * own / passed:.0f} % of a processor for the clients")
    for fault in wrong:
        say(f"wrong: {fault}")
    say(f"{len(wrong)} wrong")
    world.close()
    return not wrong


def main():
    if reason := netns_test.missing():
        print(f"skipped: {reason}")
        return 77
    said = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("TAPIOCA_SOAK") or "60"
    if said == "check":
        said = "120" if os.environ.get("TAPIOCA_FULL") else "15"
    busy = os.environ.get("TAPIOCA_SOAK_BUSY") or (1 if sys.argv[1:] == ["check"] else 4)
    return 0 if soak(float(said), float(busy)) else 1


if __name__ == "__main__":
    sys.exit(main())
