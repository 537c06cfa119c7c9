#!/bin/sh
# Makes the files of a release from the commit that is checked out: tarball, section of the changelog, checksums.
# usage: packaging/release.sh [--tag] [DIRECTORY]     the files go to DIRECTORY, by default build/release-files
#   --tag    then also make the annotated tag vVERSION, signed if git has a user.signingkey
# The same commit gives the same octets everywhere (for one version of gzip).
set -eu
umask 022
export LC_ALL=C

die() { echo "release.sh: $*" >&2; exit 1; }

tag=no directory=
for word; do
    case $word in
    --tag) tag=yes ;;
    -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) die "unknown option $word (--tag)" ;;
    *) [ -z "$directory" ] || die 'more than one directory'; directory=$word ;;
    esac
done

tree=$(cd "$(dirname "$0")/.." && pwd)
directory=${directory:-$tree/build/release-files}
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
cd "$tree"
git rev-parse --verify --quiet 'HEAD^{commit}' >/dev/null || die 'this is not a git repository with a commit'
[ -z "$(git status --porcelain)" ] || die 'there are changes that are not committed: git status'

version=$(sed -n 's/^project(tapioca VERSION \([0-9.]*\) .*/\1/p' CMakeLists.txt)
[ -n "$version" ] || die 'CMakeLists.txt names no version'
name=tapioca-$version

heading=$(grep -m 1 -F "## $version, " doc/changelog.md) || die "doc/changelog.md has no section '## $version, DATE'"
awk -v heading="$heading" '/^## / { inside = ($0 == heading) } inside' doc/changelog.md >"$directory/$name.changes.md"

# Neither the user's settings of git nor gzip's own header may have an effect: -n leaves name and time out.
git -c tar.umask=0022 archive --format=tar --prefix="$name/" HEAD >"$directory/$name.tar"
gzip -9 -n -f "$directory/$name.tar"
(cd "$directory" && sha256sum "$name.tar.gz" "$name.changes.md" >"$name.sha256")

if [ $tag = yes ]; then
    case $heading in *'not released'*) die "doc/changelog.md: the heading of $version has no date yet" ;; esac
    git rev-parse --verify --quiet "refs/tags/v$version" >/dev/null && die "the tag v$version exists already"
    kind=--annotate
    if [ -n "$(git config user.signingkey || true)" ]; then kind=--sign; fi
    # A section begins with ##, which is no comment here.
    git tag $kind --cleanup=whitespace --file="$directory/$name.changes.md" "v$version"
    echo "release.sh: tagged v$version"
fi
cat "$directory/$name.sha256"
echo "release.sh: the files are in $directory"
