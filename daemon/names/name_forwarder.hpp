// The only way of the guest to a name: while the egress policy has a rule with a name, all that the guest sends to port 53 comes
// here, to sockets on the host's loopback. What the policy allows is asked outside by questions of our own, and what is answered
// is pinned, so that the addresses may be connected to, before the answer leaves.
//
// name_listeners are the sockets; datagram_clients and stream_clients serve them; name_answers goes from a query to its answer,
// by name_judge, and asks resolver_client; pin_book keeps what is pinned. This file keeps all that in time: tables that are full,
// and pins whose addresses are in use when they end.
#pragma once

#include "daemon/control/name_calls.hpp"
#include "daemon/loop/worker_pool.hpp"
#include "daemon/names/datagram_clients.hpp"
#include "daemon/names/name_listeners.hpp"
#include "daemon/names/stream_clients.hpp"

#include <set>

namespace tapioca {

class name_forwarder final : public control_service, public name_register {
public:
    static constexpr duration between_sweeps = std::chrono::seconds{30}, ahead = 3 * between_sweeps;
    static constexpr duration between_workers_answers = std::chrono::milliseconds{10};

    /// What there is of it before the workers, whose configuration it is part of.
    struct beginning {
        std::vector<name_listener> listeners;
        std::unique_ptr<pin_book> pins;
    };
    /// Opens the sockets. Before sealing, in the host's network namespace; throws os::start_failure.
    [[nodiscard]] static beginning open();

    /// Leads the guest's queries here: the policy is about to be in force.
    static void serve(beginning& of, egress_policy& policy);
    void serve(egress_policy& policy);

    name_forwarder(beginning begun, worker_pool& workers);
    void start(reactor& loop) override;

    /// Of a pin; empty if it has been forgotten.
    [[nodiscard]] std::string name_of(std::uint32_t number) const { return std::string{pins_->name_of(number)}; }
    [[nodiscard]] std::vector<known_name> names_behind(std::uint32_t number, std::size_t most) const override;

private:
    void look_at_table();
    void sweep_later();
    void sweep();
    void list_flows();
    void take_flows();

    std::vector<name_listener> listeners_;
    std::unique_ptr<pin_book> pins_;
    worker_pool& workers_;
    resolver_client resolvers_;
    name_answers answers_;
    datagram_clients datagrams_;
    stream_clients streams_;
    reactor* loop_ = nullptr;

    // While flows are listed, before a sweep.
    tapioca::list_flows listing_;
    std::size_t worker_ = 0;
    std::set<ip_address> in_use_;
};

} // namespace tapioca
