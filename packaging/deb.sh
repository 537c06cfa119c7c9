#!/bin/sh
# Builds the Debian package of this tree, without touching the tree: Debian's tools expect the directory ./debian, ours is packaging/debian.
# usage: packaging/deb.sh [DIRECTORY]     the packages go there; without an argument to build/packages
# Needs what packaging/debian/control names: apt-get build-dep ./packaging/debian, or packaging/deps.sh build and the packages debhelper and dh-apparmor.
set -eu
tree=$(cd "$(dirname "$0")/.." && pwd)
results=${1:-$tree/build/packages}
mkdir -p "$results"
results=$(cd "$results" && pwd)

work=$(mktemp -d "${TMPDIR:-/var/tmp}/tapioca-deb-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/tapioca"
if [ -e "$tree/.git" ]; then
    git -C "$tree" ls-files -z --cached --others --exclude-standard
else
    (cd "$tree" && find . -path ./build -prune -o \( -type f -o -type l \) -print0)
fi | tar -C "$tree" --null --files-from=- --ignore-failed-read -cf - | tar -C "$work/tapioca" -xf -
cp -r "$work/tapioca/packaging/debian" "$work/tapioca/debian"

cd "$work/tapioca"
dpkg-buildpackage -us -uc -b
cp -f "$work"/*.deb "$work"/*.buildinfo "$work"/*.changes "$results"
echo "deb.sh: $(cd "$results" && ls -t ./*.changes | head -n 1) and what it lists are in $results"
