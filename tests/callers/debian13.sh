#!/bin/sh
# A Debian 13 tree with the programs that start pasta and passt, or connect to them: Podman, Buildah, RootlessKit, libvirt, QEMU, DPDK. Debian 12's do not know
# pasta, and only backports' QEMU starts passt. The mirror is the one that apt of this machine uses. Needs root, debootstrap and about 1.8 GB.
#
# usage: debian13.sh        the tree is made in $TAPIOCA_DEBIAN13, by default ~/.cache/tapioca/debian13; an existing one is kept
set -eu

tree=${TAPIOCA_DEBIAN13:-${HOME:-/root}/.cache/tapioca/debian13}
engines='podman buildah crun conmon netavark aardvark-dns golang-github-containers-common uidmap rootlesskit'
machines='qemu-system-x86 libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients dpdk-dev librte-net-virtio25 librte-net-pcap25 librte-mempool-ring25'
tools='ca-certificates iproute2 iputils-ping procps busybox-static util-linux nftables'

if [ -e "$tree/complete" ]; then
    echo "debian13.sh: $tree is complete"
    exit 0
fi
[ ! -e "$tree" ] || { echo "debian13.sh: $tree is something else" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "debian13.sh: must be root" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "debian13.sh: needs the program debootstrap" >&2; exit 1; }

mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(IDENTIFIER)' | sed -n 's/^\([^ ]*\) Debian Packages$/\1/p' | head -n 1)
[ -n "$mirror" ] || { echo "debian13.sh: apt knows no Debian mirror" >&2; exit 1; }

complete=$tree tree=$tree.unfinished
rm -rf --one-file-system "$tree"
mkdir -p "$tree"
debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg trixie "$tree" "$mirror"

# Nothing may start in there; and what is mounted goes with the mount namespace.
printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
chmod 755 "$tree/usr/sbin/policy-rc.d"
[ ! -e /etc/hosts ] || cp /etc/hosts "$tree/etc/hosts" # where apt's mirror may be named
unshare --mount --propagation=private sh -ec '
    mount -t proc proc "$1/proc"
    tree=$1 mirror=$2
    shift 2
    export DEBIAN_FRONTEND=noninteractive LC_ALL=C
    chroot "$tree" apt-get update -qq
    chroot "$tree" apt-get install -y -qq --no-install-recommends "$@"
    # QEMU 10.1 was the first with -netdev passt: not every mirror has it.
    echo "deb $mirror trixie-backports main" >"$tree/etc/apt/sources.list.d/backports.list"
    if chroot "$tree" apt-get update -qq; then
        chroot "$tree" apt-get install -y -qq --no-install-recommends -t trixie-backports qemu-system-x86
    fi
    chroot "$tree" apt-get clean
    chroot "$tree" useradd --uid 10001 --user-group --create-home --shell /bin/sh --add-subids-for-system caller
' sh "$tree" "$mirror" $engines $machines $tools
rm -rf "$tree"/var/lib/apt/lists/*
echo '127.0.0.1 localhost' >"$tree/etc/hosts"
: >"$tree/complete"
mv "$tree" "$complete"
