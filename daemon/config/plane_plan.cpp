#include "daemon/config/plane_plan.hpp"

#include "daemon/config/guest_plan.hpp"
#include "daemon/os/random.hpp"

namespace tapioca {

plane_config plan_plane(const options& opts, const host_network& host, const guest_network& guest, const configured_interface& tap)
{
    plane_config c;
    c.net = guest;
    c.xlat = plan_translation(opts, host);
    c.guest_mac = tap.mac;
    c.address_fixed4 = opts.address4.has_value();
    c.address_fixed6 = opts.address6.has_value();
    c.tcp = opts.tcp;
    c.udp = opts.udp;
    c.icmp = opts.icmp;
    c.outbound4 = opts.outbound4.value_or(ip_address{});
    c.outbound6 = opts.outbound6.value_or(ip_address{});
    c.outbound_if4 = opts.outbound_if4.value_or("");
    c.outbound_if6 = opts.outbound_if6.value_or("");
    c.scope6 = static_cast<unsigned>(host.v6.interface_index);
    c.freebind = opts.freebind;
    c.trace = opts.level == log_level::trace;
    c.secret = os::random_key();
    return c;
}

} // namespace tapioca
