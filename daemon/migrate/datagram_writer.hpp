// The part of the state that flows of datagrams are, behind the connections, and the descriptors that belong to it.
#pragma once

#include "daemon/migrate/append.hpp"
#include "daemon/plane/plane.hpp"
#include "proto/migrate/datagram_state.hpp"

#include <vector>

namespace tapioca::migrate {

class datagram_writer final : private udp_receiver, private echo_receiver {
public:
    /// The flows of a worker that stands still.
    void add(plane& of, std::uint16_t worker, instant now)
    {
        worker_ = worker;
        of.udp().give(*this, now);
        of.echo().give(*this, now);
    }
    /// All of it goes behind what is there.
    void append_to(std::vector<octet>& octets, std::vector<int>& fds) const
    {
        const datagram_header header{udp_.count, echo_.count};
        octets.insert(octets.end(), octets_of(header).begin(), octets_of(header).end());
        for (const auto* p : {&udp_, &echo_}) {
            octets.insert(octets.end(), p->octets.begin(), p->octets.end());
            fds.insert(fds.end(), p->fds.begin(), p->fds.end());
        }
    }

private:
    struct part {
        std::uint32_t count = 0; ///< records that have the number of a worker in front
        std::vector<octet> octets;
        std::vector<int> fds;
    };

    void receive(const given_udp& socket) noexcept override
    {
        begin(udp_, socket.fd);
        put(udp_, udp_socket_octets, socket.state);
        auto queries = socket.queries;
        for (const auto& f : socket.flows) {
            put(udp_, udp_flow_octets, f);
            for (const auto& q : queries.first(f.queries))
                put(udp_, query_octets + q.message.size(), q);
            queries = queries.subspan(f.queries);
        }
    }
    void receive(const echo_flow_state& s, int fd) noexcept override
    {
        begin(echo_, fd);
        put(echo_, echo_flow_octets, s);
    }
    void begin(part& of, int fd) const
    {
        const flow_prefix prefix{worker_};
        of.octets.insert(of.octets.end(), octets_of(prefix).begin(), octets_of(prefix).end());
        if (fd >= 0)
            of.fds.push_back(fd);
        ++of.count;
    }
    template <class State>
    static void put(part& in, std::size_t octets, const State& s)
    {
        append(in.octets, octets, [&](writer& to) { write(to, s); });
    }

    part udp_, echo_;
    std::uint16_t worker_ = 0;
};

} // namespace tapioca::migrate
