#include "daemon/control/egress_in_force.hpp"

#include "daemon/policy/compile_policy.hpp"
#include "daemon/policy/policy_files.hpp"
#include "daemon/policy/policy_narrowing.hpp"
#include "daemon/report/log.hpp"

#include <chrono>
#include <utility>

namespace tapioca {
namespace {

constexpr duration look = std::chrono::milliseconds{1}; ///< at workers that have not done yet what they were asked for

} // namespace

egress_in_force::egress_in_force(beginning from, worker_pool& workers, policy_names names)
    : workers_(workers), names_(std::move(names)), written_(std::move(from.written)), now_(workers.config().egress),
      fixed_(from.fixed), locked_(from.locked)
{
    if (!now_)
        now_ = std::make_shared<const egress_policy>();
}

void egress_in_force::lock()
{
    if (!std::exchange(locked_, true))
        log::info("The egress policy is locked: only a narrower one takes its place");
}

std::optional<egress_in_force::refused> egress_in_force::exchange(written_policy wanted, policy_findings& findings,
                                                                  std::function<void()> done)
{
    using reason = refused::reason;
    if (fixed_)
        return refused{reason::fixed, "without --egress at the start no policy can come later; `--egress open` denies nothing"};
    auto next = ready_policy(wanted, findings, name_libraries::stay_out);
    if (findings.has_errors())
        return refused{reason::faulty, {}};
    if (next && next->has_names() && !names_.serve)
        return refused{reason::fixed, "without a rule for a name at the start no such rule can come later"};
    if (locked_)
        if (auto wider = what_is_wider(written_, wanted))
            return refused{reason::locked, std::move(*wider)};
    if (next && next->has_names()) {
        auto served = std::make_shared<egress_policy>(*next);
        names_.serve(*served);
        next = std::move(served);
    }
    changing_ = true;
    written_ = std::move(wanted);
    before_ = std::exchange(now_, next ? next : std::make_shared<const egress_policy>());
    workers_.exchange([&](plane_config& config) { config.egress = next; });
    wait_for_planes([this, then = std::move(done)] {
        changing_ = false;
        log::info("The egress policy has been changed");
        then();
    });
    return std::nullopt;
}

/// A flow that is opened while some worker has the policy before is looked at by the one after it.
void egress_in_force::wait_for_planes(std::function<void()> done)
{
    loop_->call_in(look, [this, then = std::move(done)]() mutable {
        if (!workers_.have_obeyed())
            return wait_for_planes(std::move(then));
        auto ending = std::make_shared<denied_flows>();
        workers_.ask(0, ending);
        end_denied_flows(0, std::move(ending), std::move(then));
    });
}

/// One worker after the other, each some of its flows in a turn; and all of them twice, as a flow may have been on its way to a
/// worker that was done. `visits`: how many are over.
void egress_in_force::end_denied_flows(std::size_t visits, end_denied ending, std::function<void()> done)
{
    if (ending->done.exchange(false, std::memory_order_acquire)) {
        if (!ending->from) {
            ending->from = plane::place{};
            ++visits;
        }
        if (visits == 2 * workers_.size())
            return done();
        workers_.ask(visits % workers_.size(), ending);
    }
    loop_->call_in(look, [this, visits, ending = std::move(ending), then = std::move(done)]() mutable {
        end_denied_flows(visits, std::move(ending), std::move(then));
    });
}

} // namespace tapioca
