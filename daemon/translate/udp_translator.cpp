#include "daemon/translate/udp_translator.hpp"

#include "daemon/os/random.hpp"
#include "daemon/translate/limits.hpp"

#include <algorithm>

namespace tapioca {

using report::counter;

namespace {

constexpr octet usual_ttl = 64;

} // namespace

udp_translator::udp_translator(context& ctx, udp_splice& splice, std::size_t capacity, instant start)
    : flows_of(ctx, capacity, start), splice_(splice), port_memory_(flow_table<udp_port>::memory_needed(capacity)),
      permission_memory_(flow_table<udp_permission>::memory_needed(capacity)),
      ports_(port_memory_.bytes(), capacity, ctx.config->secret),
      permissions_(permission_memory_.bytes(), capacity, ctx.config->secret), default_ttl_(usual_ttl)
{
    if (const auto ttl = os::default_ttl())
        default_ttl_ = *ttl;
}

udp_translator::~udp_translator()
{
    ports_.for_each([](udp_port& p) {
        if (p.fd >= 0)
            os::close(p.fd);
    });
}

/// Without room towards the guest ports wait: their data stays in their sockets.
void udp_translator::end_turn(instant now) noexcept
{
    ready_.run(
        ports_, [this] { return ctx_.tap.accepts_data(); }, [&](udp_port& p) { pump(p, now); });
    poll(now);
    go_on_with_queries(now);
}

instant udp_translator::expiry(const udp_flow& f) const noexcept { return expiry_of(f.life, *ctx_.config, f.key.remote_port); }

/// A timer that is due too early finds out when it fires.
void udp_translator::arm(const udp_flow& f) noexcept { wheel_.arm_no_later(flows_.slot_of(f), expiry(f)); }

void udp_translator::expire(instant now) noexcept
{
    end_idle(now, [this](const auto& f) { return expiry(f); });
}

flow_alive udp_translator::close(udp_flow& f, end_reason why, instant now) noexcept
{
    renamed_ -= f.renamed;
    if (f.asks_names)
        queries_.forget(flows_.id_of(f));
    leave(f);
    return erase_flow(f, why, now, f.octets);
}

} // namespace tapioca
