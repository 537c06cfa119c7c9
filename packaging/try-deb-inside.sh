# shellcheck shell=sh
# The part of try-deb.sh that runs in the clean tree, as its root: /tapioca.deb is the package, /neighbour.deb is Debian's package passt.

fail() { echo "try-deb.sh: $*"; exit 1; }
user() { setpriv --reuid=1000 --regid=1000 --clear-groups --inh-caps=-all -- "$@"; }
files() { find / -xdev -path /proc -prune -o -path /dev -prune -o ! -path '/var/log/*' ! -path '/var/cache/*' ! -path '/var/lib/dpkg/*-old' -print | sort; }
links() { # name of the group's file: every name of the group leads there
    for name in passt pasta qrap; do
        case $(readlink -f /usr/bin/$name) in
        /usr/bin/passt."$1" | /usr/bin/$name."$1") ;;
        *) fail "/usr/bin/$name leads to $(readlink -f /usr/bin/$name), not to that of $1" ;;
        esac
    done
    [ "$1" != tapioca ] || pesto --version | grep -q tapioca || fail '/usr/bin/pesto is not that of tapioca'
}
works() {
    user pasta --config-net -- true || fail "pasta --config-net -- true: status $?"
    user pasta --config-net -- ip -4 addr show | grep -q 'inet 192.0.2.2/24' || fail 'the namespace lacks the address of the host'
    user pasta --version | grep -q "$1" || fail "pasta --version does not say $1"
}

dpkg --purge passt >/dev/null
dpkg -i /neighbour.deb >/dev/null && dpkg --purge passt >/dev/null # what installing anything leaves is not ours
mkdir -p /etc/apparmor.d/local
touch /before /after
files >/before
own=$(dpkg-deb -f /tapioca.deb Version)

echo 'alone'
dpkg -i /tapioca.deb
links tapioca
works "${own%-*}"
[ "$(user pasta --version)" != "$(user passt --version)" ] || fail 'pasta and passt are told apart by their names'
for profile in passt pasta pesto tapioca; do apparmor_parser --skip-kernel-load --skip-cache "/etc/apparmor.d/tapioca.$profile" || fail "AppArmor refuses the profile of $profile"; done
dpkg --purge tapioca
files >/after
diff /before /after || fail 'residue, see above'

echo 'before and beside the package passt'
dpkg -i /tapioca.deb
dpkg -i /neighbour.deb
dpkg --verify passt tapioca || fail 'a file of one package was replaced by the other'
links tapioca
works "${own%-*}"
update-alternatives --set passt /usr/bin/passt.distrib
links distrib
user pasta --version 2>&1 | grep -q "${own%-*}" && fail "pasta is still ours"
[ -z "$(user pasta --version 2>&1 >/dev/null)" ] || fail "passt complains under its other name: $(user pasta --version 2>&1)"
dpkg --purge passt
update-alternatives --query passt | grep -q distrib && fail 'the alternative of a package that has gone'
links tapioca
dpkg --purge tapioca
files >/after
diff /before /after || fail 'residue, see above'

echo 'after the package passt, and gone before it'
dpkg -i /neighbour.deb
files >/before
dpkg -i /tapioca.deb
links tapioca
works "${own%-*}"
dpkg -i /tapioca.deb # the same version again takes the way of an upgrade
links tapioca
dpkg --verify passt tapioca || fail 'a file of one package was replaced by the other'
dpkg --purge tapioca
files >/after
diff /before /after || fail 'residue, see above'
dpkg --verify passt || fail 'the package passt did not get its files back'
user pasta --version >/dev/null || fail 'pasta of the package passt does not run any more'
