#include "daemon/migrate/datagram_reader.hpp"

#include "daemon/os/peer.hpp"
#include "proto/migrate/datagram_state.hpp"
#include "proto/wire/protocol.hpp"

namespace tapioca::migrate {
namespace {

class datagram_reader {
public:
    datagram_reader(reader& from, std::span<os::unique_fd> sockets, worker_pool& workers, const rule_slots& slots, instant now)
        : from_(from), sockets_(sockets), workers_(workers), slots_(slots), now_(now)
    {
    }

    [[nodiscard]] std::optional<taken_datagrams> all()
    {
        const auto header = from_.take<datagram_header>();
        if (!header)
            return std::nullopt;
        for (std::uint32_t left = header->udp_sockets; left != 0; --left)
            if (!take_socket())
                return std::nullopt;
        for (std::uint32_t left = header->echo_flows; left != 0; --left)
            if (!take_echo())
                return std::nullopt;
        return sockets_.empty() ? std::optional{taken_} : std::nullopt;
    }

private:
    [[nodiscard]] plane* plane_of_next()
    {
        const auto prefix = from_.take<flow_prefix>();
        return prefix && prefix->worker < workers_.size() ? &workers_.frozen_plane(prefix->worker) : nullptr;
    }
    /// None: it is no socket of that protocol.
    [[nodiscard]] os::unique_fd next_socket(octet protocol)
    {
        if (sockets_.empty() || os::protocol_of(sockets_.front().get()) != protocol)
            return {};
        auto fd = std::move(sockets_.front());
        sockets_ = sockets_.subspan(1);
        return fd;
    }
    [[nodiscard]] int slot_of(std::size_t rule) const noexcept { return slot_in(slots_, rule_side::host, rule); }

    [[nodiscard]] bool take_socket()
    {
        auto* plane = plane_of_next();
        auto socket = read_udp_socket(from_);
        if (plane == nullptr || !socket || !read_flows(socket->flows))
            return false;
        os::unique_fd fd;
        if (!socket->listens && !(fd = next_socket(wire::protocol_udp)))
            return false;
        if (socket->listens) {
            const auto slot = slot_of(socket->through.rule);
            if (slot < 0)
                return true; // its rule is gone, and so is its socket
            socket->through.rule = static_cast<octet>(slot);
        }
        taken_.udp += plane->udp().take({*socket, fd.get(), flows_, queries_}, std::move(fd), now_);
        return true;
    }
    [[nodiscard]] bool read_flows(std::uint32_t count)
    {
        flows_.clear();
        queries_.clear();
        for (; count != 0; --count) {
            auto f = read_udp_flow(from_);
            if (!f)
                return false;
            const auto slot = f->head.from_peer() ? slot_of(f->head.rule) : -1;
            f->head.rule = slot < 0 ? flow_head::no_rule : static_cast<std::uint16_t>(slot);
            flows_.push_back(*f);
            for (unsigned left = f->queries; left != 0; --left) {
                const auto query = read_query(from_);
                if (!query)
                    return false;
                queries_.push_back(*query);
            }
        }
        return true;
    }
    [[nodiscard]] bool take_echo()
    {
        auto* plane = plane_of_next();
        const auto flow = read_echo_flow(from_);
        if (plane == nullptr || !flow)
            return false;
        auto fd = next_socket(flow->head.key.protocol);
        if (!fd)
            return false;
        taken_.echo += plane->echo().take(*flow, std::move(fd), now_);
        return true;
    }

    reader& from_;
    std::span<os::unique_fd> sockets_; ///< that are left
    worker_pool& workers_;
    const rule_slots& slots_;
    instant now_;
    std::vector<udp_flow_state> flows_; ///< of one socket
    std::vector<query_state> queries_;  ///< likewise
    taken_datagrams taken_;
};

} // namespace

std::optional<taken_datagrams> take_datagrams(reader& from, std::span<os::unique_fd> sockets, worker_pool& workers,
                                              const rule_slots& slots, instant now)
{
    return datagram_reader{from, sockets, workers, slots, now}.all();
}

} // namespace tapioca::migrate
