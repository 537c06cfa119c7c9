#include "proto/control/pesto.hpp"

#include "proto/control/pesto_field.hpp"

namespace tapioca::pesto {
namespace {

constexpr std::array<octet, 8> greeting_magic{'b', 'a', 's', 'i', 'l', ':', 's', 0};
constexpr octet end_of_message = 0;

std::optional<refusal> put_rules(writer& out, const forward_rules& rules) noexcept
{
    for (const forward_rule& rule : rules) {
        wire::rule on_wire{};
        if (auto refused = to_wire(rule, on_wire))
            return refused;
        out.put(on_wire);
    }
    return std::nullopt;
}

/// Whether two rules are parts of what one specifier left of all ports, which fails only as a whole. The wire does not say so.
bool continues(const forward_rule& before, const forward_rule& rule) noexcept
{
    return before.best_effort && rule.best_effort && before.scan == rule.scan && before.protocol == rule.protocol &&
           before.stack == rule.stack && before.address == rule.address && before.target == rule.target &&
           before.interface.view() == rule.interface.view() && before.last < rule.first;
}

/// An id of zero would end the message.
std::optional<refusal> fault_of_id(const pif& of) noexcept
{
    return of.id == end_of_message ? std::optional{refusal{fault::unknown_pif, of.id, {}}} : std::nullopt;
}

} // namespace

std::optional<refusal> put_greeting(writer& out, const pif_list& pifs) noexcept
{
    out.put(wire::greeting{greeting_magic, protocol_version, sizeof(wire::pif_head::name), sizeof(wire::rule::interface)});
    for (const pif& each : pifs) {
        if (auto refused = fault_of_id(each))
            return refused;
        wire::pif_head head{{}, each.capabilities, static_cast<std::uint32_t>(each.rules.size())};
        std::ranges::copy(each.name.view(), head.name.begin());
        out.put(each.id);
        out.put(head);
        if (auto refused = put_rules(out, each.rules))
            return refused;
    }
    out.put(end_of_message);
    return std::nullopt;
}

std::optional<refusal> put_tables(writer& out, const pif_list& pifs) noexcept
{
    for (const pif& each : pifs) {
        if (auto refused = fault_of_id(each))
            return refused;
        out.put(each.id);
        out.put(be32{static_cast<std::uint32_t>(each.rules.size())});
        if (auto refused = put_rules(out, each.rules))
            return refused;
    }
    out.put(end_of_message);
    return std::nullopt;
}

decoder::decoder(message expected, pif_list& pifs) noexcept
    : pifs_(pifs), message_(expected), next_(expected == message::greeting ? part::greeting : part::id)
{
    if (expected == message::greeting)
        pifs_.clear();
    for (pif& each : pifs_)
        each.rules.clear();
}

std::size_t decoder::take(bytes_view octets) noexcept
{
    std::size_t taken = 0;
    while (state_ == state::unfinished && taken < octets.size()) {
        const std::size_t size = size_of_part();
        const auto piece = octets.subspan(taken, std::min(size - have_, octets.size() - taken));
        std::ranges::copy(piece, collected_.begin() + static_cast<std::ptrdiff_t>(have_));
        taken += piece.size();
        have_ += piece.size();
        if (have_ < size)
            break;
        have_ = 0;
        take_part();
    }
    return taken;
}

std::size_t decoder::size_of_part() const noexcept
{
    switch (next_) {
    case part::greeting:
        return sizeof(wire::greeting);
    case part::id:
        return sizeof(octet);
    case part::pif_head:
        return sizeof(wire::pif_head);
    case part::rule_count:
        return sizeof(be32);
    case part::rule:
        return sizeof(wire::rule);
    }
    return 0;
}

void decoder::take_part() noexcept
{
    switch (next_) {
    case part::greeting:
        return take_greeting();
    case part::id:
        return take_id(collected_[0]);
    case part::pif_head:
        return take_pif_head();
    case part::rule_count:
        return take_rule_count(part_as<be32>());
    case part::rule:
        return take_rule();
    }
}

void decoder::take_greeting() noexcept
{
    const auto greeting = part_as<wire::greeting>();
    if (greeting.magic != greeting_magic)
        return refuse(fault::magic);
    if (greeting.version == 0)
        return refuse(fault::experimental);
    if (greeting.version != protocol_version)
        return refuse(fault::version, greeting.version);
    if (greeting.name_size != sizeof(wire::pif_head::name))
        return refuse(fault::name_size, greeting.name_size);
    if (greeting.interface_size != sizeof(wire::rule::interface))
        return refuse(fault::interface_size, greeting.interface_size);
    next_ = part::id;
}

void decoder::take_id(octet id) noexcept
{
    if (id == end_of_message) {
        state_ = state::complete;
        return;
    }
    pif_ = 0;
    while (pif_ < pifs_.size() && pifs_[pif_].id != id)
        ++pif_;
    const bool known = pif_ < pifs_.size();
    if (message_ == message::tables) {
        next_ = part::rule_count;
        return known ? void() : refuse(fault::unknown_pif, id);
    }
    if (known)
        return refuse(fault::repeated_pif, id);
    if (!pifs_.push_back({}))
        return refuse(fault::too_many_pifs, static_cast<std::uint32_t>(pif_list::capacity()));
    pifs_.back().id = id;
    next_ = part::pif_head;
}

void decoder::take_pif_head() noexcept
{
    const auto head = part_as<wire::pif_head>();
    const auto name = terminated_text(head.name);
    if (!name || !can_be_shown(*name))
        return refuse(fault::pif_name);
    pifs_[pif_].name.assign(*name);
    pifs_[pif_].capabilities = head.capabilities;
    take_rule_count(head.rule_count);
}

void decoder::take_rule_count(std::uint32_t count) noexcept
{
    if (count > forward_rules::capacity() - pifs_[pif_].rules.size())
        return refuse(fault::too_many_rules, count);
    rules_due_ = count;
    next_ = count == 0 ? part::id : part::rule;
}

void decoder::take_rule() noexcept
{
    forward_rule rule;
    if (const auto refused = from_wire(part_as<wire::rule>(), rule)) {
        refusal_ = *refused;
        state_ = state::refused;
        return;
    }
    auto& rules = pifs_[pif_].rules;
    rule.group = !rules.empty() && continues(rules.back(), rule) ? rules.back().group : static_cast<std::uint8_t>(rules.size());
    rules.push_back(rule);
    if (--rules_due_ == 0)
        next_ = part::id;
}

void decoder::refuse(fault why, std::uint32_t value) noexcept
{
    refusal_ = {why, value, {}};
    state_ = state::refused;
}

} // namespace tapioca::pesto
