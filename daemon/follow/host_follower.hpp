// The host's network is followed while the program runs: what has changed is read by netlink, planned as at the start, and given
// to the data plane as a snapshot. Connections whose address is gone for long are reset; sockets that listen on an interface that
// has come back are made anew.
#pragma once

#include "daemon/config/follow_plan.hpp"
#include "daemon/config/resolv_conf.hpp"
#include "daemon/config/withdrawals.hpp"
#include "daemon/control/event_stream.hpp"
#include "daemon/control/reactor.hpp"
#include "daemon/follow/namespace_follower.hpp"
#include "daemon/follow/resolver_watcher.hpp"
#include "daemon/forward/listener_set.hpp"
#include "daemon/loop/worker_pool.hpp"
#include "daemon/os/network_events.hpp"

#include <functional>
#include <map>

namespace tapioca {

/// What was opened before the host was read.
struct host_watch {
    os::network_events events;
    os::netlink_socket tables;
};

class host_follower final : public control_service {
public:
    struct means {
        worker_pool& workers;
        event_stream& told;   ///< what happens, beside the log
        listener_opener open; ///< sockets of rules of the host's side
        std::function<std::vector<listener_name>()> listening;
        std::optional<resolver_watcher> resolvers;
        // for --follow guest alone
        std::optional<namespace_follower> in_namespace; ///< if we configured it
        std::function<void(bool)> set_carrier;          ///< of the guest's interface; empty: it has none that we set
    };
    host_follower(const options& opts, host_watch watch, network_at_start start, means m);

    void start(reactor& loop) override;
    [[nodiscard]] int end_helpers() noexcept override;

    /// How long what has changed is left to settle, and how long an address may be gone.
    static constexpr duration settling = std::chrono::milliseconds{250}, grace = std::chrono::seconds{10};
    /// How long the resolvers are kept of a file that has none: it may be half written.
    static constexpr duration half_written = std::chrono::seconds{2};
    /// How far advertisements of a change are apart (RFC 4861 section 10: three seconds at least), how many there are
    /// (MAX_INITIAL_RTR_ADVERTISEMENTS), and how long the carrier is away.
    static constexpr duration between_advertisements = std::chrono::seconds{4}, carrier_loss = std::chrono::milliseconds{300};
    static constexpr unsigned advertisements = 3;
    /// For what workers have sent to get there.
    static constexpr duration on_the_way = std::chrono::milliseconds{20};
    /// How often what is left of the life of withdrawn prefixes is told anew.
    static constexpr duration between_withdrawals = std::chrono::minutes{5};

private:
    void tell(std::string_view name, const std::string& words);
    void tell(const std::vector<host_change>& changes);
    void wait_for_events();
    void wait_for_resolvers();
    void take(const resolver_watcher::report& report);
    void set_resolvers(resolv_conf to);
    void look();
    void note_gone(const std::vector<ip_address>& before);
    void end_stranded_flows();
    void end_flows(const end_stranded& ending, std::function<void()> then = {});
    void continue_ending(std::size_t worker, end_stranded ending, std::function<void()> then);
    void give_to_namespace(interface_plan next);
    void listen_anew(const std::vector<os::link_entry>& before);
    void give_to_planes();
    void tell_guest(const guest_network& before);
    void advertise(unsigned times, std::uint64_t change);
    void keep_withdrawing();

    const options& opts_;
    host_watch watch_;
    const network_at_start start_;
    means means_;
    const families enabled_;
    host_network now_;
    followed_network given_;
    std::map<ip_address, instant> gone_; ///< addresses, and when they have been gone for too long
    duration pause_ = settling;          ///< before the next look
    std::uint64_t reports_ = 0;          ///< counts those of the watcher of resolvers
    withdrawals withdrawn_;
    bool withdraws_ = false;         ///< what is left is told anew later
    std::uint64_t changes_told_ = 0; ///< counts them
    reactor* loop_ = nullptr;
};

} // namespace tapioca
