#include "daemon/config/early_exit.hpp"
#include "daemon/policy/policy_files.hpp"
#include "daemon/report/log.hpp"
#include "daemon/start_up/stages.hpp"

namespace tapioca {

egress_at_start read_egress(const options& opts)
{
    if (opts.egress.empty())
        return {};
    policy_findings findings;
    egress_at_start egress;
    egress.written = read_policies(opts.egress, directories_of_user(), findings);
    egress.policy = ready_policy(egress.written, findings);
    std::string errors;
    for (const auto& finding : findings.all())
        if (finding.severity == policy_severity::error)
            errors += to_text(finding) + '\n';
        else
            egress.warnings.push_back(to_text(finding));
    if (!errors.empty())
        throw early_exit{1, errors, false};
    return egress;
}

std::shared_ptr<const egress_policy> told_of(const egress_at_start& egress)
{
    log::warning(egress.warnings);
    return egress.policy;
}

served_egress serve_egress(const options& opts, egress_at_start egress, std::optional<name_forwarder::beginning> names,
                           worker_pool& workers, audit_log* audit, control& ctl)
{
    served_egress served{begin_names(std::move(names), workers, audit, ctl), nullptr};
    policy_names led{.serve = {}, .known = served.names.get()};
    if (auto* forwarder = served.names.get())
        led.serve = [forwarder](egress_policy& policy) { forwarder->serve(policy); };
    egress_in_force::beginning beginning{
        .written = std::move(egress.written), .fixed = opts.egress.empty(), .locked = opts.egress_lock};
    served.policies = std::make_unique<egress_in_force>(std::move(beginning), workers, std::move(led));
    ctl.serve(*served.policies);
    return served;
}

void complete(plane_parts& parts, os::unique_fd pcap, const egress_at_start& egress)
{
    parts.resources.pcap = std::move(pcap);
    parts.config.egress = told_of(egress);
}

} // namespace tapioca
