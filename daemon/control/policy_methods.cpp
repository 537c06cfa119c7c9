#include "daemon/control/policy_methods.hpp"

#include "daemon/control/destination_calls.hpp"
#include "daemon/control/policy_calls.hpp"
#include "daemon/os/clock.hpp"

namespace tapioca::policy_methods {

running get(const asked& a) { return begin_policy_report(a.of.egress); }

running replace(const asked& a)
{
    if (!may_change(a))
        return {};
    auto files = parse_policy_files(a.call.parameters);
    return files ? begin_policy_exchange(a.of.egress, std::move(*files)) : refuse_parameter(a, "files");
}

running lock(const asked& a)
{
    if (may_change(a))
        lock_policy(a.of.egress, a.out);
    return {};
}

running explain_destination(const asked& a)
{
    const auto question = parse_destination(a.call.parameters);
    if (const auto* wrong = std::get_if<std::string>(&question))
        return refuse_parameter(a, *wrong);
    varlink::put_reply(a.out, explain(a.of.egress, std::get<destination_question>(question), os::now()));
    return {};
}

} // namespace tapioca::policy_methods
