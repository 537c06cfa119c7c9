// Echo flows that another process goes on with: one that takes our place on the same host, and gets the sockets themselves.

#include "daemon/translate/echo_translator.hpp"
#include "daemon/translate/given_socket.hpp"
#include "daemon/translate/limits.hpp"

#include <algorithm>
#include <vector>

namespace tapioca {

void echo_translator::give(echo_receiver& to, instant now)
{
    std::vector<const echo_flow*> all;
    all.reserve(flows_.size());
    flows_.for_each([&](const echo_flow& f) {
        if (f.fd >= 0)
            all.push_back(&f);
    });
    std::ranges::sort(all, {}, &echo_flow::last);
    for (const auto* f : all) {
        migrate::echo_flow_state s;
        s.head = *f;
        s.ttl = f->ttl, s.tos = f->tos;
        s.answered = f->answered;
        s.idle = now - f->last;
        s.octets = f->octets;
        to.receive(s, f->fd);
    }
}

bool echo_translator::take(const migrate::echo_flow_state& s, os::unique_fd fd, instant now) noexcept
{
    const auto& key = s.head.key;
    const auto peer = peer_of(key);
    if (owns(key) || peer.is_loopback() || !is_bound_for(fd.get(), path_to(*ctx_.config, peer)))
        return false;
    auto* f = open_flow(s.head, key, {{peer, 0}, {}}, now);
    if (f == nullptr)
        return false;
    f->fd = fd.release();
    f->ttl = s.ttl, f->tos = s.tos;
    f->octets = s.octets;
    note(*f, s.answered, now - s.idle);
    wheel_.arm_no_later(flows_.slot_of(*f), f->last + limits::echo_timeout);
    if (ctx_.poller.add(f->fd, token_of(source::echo_flow, flows_.id_of(*f).value), os::trigger::edge_input))
        return true;
    (void)close(*f, end_reason::socket_failed, now);
    return false;
}

} // namespace tapioca
