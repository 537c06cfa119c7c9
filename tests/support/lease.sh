#!/bin/sh
# What a DHCP client (dhclient, udhcpc) calls with its news: configures the interface and writes a line to $LEASE_LOG.
# udhcpc gives the event as $1 and plain names; dhclient gives $reason and names that begin with new_.
event=${1:-$reason}
echo "$event ${ip:-${new_ip_address:-$new_ip6_address}}" >>"${LEASE_LOG:-/dev/null}"
case $event in
PREINIT | PREINIT6 | deconfig)
    ip link set dev "$interface" up
    ;;
bound | renew)
    ip addr replace "$ip/$mask" dev "$interface"
    [ -z "$router" ] || ip route replace default via "$router" dev "$interface"
    ;;
BOUND | RENEW | REBIND | REBOOT)
    ip addr replace "$new_ip_address/$new_subnet_mask" dev "$interface"
    [ -z "$new_routers" ] || ip route replace default via "$new_routers" dev "$interface"
    ;;
BOUND6 | RENEW6 | REBIND6)
    ip -6 addr replace "$new_ip6_address/$new_ip6_prefixlen" dev "$interface" nodad
    ;;
esac
exit 0
