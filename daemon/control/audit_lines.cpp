#include "daemon/control/audit_lines.hpp"

#include "daemon/control/flow_json.hpp"
#include "daemon/control/json_text_writer.hpp"
#include "daemon/policy/policy_words.hpp"
#include "proto/base/ip_text.hpp"
#include "proto/flow/key.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

namespace tapioca {

using report::audit_event;
using report::audit_record;

namespace {

using std::chrono::milliseconds;

/// RFC 3339, in UTC: "2026-11-29T19:05:00.123Z".
std::string time_text(duration since_1970)
{
    using namespace std::chrono;
    const auto at = floor<milliseconds>(since_1970);
    const auto day = floor<days>(at);
    const year_month_day date{sys_days{day}};
    const hh_mm_ss time{at - day};
    std::array<char, 40> text;
    const int size = std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
                                   static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                                   static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                                   static_cast<int>(time.seconds().count()), static_cast<int>(time.subseconds().count()));
    return {text.data(), static_cast<std::size_t>(size)};
}

std::string_view name_of(audit_event what) noexcept
{
    switch (what) {
    case audit_event::opened:
        return "opened";
    case audit_event::refused:
        return "refused";
    case audit_event::answered:
        return "answered";
    case audit_event::misnamed:
        return "misnamed";
    case audit_event::ended:
    case audit_event::left_open:
        return "ended";
    }
    return "";
}

void put_endpoint(json_text_writer& to, std::string_view name, const endpoint& e)
{
    to.put_object(name, [&](json_text_writer& inner) {
        inner.put("address", text_of(e.address).view());
        inner.put("port", e.port);
    });
}

/// The members that every line begins with, and what `fill` adds, as a line behind `out`.
template <class Fill>
void put_line(std::string& out, std::string_view event, duration since_1970, Fill fill)
{
    json_text_writer line{out};
    line.put("time", time_text(since_1970));
    line.put("event", event);
    fill(line);
    line.end();
    out += '\n';
}

} // namespace

std::size_t audit_lines::hash_of_refusal::operator()(const refusal& r) const noexcept
{
    return static_cast<std::size_t>(hash_of(r.key, {})) ^ (std::size_t{r.rule} << 8) ^ static_cast<std::size_t>(r.ground);
}

void audit_lines::note_policy(const std::shared_ptr<const egress_policy>& policy)
{
    for (auto& known : policies_)
        known.unused = known.policy.use_count() == 1;
    if (policy && (policies_.empty() || policies_.back().policy != policy))
        policies_.push_back({policy});
}

void audit_lines::forget_policies()
{
    std::erase_if(policies_, [](const known_policy& known) { return known.unused; });
}

const egress_policy* audit_lines::policy_of(const audit_record& record) const
{
    const auto by = std::find_if(policies_.begin(), policies_.end(),
                                 [&](const known_policy& known) { return known.policy.get() == record.policy; });
    return by == policies_.end() ? nullptr : by->policy.get();
}

std::string audit_lines::members_of(std::size_t worker, const audit_record& record) const
{
    const auto& [head, verdict] = std::tie(record.head, record.verdict);
    std::string text;
    json_text_writer to{text};
    if (record.number != 0)
        to.put("flow", to_text(flow_name{worker, head.kind, record.id}));
    to.put("protocol", protocol_of(head.kind));
    to.put("way", way_name(head.kind));
    to.put("origin", tapioca::name_of(head.origin));
    put_endpoint(to, "guest", {head.key.guest, head.key.guest_port});
    put_endpoint(to, "remote", {head.key.remote, head.key.remote_port});
    put_endpoint(to, "host_peer", record.to);
    if (verdict.ground == egress_ground::name)
        if (const auto name = name_of_ ? name_of_(verdict.name) : std::string{}; !name.empty()) {
            to.put_any("name", name);
            to.put("name_from", "dns");
        }
    to.put("verdict", verdict.says == egress_action::allow ? "allow" : "deny");
    to.put_truth("passed", verdict.passes);
    to.put("ground", word_of(verdict.ground));
    const auto* policy = policy_of(record);
    const bool by_rule = verdict.ground == egress_ground::rule || verdict.ground == egress_ground::name;
    if (policy != nullptr && by_rule && verdict.rule < policy->rules.size())
        to.put_object("rule", [&, &rule = policy->rules[verdict.rule]](json_text_writer& inner) {
            inner.put_any("text", rule.text);
            inner.put_any("file", rule.file);
            inner.put("line", rule.line);
        });
    else if (policy != nullptr && verdict.ground == egress_ground::profile)
        to.put("profile", word_of(policy->profile));
    return text.substr(1); // members alone
}

void audit_lines::take(std::size_t worker, const audit_record& record, duration clock, std::string& out)
{
    switch (record.what) {
    case audit_event::opened:
        return open(worker, record, clock, out);
    case audit_event::refused:
    case audit_event::answered:
    case audit_event::misnamed:
        return refuse(worker, record, clock, out);
    case audit_event::ended:
    case audit_event::left_open:
        return end(record, clock, out);
    }
}

void audit_lines::open(std::size_t worker, const audit_record& record, duration clock, std::string& out)
{
    const auto& flow = flows_[record.number] = {members_of(worker, record), record.when};
    put_line(out, name_of(record.what), record.when.time_since_epoch() + clock,
             [&](json_text_writer& line) { line.put_members(flow.members); });
    if (const auto early = early_ends_.extract(record.number))
        end(early.mapped(), clock, out);
}

void audit_lines::end(const audit_record& record, duration clock, std::string& out)
{
    const auto flow = flows_.extract(record.number);
    if (!flow) {
        early_ends_[record.number] = record;
        return;
    }
    const auto& [members, began] = flow.mapped();
    put_line(out, name_of(record.what), record.when.time_since_epoch() + clock, [&](json_text_writer& line) {
        line.put_members(members);
        line.put("reason", record.what == audit_event::left_open ? "program_ended"
                                                                 : end_reason_names[static_cast<std::size_t>(record.why)]);
        if (record.octets) {
            line.put("octets_from_guest", record.octets->from_guest);
            line.put("octets_to_guest", record.octets->to_guest);
        }
        line.put("duration_ms", static_cast<std::uint64_t>(std::chrono::floor<milliseconds>(record.when - began).count()));
    });
}

void audit_lines::refuse(std::size_t worker, const audit_record& record, duration clock, std::string& out)
{
    refusal alike{record.head.key, record.verdict.ground, record.verdict.rule, record.what, record.refused};
    alike.key.guest_port = 0;
    if (const auto known = refusals_.find(alike); known != refusals_.end()) {
        ++known->second.count;
        return;
    }
    if (refusals_.size() == most_refusals) {
        ++other_refusals_;
        return;
    }
    auto& added = refusals_[alike];
    added.members = members_of(worker, record);
    if (record.what == audit_event::refused)
        added.members.append(R"(,"reason":")").append(drop_reason_names[index(record.refused)]).append(1, '"');
    put_line(out, name_of(record.what), record.when.time_since_epoch() + clock,
             [&](json_text_writer& line) { line.put_members(added.members); });
}

bool audit_lines::tell_repeats(duration since_1970, std::string& out)
{
    for (auto at = refusals_.begin(); at != refusals_.end();) {
        auto& [members, count] = at->second;
        if (count == 0) {
            at = refusals_.erase(at);
            continue;
        }
        put_line(out, "suppressed", since_1970, [&](json_text_writer& line) {
            line.put("of", name_of(at->first.what));
            line.put_members(members);
            line.put("count", count);
        });
        count = 0;
        ++at;
    }
    if (const auto others = std::exchange(other_refusals_, 0); others != 0)
        put_line(out, "suppressed", since_1970, [&](json_text_writer& line) {
            line.put("of", "refused");
            line.put("count", others);
        });
    return !refusals_.empty();
}

void audit_lines::tell_lost(std::uint64_t records, duration since_1970, std::string& out)
{
    put_line(out, "lost", since_1970, [&](json_text_writer& line) { line.put("records", records); });
}

void audit_lines::tell_reopened(duration since_1970, std::string& out)
{
    put_line(out, "reopened", since_1970, [](const json_text_writer&) {});
}

void audit_lines::tell_unrecorded(std::uint64_t flows, duration since_1970, std::string& out)
{
    put_line(out, "suppressed", since_1970, [&](json_text_writer& line) {
        line.put("of", "refused");
        line.put("reason", drop_reason_names[index(drop_reason::audit_full)]);
        line.put("count", flows);
    });
}

} // namespace tapioca
