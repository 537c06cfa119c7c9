#include "daemon/names/name_judge.hpp"

#include <algorithm>

namespace tapioca {
namespace {

namespace type = wire::dns_type;

/// Anything but addresses needs leave of its own.
bool may_ask_type(const egress_policy& policy, std::uint16_t asked) noexcept
{
    if (asked == type::a || asked == type::aaaa)
        return true;
    if (asked == type::https || asked == type::svcb) // they have addresses that we would have to pin, and keys of ECH
        return false;
    return std::ranges::find(policy.dns_types, asked) != policy.dns_types.end();
}

bool is_allowed_by(const egress_name_rule& rule, std::string_view name) noexcept
{
    return rule.action == egress_action::allow && speaks_of(rule, name);
}

/// Whether addresses need not be public.
bool takes_any_address(const egress_policy& policy, std::string_view name) noexcept
{
    const auto allows = [&](const egress_name_rule& r) { return is_allowed_by(r, name); };
    if (std::ranges::none_of(policy.names, allows))
        return policy.profile == egress_profile::open;
    return std::ranges::any_of(policy.names, [&](const auto& r) { return allows(r) && r.private_addresses; });
}

std::optional<ip_address> address_in(const wire::dns_reply& reply, const wire::dns_record& r) noexcept
{
    if (r.in_class != wire::dns_class_in)
        return std::nullopt;
    reader in{reply.message.subspan(r.data_at, r.data_size)};
    if (r.type == type::a)
        return ip_address{*in.take<ipv4_octets>()};
    if (r.type == type::aaaa)
        return ip_address{*in.take<ipv6_octets>()};
    return std::nullopt;
}

} // namespace

question_verdict judge_question(const egress_policy& policy, const wire::dns_question& question) noexcept
{
    using fate = question_verdict::fate;
    question_verdict v;
    if (question.in_class != wire::dns_class_in) {
        v.what = fate::refuse;
        return v;
    }
    const auto text = wire::text_of(question.name);
    v.denied = !text;
    if (!text)
        return v;
    v.name = *text;
    const auto said = judge_name(policy, v.name.view());
    v.denied = !said.may_ask;
    v.rule = said.rule;
    if (!v.denied || policy.mode == egress_mode::audit)
        v.what = may_ask_type(policy, question.type) ? fate::ask : fate::no_data;
    return v;
}

answer_judge::answer_judge(const egress_policy& policy, const host_places& host, const wire::dns_query& asked,
                           const wire::dns_reply& reply)
    : policy_(policy), host_(host), asked_(asked), reply_(reply)
{
    const auto name = wire::text_of(asked.question.name);
    any_address_ = policy.mode == egress_mode::audit || (name && takes_any_address(policy, name->view()));
    (void)chain_.push_back(wire::folded(asked.question.name));
    follow_aliases();
    judge_aliases();
    take_addresses();
}

bool answer_judge::is_in_chain(const wire::encoded_name& lower) const noexcept
{
    return std::ranges::any_of(chain_, [&](const auto& name) { return wire::same_octets(name, lower); });
}

/// Whatever the order of the records.
void answer_judge::follow_aliases()
{
    for (bool found = asked_.question.type != type::cname; found;) {
        found = false;
        wire::each_record(reply_, [&](const wire::dns_record& r, wire::dns_section section) {
            if (section != wire::dns_section::answer)
                return false;
            if (r.type != type::cname || !wire::same_octets(wire::folded(r.owner), chain_.back()))
                return true;
            const auto target = wire::folded(wire::target_of(reply_, r));
            found = !is_in_chain(target) && chain_.push_back(target);
            return false;
        });
    }
}

/// An alias that no rule speaks of is none of the policy's business: it is the name that was asked which is allowed.
void answer_judge::judge_aliases()
{
    for (std::size_t i = 1; i < chain_.size() && denied_alias_.size == 0; ++i)
        if (const auto text = wire::text_of(chain_[i])) {
            const auto said = judge_name(policy_, text->view());
            if (!said.may_ask && said.rule)
                denied_alias_ = *text;
        }
}

bool answer_judge::is_kept(const ip_address& address) const noexcept
{
    return any_address_ || classes_of(host_, address).empty();
}

void answer_judge::take_addresses()
{
    wire::each_record(reply_, [&](const wire::dns_record& r, wire::dns_section section) {
        if (section != wire::dns_section::answer)
            return false;
        const auto address = r.type == asked_.question.type ? address_in(reply_, r) : std::nullopt;
        if (!address || !wire::same_octets(wire::folded(r.owner), chain_.back()))
            return true;
        if (!is_kept(*address))
            ++taken_out_;
        else if (addresses_.empty() || std::ranges::find(addresses_, *address, &pinned_address::address) == addresses_.end())
            addresses_.push_back({*address, classes_of(host_, *address).empty(), r.ttl});
        return true;
    });
}

/// Records beside the answer to the question are left out.
bool answer_judge::is_told(const wire::dns_record& r) const noexcept
{
    const auto owner = wire::folded(r.owner);
    if (r.type == type::cname && asked_.question.type != type::cname)
        return is_in_chain(owner);
    const auto address = address_in(reply_, r);
    return r.type == asked_.question.type && wire::same_octets(owner, chain_.back()) && (!address || is_kept(*address));
}

std::size_t answer_judge::write(bytes_span into) const
{
    if (policy_.mode == egress_mode::enforce && denied_alias_.size != 0)
        return wire::make_denial(asked_, wire::rcode::name_error, into);
    wire::dns_answer answer{asked_, reply_.rcode, into};
    bool has_data = false;
    wire::each_record(reply_, [&](const wire::dns_record& r, wire::dns_section section) {
        if (section == wire::dns_section::answer && is_told(r)) {
            answer.add(reply_, r, section);
            has_data = has_data || r.type == asked_.question.type;
        } else if (section == wire::dns_section::authority && !has_data && r.type == type::soa) { // for how long there is nothing
            answer.add(reply_, r, section);
            return false;
        }
        return section != wire::dns_section::additional;
    });
    return answer.finish(taken_out_ != 0 ? wire::extended_error::blocked : wire::extended_error::none);
}

std::vector<std::uint16_t> rules_that_allow(const egress_policy& policy, std::string_view name, bool is_public)
{
    std::vector<std::uint16_t> rules;
    for (std::size_t i = 0; i < policy.names.size(); ++i)
        if (is_allowed_by(policy.names[i], name) && (is_public || policy.names[i].private_addresses))
            rules.push_back(static_cast<std::uint16_t>(i));
    return rules;
}

} // namespace tapioca
