#!/bin/bash
# Builds the Debian package, installs it into a clean Debian 12, uses it there, beside the package passt too, and removes it without residue.
# usage: packaging/try-deb.sh [PACKAGE.deb]     without an argument the package is built first (packaging/deb.sh)
# Needs root, debootstrap and a Debian mirror in apt's configuration; exits with 77 and the reason where something is missing.
# The tree and the network of the trial are its own: a directory in /var/tmp, and namespaces that end with it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
suite=bookworm

skip() { echo "skipped: $*"; exit 77; }
[ "$(id -u)" -eq 0 ] || skip 'try-deb.sh needs root, to make a tree and namespaces'
[ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = $suite ] || skip "try-deb.sh builds for the release that it runs on, which is not $suite"
for program in debootstrap apt-get dpkg-buildpackage dh dh_apparmor unshare; do
    command -v $program >/dev/null || skip "try-deb.sh needs the program $program (packaging/deps.sh full)"
done
[ -c /dev/net/tun ] || skip 'try-deb.sh needs /dev/net/tun'
mirror=$(apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' | sed -n 's,^Debian main \(.*/debian\)/*$,\1,p' | head -n 1)
[ -n "$mirror" ] || skip 'try-deb.sh needs a Debian mirror in the configuration of apt'

work=$(mktemp -d /var/tmp/tapioca-try-XXXXXX)
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' HUP INT TERM

say() { echo "== $*"; }
quiet() { "$@" >"$work/log" 2>&1 || { tail -n 40 "$work/log"; echo "try-deb.sh: $* failed"; exit 1; }; }

say "build"
package=${1:-}
if [ -z "$package" ]; then
    quiet "$here/deb.sh" "$work/packages"
    package=$(echo "$work"/packages/tapioca_*.deb)
fi
[ -f "$package" ] || { echo "try-deb.sh: no package $package"; exit 1; }
if command -v lintian >/dev/null; then
    say "lintian"
    lintian --allow-root --fail-on error "$package"
fi

say "a clean tree of $suite"
tree=$work/tree
# The libraries are those that the package depends on; passt comes along to be tried as a neighbour, and leaves before the trial begins.
if ! debootstrap --variant=minbase --include=libmnl0,libpcap0.8,libseccomp2,libstdc++6,iproute2,apparmor,passt $suite "$tree" "$mirror" >"$work/log" 2>&1; then
    tail -n 3 "$work/log"
    skip "try-deb.sh needs a mirror that offers $suite"
fi
find "$tree/var/cache/apt/archives" -name 'passt_*.deb' -exec cp {} "$tree/neighbour.deb" \;
[ -f "$tree/neighbour.deb" ] || (cd "$tree" && chroot . apt-get -qq download passt && mv passt_*.deb neighbour.deb)
cp "$package" "$tree/tapioca.deb"
cp "$here/try-deb-inside.sh" "$tree/inside.sh"

say "the trial"
# pivot_root and not chroot: who is in a chroot may not create user namespaces.
unshare --mount --net --pid --ipc --uts --fork --propagation=private bash -euc '
    mount --bind "$1" "$1"
    cd "$1"
    mount -t proc proc proc
    mount -t tmpfs -o mode=755 tmpfs dev
    mkdir dev/net
    for node in null zero full random urandom net/tun; do touch dev/$node; mount --bind /dev/$node dev/$node; done
    ip link set lo up
    ip link add eth0 type veth peer name far0
    ip link set far0 up
    ip addr add 192.0.2.2/24 dev eth0
    ip addr add 2001:db8::2/64 dev eth0 nodad
    ip link set eth0 up
    ip route add default via 192.0.2.1
    ip -6 route add default via fe80::1 dev eth0
    pivot_root . .
    umount -l .
    cd /
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive sh -eu /inside.sh
' trial "$tree"
say "the package installs, works, lives beside passt, and goes without residue"
