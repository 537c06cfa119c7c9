#!/usr/bin/env python3
"""The main job, made visible: TAPIOCA_BIN=DIRECTORY demo.py, or demo.py DIRECTORY with the binaries

Makes a simulated host out of network namespaces (so it works without any network), gives a new namespace in it the
network as an ordinary user would, and shows what works there: addresses, routes, a page, a ping, a transfer.
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

INSIDE = r"""
cd "$HOME" || exit 1
title() { printf '\n== %s\n' "$*"; }
title "Inside the namespace: addresses"
ip -br addr
title "Routes"
ip route; ip -6 route | grep -v '^fe80\|multicast'
for url in "http://$1/" "http://[$2]/"; do
    title "A page from $url"
    curl -sS --max-time 10 "$url" || exit 1
done
for address in "$1" "$2"; do
    title "Echo from $address"
    ping -n -c 3 -i 0.2 -W 2 "$address" || exit 1
done
for address in "$1" "$2"; do
    for direction in download upload; do
        title "TCP $direction of 1 GiB, $address"
        "$3" client.py "$direction" "$address" 1073741824 >result || exit 1
        "$3" -c 'import json; r = json.load(open("result")); print("%.2f s, %.1f Gbit/s, contents %s" % (r["seconds"], r["mbit"] / 1000, "equal" if r["equal"] else "DIFFER")); raise SystemExit(not r["equal"])' || exit 1
    done
done
"""


def main():
    if len(sys.argv) > 1:
        os.environ["TAPIOCA_BIN"] = sys.argv[1]
    if not os.path.exists(os.path.join(os.environ.get("TAPIOCA_BIN", ""), "pasta")):
        sys.exit(__doc__)
    if os.geteuid() != 0:
        sys.exit("demo.py: needs root, to make the simulated host (pasta itself does not)")
    from hosts import PYTHON, REMOTE4, REMOTE6, USER, SimulatedHost
    host = SimulatedHost()
    host.start_services()
    print("A simulated host, with a machine behind it:\n" + host.ip("-br", "addr"), end="")
    print(f"\nAs user {USER}:  pasta --config-net -- sh", flush=True)
    pasta = host.popen(host.binary(), "-q", "--config-net", "--", "sh", "-c", INSIDE, "sh", REMOTE4, REMOTE6, PYTHON, uid=USER)
    status = pasta.wait()
    print("\nIt works." if status == 0 else f"\nThe demonstration failed with status {status}.", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
