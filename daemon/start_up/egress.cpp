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
    egress_at_start egress{load_policies(opts.egress, directories_of_user(), findings), {}};
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

std::shared_ptr<const egress_policy> told_of(egress_at_start egress)
{
    log::warning(egress.warnings);
    return std::move(egress.policy);
}

void complete(plane_parts& parts, os::unique_fd pcap, egress_at_start egress)
{
    parts.resources.pcap = std::move(pcap);
    parts.config.egress = told_of(std::move(egress));
}

} // namespace tapioca
