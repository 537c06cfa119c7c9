#include "daemon/start_up/stages.hpp"

#include "daemon/os/process.hpp"
#include "daemon/os/start_failure.hpp"
#include "daemon/report/log.hpp"

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace tapioca {

void assume_identity(const options& opts, sandbox& box)
{
    if (opts.run_as) {
        try {
            return box.become(opts.run_as->uid, opts.run_as->gid);
        } catch (const std::system_error& refused) {
            throw std::runtime_error(refused.what() + (refused.code().value() == EPERM
                                                           ? "; --runas is for root, and this is " + os::name_of_user()
                                                           : "; the user namespace has no such id"));
        }
    }
    os::account account = os::current_account();
    if (os::is_root() && in_initial_user_namespace()) {
        log::warning("Started as root, will change to nobody.");
        account = os::nobody();
    }
    box.become(account.uid, account.gid);
}

seccomp::profile what_is_left(const options& opts, const netns::target& target, const plane_config& config, bool bypass)
{
    using seccomp::task;
    seccomp::profile left{};
    const auto add = [&left](bool wanted, task t) {
        if (wanted)
            left.add(t);
    };
    add(!opts.splice_only, task::guest);
    add(opts.vhost_user, task::vhost);
    add(bypass, task::bypass);
    const bool at_interfaces = std::ranges::any_of(opts.host_rules, [](const forward_rule& r) { return !r.interface.empty(); });
    const bool listens_anew = at_interfaces && opts.follow != follow_mode::none;
    add(scans(opts.host_rules) || scans(opts.guest_rules) || opts.rules_may_change() || listens_anew, task::scan);
    add(sets_carrier(opts), task::carrier);
    add(opts.can_hand_over(), task::hand_over);
    add(opts.take_over.has_value(), task::take_over);
    add(target.watch.has_value(), task::watch);
    add(target.command.has_value(), task::command);
    add(opts.log_file.has_value(), task::log_file);
    add(config.egress && config.egress->has_names(), task::names);
    add(opts.pcap_file || (opts.mode == mode::pasta && !opts.splice_only && config.keeps_peer_octets()), task::pieces);
    return left;
}

} // namespace tapioca
