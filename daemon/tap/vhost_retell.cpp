// A session is given to another process as what its front-end would have to say. A ring runs from the kick on, so that comes
// last, and goes on at the place where it stands.

#include "daemon/tap/vhost_link.hpp"

namespace tapioca {

using vhost::request;

void vhost_link::retell(retelling& to) const
{
    if (session_.of_protocol() != 0)
        to.say(request::set_protocol_features, session_.of_protocol());
    if (session_.mtu() != 0)
        to.say(request::net_set_mtu, std::uint64_t{session_.mtu()});
    retell_memory(to);
    if (session_.has_features())
        to.say(request::set_features, session_.features());
    for (std::uint32_t ring = 0; ring < vhost::most_rings; ++ring)
        retell_ring(ring, to);
}

/// Regions are told as often as they were added, as they go as often.
void vhost_link::retell_memory(retelling& to) const
{
    struct {
        std::uint64_t padding = 0;
        vhost::region what;
    } one;
    const auto regions = map_.regions();
    for (std::size_t i = 0; i < regions.size(); ++i) {
        one.what = regions[i].what;
        for (std::uint32_t use = 0; use < regions[i].uses; ++use)
            to.say(request::add_mem_reg, one, {memory_[i].file()});
    }
    if (!log_memory_.octets().empty())
        to.say(request::set_log_base, session_.log(), {log_memory_.file()});
}

void vhost_link::retell_ring(std::uint32_t ring, retelling& to) const
{
    const auto& r = session_.at(ring);
    const auto& fds = fds_[ring];
    const auto& queue = *seat_of(ring).queue;
    to.say(request::set_vring_enable, vhost::ring_state{ring, r.enabled});
    to.say(request::set_vring_base, vhost::ring_state{ring, queue.runs(ring) ? queue.place_of(ring) : r.base});
    if (r.size != 0)
        to.say(request::set_vring_num, vhost::ring_state{ring, r.size});
    if (r.has_address)
        to.say(request::set_vring_addr, r.address);
    const std::uint64_t number = ring;
    if (fds.call)
        to.say(request::set_vring_call, number, {fds.call.get()});
    if (fds.error)
        to.say(request::set_vring_err, number, {fds.error.get()});
    if (r.kick && fds.kick)
        to.say(request::set_vring_kick, number, {fds.kick.get()});
}

} // namespace tapioca
