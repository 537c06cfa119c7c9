#!/bin/sh
# Installs what a bare Debian 12, Debian 13 or Ubuntu 24.04 lacks, and nothing else. When all is there, it only asks dpkg and ends.
# usage: packaging/deps.sh [--check] [build] [test] [full]     without a group: build
#   build    compiler, libraries, and what ./run shows its demonstration with
#   test     the clients and servers that ./check talks to
#   full     clang, its sanitizers, the analysers and packaging tools of ./check --full
#   --check  only say what is missing (exit 1), install nothing
set -eu

# Alternatives are separated by |: the first that the distribution offers is installed, any of them that is there is enough.
# "name>=version" sets a least version. The base packages of dnsmasq and dhcpcd hold the programs without their services.
build='g++>=4:12 make cmake>=3.25 ninja-build pkg-config|pkgconf python3 libboost1.81-dev|libboost-dev>=1.81|libboost1.83-dev
libseccomp-dev libcli11-dev libspdlog-dev libfmt-dev catch2 libmnl-dev libcap-ng-dev libpcap-dev libtomlplusplus-dev libidn2-dev libpsl-dev iproute2 iputils-ping curl procps'
test='git mandoc mkdocs codespell iperf3 isc-dhcp-client dhcpcd-base udhcpc dnsmasq-base socat tcpdump tshark traceroute ethtool python3-scapy qemu-system-x86 busybox-static|busybox
bind9-dnsutils knot-dnsutils iodine postgresql-client musl-tools python3-dnspython bubblewrap'
full='clang lld clang-tidy cppcheck'

die() { echo "deps.sh: $*" >&2; exit 1; }

only_check=no groups=
for word; do
    case $word in
    --check) only_check=yes ;;
    build | test | full) groups="$groups $word" ;;
    -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) die "unknown word '$word' (build, test, full, --check)" ;;
    esac
done
[ -n "$groups" ] || groups=build

command -v dpkg-query >/dev/null 2>&1 ||
    die "this is not Debian or Ubuntu; please install the equivalents of: $(echo $build $test)"

# Debian 13 has no clang-format-14, and other versions lay some lines out differently: there the format lint is skipped.
if [ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" != trixie ]; then test="$test clang-format-14"; fi
# clang's sanitizer and fuzzing runtimes: Debian 12 has a package of the default version, the others number them.
full="$full libclang-rt-dev|libclang-rt-19-dev|libclang-rt-18-dev"
full="$full debootstrap debhelper dh-apparmor lintian" # the Debian package, and its trial

# One question to dpkg, then answers from memory.
installed=$(dpkg-query -W -f='${db:Status-Status} ${Package} ${Version}\n')
version_of() { printf '%s\n' "$installed" | awk -v name="$1" '$1 == "installed" && $2 == name { print $3; exit }'; }
new_enough() { [ -z "$2" ] || dpkg --compare-versions "$1" ge "$2"; } # version, least version or nothing

present() { # entry with alternatives
    for choice in $(echo "$1" | tr '|' ' '); do
        name=${choice%%>=*} least=${choice#"${choice%%>=*}"}
        version=$(version_of "$name")
        if [ -n "$version" ] && new_enough "$version" "${least#>=}"; then return 0; fi
    done
    return 1
}

offered() { # entry with alternatives: prints the first that apt can install
    for choice in $(echo "$1" | tr '|' ' '); do
        name=${choice%%>=*} least=${choice#"${choice%%>=*}"}
        version=$(apt-cache policy "$name" | sed -n 's/^  Candidate: //p')
        if [ -n "$version" ] && [ "$version" != '(none)' ] && new_enough "$version" "${least#>=}"; then echo "$name"; return 0; fi
    done
    return 1
}

missing=
for group in $groups; do
    eval "entries=\$$group"
    for entry in $entries; do present "$entry" || missing="$missing $entry"; done
done
[ -n "$missing" ] || exit 0
echo "deps.sh: missing:$missing" >&2
[ $only_check = no ] || exit 1

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || die 'installing needs root: run packaging/deps.sh as root once, or install sudo'
    as_root=sudo
fi

$as_root apt-get update -qq || die 'apt-get update failed: is the network up, and do the sources in /etc/apt answer?'
names=
for entry in $missing; do
    name=$(offered "$entry") || die "no package source offers $entry (is 'universe' missing on Ubuntu, or the release older than Debian 12?)"
    names="$names $name"
done

# Nothing that we install may start a service: invoke-rc.d asks this program, and 101 forbids. A present one stays as it is.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap '$as_root rm -f $policy' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' | $as_root sh -c "umask 022; cat >$policy; chmod 755 $policy"
fi
# --no-remove: rather fail than take away a package of the machine's owner.
$as_root env DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true \
    apt-get install -y -qq --no-install-recommends --no-remove -o DPkg::Lock::Timeout=120 $names >&2 ||
    die "apt-get could not install:$names (a conflicting package, such as another libboost, may have to be removed first)"
