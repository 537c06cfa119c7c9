// Where the guest may connect, as it is now, and how another policy comes into force: as a whole or not at all. All workers are
// given it, and then flows end that it denies. Once it is locked, only what is narrower comes.
#pragma once

#include "daemon/control/name_calls.hpp"
#include "daemon/control/reactor.hpp"
#include "daemon/loop/worker_pool.hpp"
#include "daemon/policy/written_policy.hpp"

#include <functional>
#include <memory>
#include <string>
#include <variant>

namespace tapioca {

/// Whoever leads the guest to names; or nobody, if both are empty.
struct policy_names {
    std::function<void(egress_policy&)> serve; ///< the policy is about to be in force
    const name_register* known = nullptr;      ///< what is pinned
};

class egress_in_force final : public control_service {
public:
    struct beginning {
        written_policy written; ///< by which the workers judge
        bool fixed = true;      ///< there is no --egress: nothing was prepared for one
        bool locked = false;
    };
    /// The workers outlive it.
    egress_in_force(beginning from, worker_pool& workers, policy_names names);
    void start(reactor& loop) override { loop_ = &loop; }

    /// By which workers judge, or will in their next turn.
    [[nodiscard]] const egress_policy& now() const noexcept { return *now_; }
    [[nodiscard]] const policy_names& names() const noexcept { return names_; }
    [[nodiscard]] const worker_pool& workers() const noexcept { return workers_; }
    [[nodiscard]] bool is_fixed() const noexcept { return fixed_; }
    [[nodiscard]] bool is_locked() const noexcept { return locked_; }
    void lock();

    /// Why nothing has changed.
    struct refused {
        enum class reason : std::uint8_t { fixed, locked, faulty };
        reason what = reason::faulty;
        std::string why; ///< unless `findings` say it
    };
    /// Nothing: it comes into force. What is found to be wrong with it is told in `findings`. `done` is called when no worker
    /// has a flow any more that it denies. Not while another one is under way.
    [[nodiscard]] std::optional<refused> exchange(written_policy wanted, policy_findings& findings, std::function<void()> done);
    [[nodiscard]] bool is_changing() const noexcept { return changing_; }

private:
    void wait_for_planes(std::function<void()> done);
    void end_denied_flows(std::size_t visits, end_denied ending, std::function<void()> done);

    worker_pool& workers_;
    policy_names names_;
    written_policy written_;
    std::shared_ptr<const egress_policy> now_; ///< never null
    /// That what workers have reported can be told from what they report: its place is not used again while they may speak of it.
    std::shared_ptr<const egress_policy> before_;
    bool fixed_, locked_, changing_ = false;
    reactor* loop_ = nullptr;
};

} // namespace tapioca
