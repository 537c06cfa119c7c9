// The models' small parts: the peer behind a socket, and what holds for every segment towards the guest.

#include "tests/sim/simulation.hpp"

namespace tapioca::test {

/// What is due, and the end behind it.
bool peer_model::send()
{
    auto& kernel = memory_kernel::now_running();
    bool moved = false;
    while (sent < to_send) {
        std::array<octet, 32768> octets;
        const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(to_send - sent, octets.size()));
        ours.fill({octets.data(), part}, sent);
        const auto written = kernel.peer_writes(*socket, {octets.data(), part});
        sent += written;
        moved = moved || written != 0;
        if (written != part)
            break;
    }
    if (finish && !finished && sent == to_send && socket->at == memory_socket::stage::connected) {
        kernel.peer_finishes(*socket);
        finished = moved = true;
    }
    return moved;
}

bool peer_model::act(instant now)
{
    if (socket == nullptr)
        return false;
    auto& kernel = memory_kernel::now_running();
    bool moved = send();
    std::size_t most = reads ? SIZE_MAX : 0;
    if (read_rate > 0) {
        allowance = std::min(allowance + read_rate * std::chrono::duration<double>(now - counted).count(), read_rate);
        most = reads && allowance >= 1 ? static_cast<std::size_t>(allowance) : 0;
    }
    counted = now;
    const auto octets = kernel.peer_takes(*socket, most);
    if (!theirs.matches(octets, received))
        complaints.push_back("the peer got wrong octets at " + std::to_string(received));
    received += octets.size();
    allowance -= static_cast<double>(octets.size());
    moved = moved || !octets.empty();
    saw_reset = socket->reset_sent;
    saw_end = socket->end_visible();
    if (answers) {
        to_send = received;
        finish = saw_end;
        moved = send() || moved;
    }
    return moved;
}

instant peer_model::next(instant now) const
{
    if (socket == nullptr || read_rate <= 0 || !reads || socket->sending.empty())
        return instant::max();
    return now + std::chrono::milliseconds{1};
}

void segment_watch::see(const wire::tcp_segment& s, int scale, std::vector<std::string>& complaints)
{
    if (s.has(wire::tcp_rst) || !s.has(wire::tcp_ack))
        return;
    const auto edge = s.ack + (s.has(wire::tcp_syn) ? s.window : std::uint32_t{s.window} << scale);
    if (seen_ && s.ack < ack_)
        complaints.emplace_back("an acknowledgement went back");
    if (seen_ && edge + ((1U << scale) - 1) < edge_) // the field is rounded down: RFC 7323 section 2.4
        complaints.emplace_back("the right edge of the window moved back");
    edge_ = seen_ ? std::max(edge_, edge) : edge;
    seen_ = true;
    ack_ = s.ack;
}

} // namespace tapioca::test
