#include "daemon/names/datagram_clients.hpp"

#include "daemon/os/batch_io.hpp"

namespace tapioca {

void datagram_clients::start(reactor& loop, const std::vector<std::pair<int, ip_family>>& sockets)
{
    for (const auto& [fd, family] : sockets)
        (void)loop.watch(fd, readiness_for::reading, [this, fd = fd, family = family] { on_readable(fd, family); });
}

void datagram_clients::on_readable(int fd, ip_family family)
{
    std::array<bytes_span, most_datagrams> buffers;
    std::array<os::incoming, most_datagrams> got;
    for (std::size_t i = 0; i < buffers.size(); ++i)
        buffers[i] = bytes_span{room_}.subspan(i * longest_query, longest_query);
    const auto count = os::receive_batch(fd, buffers, got, os::want_addresses::yes);
    for (std::size_t i = 0; count && i < *count; ++i) {
        if (got[i].truncated)
            continue;
        const auto send = [fd, family, to = got[i].source](bytes_view answer) {
            if (answer.empty())
                return;
            const os::addressing between{to, {}, 0};
            const os::outgoing out{.pieces = {&answer, 1}, .segment = 0, .ttl = {}, .tos = {}, .between = &between};
            (void)os::send_batch(fd, family, {&out, 1}); // what does not fit is asked for again
        };
        answers_.take(buffers[i].first(got[i].length), name_answers::transport::datagram, send);
    }
}

} // namespace tapioca
