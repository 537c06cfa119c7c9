// The state of all planes, as octets for another process, and the descriptors that belong to it.
#pragma once

#include "daemon/migrate/datagram_writer.hpp"
#include "daemon/plane/plane.hpp"
#include "proto/migrate/exchange.hpp"

#include <vector>

namespace tapioca::migrate {

class state_writer final : private tcp_receiver {
public:
    /// Leaves room for the header.
    explicit state_writer(const guest_link& guest) : guest_(guest), octets_(sizeof(state_header)) {}

    /// The flows of a worker that stands still.
    void add(plane& of, std::size_t worker, instant now)
    {
        worker_ = static_cast<std::uint16_t>(worker);
        of.tcp().give(*this, now);
        datagrams_.add(of, worker_, now);
    }
    /// All of it.
    [[nodiscard]] const std::vector<octet>& finish()
    {
        writer to{octets_};
        to.put(state_header{state_magic, format_version, guest_.mac(), guest_.v4(), guest_.v6(), guest_.link_local(),
                            static_cast<std::uint32_t>(fds_.size())});
        datagrams_.append_to(octets_, fds_);
        return octets_;
    }
    [[nodiscard]] const std::vector<int>& descriptors() const noexcept { return fds_; }

private:
    void receive(const given_tcp& flow) noexcept override
    {
        append(octets_, sizeof(flow_prefix) + tcp_record_octets, [&](writer& to) {
            to.put(flow_prefix{worker_});
            write(to, flow.state);
        });
        for (const auto* pieces : {&flow.to_socket, &flow.to_guest})
            for (const auto piece : *pieces)
                octets_.insert(octets_.end(), piece.begin(), piece.end());
        fds_.push_back(flow.fd);
    }

    const guest_link& guest_;
    std::vector<octet> octets_;
    std::vector<int> fds_;
    datagram_writer datagrams_;
    std::uint16_t worker_ = 0;
};

} // namespace tapioca::migrate
