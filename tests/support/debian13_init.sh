#!/bin/sh
# The first process of a Debian 13 inside a test: makes the tree the root of the mount namespace it is in, says so, and reaps what is left over.
# usage: debian13_init.sh TREE ROOT OWN     TREE is kept as it is; ROOT an empty directory; OWN the directory of the test, visible under the same name
set -eu
tree=$1 root=$2 own=$3

mount --make-rprivate /
mount --bind "$tree" "$root"
mount -o remount,bind,ro "$root"
for place in tmp run var/tmp var/log var/lib/libvirt var/cache home usr/local/bin dev; do
    mount -t tmpfs -o mode=755 tmpfs "$root/$place"
done
chmod 1777 "$root/tmp" "$root/var/tmp"
cp "$own"/pasta "$own"/passt "$root/usr/local/bin"

mkdir -m 755 "$root/dev/net" "$root/dev/pts" "$root/dev/shm"
while read -r name major minor; do
    mknod -m 666 "$root/dev/$name" c "$major" "$minor"
done <<NODES
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
net/tun 10 200
NODES
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup" # engines look for it, even where it is not for them
mount -o remount,bind,ro "$root/sys/fs/cgroup"

mkdir -p "$root$own" "$root/run/user/10001" "$root/home/caller" "$root/var/log/libvirt"
mount --bind "$own" "$root$own"
chown 10001:10001 "$root/run/user/10001" "$root/home/caller"
chmod 700 "$root/run/user/10001"
mount --bind "$own/resolv.conf" "$root/etc/resolv.conf"

cd "$root"
pivot_root . .
umount -l .
cd /
mount --make-rshared /
echo ready
sleep 36000 &
while :; do wait || :; done
