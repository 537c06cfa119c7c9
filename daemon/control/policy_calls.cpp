#include "daemon/control/policy_calls.hpp"

#include "daemon/control/varlink_message.hpp"
#include "daemon/policy/policy_json.hpp"

#include <algorithm>

namespace tapioca {

namespace json = boost::json;

namespace {

constexpr std::size_t most_files = 64, longest_name = 4096; ///< a path

json::object told_of(const egress_in_force& policies)
{
    return {{"policy", to_json(policies.now())}, {"locked", policies.is_locked()}, {"fixed", policies.is_fixed()}};
}

json::array listed(const policy_findings& findings)
{
    json::array all;
    for (const auto& finding : findings.all())
        all.push_back(to_json(finding));
    return all;
}

class policy_report final : public running_call {
public:
    explicit policy_report(egress_in_force& policies) : policies_(policies) {}

    state look(std::string& out) override
    {
        varlink::put_reply(out, told_of(policies_));
        return state::done;
    }

private:
    egress_in_force& policies_;
};

class policy_exchange final : public running_call {
public:
    policy_exchange(egress_in_force& policies, std::vector<policy_text> files) : policies_(policies), files_(std::move(files)) {}

    state look(std::string& out) override
    {
        if (applied_) { // or at least begun
            if (!*applied_)
                return state::goes_on;
            varlink::put_reply(out, {{"findings", listed(findings_)}});
            return state::done;
        }
        if (policies_.is_changing())
            return state::goes_on;
        auto applied = std::make_shared<bool>(false);
        auto wanted = read_texts(files_, findings_, name_libraries::stay_out);
        if (const auto why = policies_.exchange(std::move(wanted), findings_, [applied] { *applied = true; })) {
            put_refusal(out, *why);
            return state::done;
        }
        applied_ = std::move(applied);
        return state::goes_on;
    }

private:
    void put_refusal(std::string& out, const egress_in_force::refused& why) const
    {
        using reason = egress_in_force::refused::reason;
        const auto put = [&out](const std::string& name, const json::object& parameters) {
            varlink::put_error(out, "io.github.tapioca.Control." + name, parameters);
        };
        if (why.what == reason::faulty)
            return put("PolicyFaulty", {{"findings", listed(findings_)}});
        put(why.what == reason::locked ? "PolicyLocked" : "PolicyFixed", {{"why", why.why}});
    }

    egress_in_force& policies_;
    std::vector<policy_text> files_;
    policy_findings findings_;
    std::shared_ptr<bool> applied_; ///< null: not begun
};

std::optional<policy_text> parse_file(const json::value& value)
{
    const auto* object = value.if_object();
    const auto* name = object == nullptr ? nullptr : object->if_contains("name");
    const auto* text = object == nullptr ? nullptr : object->if_contains("text");
    if (name == nullptr || text == nullptr || !name->is_string() || !text->is_string())
        return std::nullopt;
    policy_text file{json::value_to<std::string>(*name), json::value_to<std::string>(*text)};
    const bool printable = std::ranges::none_of(file.name, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; });
    return !file.name.empty() && file.name.size() <= longest_name && printable ? std::optional{std::move(file)} : std::nullopt;
}

} // namespace

std::optional<std::vector<policy_text>> parse_policy_files(const json::object& parameters)
{
    const auto* given = parameters.if_contains("files");
    const auto* array = given == nullptr ? nullptr : given->if_array();
    if (array == nullptr || array->empty() || array->size() > most_files)
        return std::nullopt;
    std::vector<policy_text> files;
    for (const auto& each : *array) {
        auto file = parse_file(each);
        if (!file)
            return std::nullopt;
        files.push_back(std::move(*file));
    }
    return files;
}

std::unique_ptr<running_call> begin_policy_report(egress_in_force& policies) { return std::make_unique<policy_report>(policies); }

std::unique_ptr<running_call> begin_policy_exchange(egress_in_force& policies, std::vector<policy_text> files)
{
    return std::make_unique<policy_exchange>(policies, std::move(files));
}

void lock_policy(egress_in_force& policies, std::string& out)
{
    namespace v = varlink;
    if (policies.is_fixed())
        return v::put_error(out, "io.github.tapioca.Control.PolicyFixed",
                            {{"why", "without --egress at the start there is no policy, and none can come later"}});
    policies.lock();
    v::put_reply(out, {});
}

} // namespace tapioca
