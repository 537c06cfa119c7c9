#include "daemon/translate/name_queries.hpp"

#include <algorithm>

namespace tapioca {

void name_query::note_asked(const ip_address& resolver) noexcept
{
    if (was_asked(resolver))
        return;
    if (asked.full())
        asked.erase(0);
    asked.push_back(resolver);
}

bool name_query::was_asked(const ip_address& resolver) const noexcept
{
    return std::find(asked.begin(), asked.end(), resolver) != asked.end();
}

name_queries::name_queries()
    : slot_memory_(most * sizeof(name_query)), payload_memory_(most * longest), slots_(slot_memory_.as<name_query>())
{
    for (std::size_t i = most; i-- != 0;)
        free_.push_back(static_cast<std::uint8_t>(i));
}

name_query* name_queries::insert(flow_id flow, std::uint32_t port, const wire::dns_message& m, bytes_view payload) noexcept
{
    if (payload.size() > longest || free_.empty())
        return nullptr;
    const auto slot = free_.back();
    free_.pop_back();
    auto& q = slots_[slot];
    q = {};
    q.flow = flow;
    q.port = port;
    q.id = m.id;
    q.length = static_cast<std::uint16_t>(payload.size());
    q.at = static_cast<std::uint8_t>(waiting_.size());
    q.due = instant::max();
    waiting_.push_back(slot);
    std::copy(payload.begin(), payload.end(), payload_memory_.as<octet>().begin() + static_cast<std::ptrdiff_t>(slot * longest));
    return &q;
}

bytes_view name_queries::payload_of(const name_query& q) const noexcept
{
    return payload_memory_.as<octet>().subspan(slot_of(q) * longest, q.length);
}

name_query* name_queries::find(flow_id flow, std::uint16_t id) noexcept
{
    for (const auto slot : waiting_)
        if (auto& q = slots_[slot]; q.id == id && q.flow == flow)
            return &q;
    return nullptr;
}

name_query* name_queries::find(std::uint32_t port, const ip_address& resolver, const wire::dns_message& answer) noexcept
{
    for (const auto slot : waiting_) {
        auto& q = slots_[slot];
        if (q.id != answer.id || q.port != port || !q.was_asked(resolver))
            continue;
        if (const auto query = wire::parse_dns(payload_of(q)); query && wire::may_answer(answer, *query))
            return &q;
    }
    return nullptr;
}

void name_queries::erase(name_query& q) noexcept
{
    const auto slot = waiting_[q.at];
    waiting_[q.at] = waiting_.back();
    slots_[waiting_[q.at]].at = q.at;
    waiting_.pop_back();
    free_.push_back(slot);
    if (q.due <= next_)
        find_next();
}

void name_queries::forget(flow_id flow) noexcept
{
    each([&](name_query& q) {
        if (q.flow == flow)
            erase(q);
    });
}

void name_queries::set_due(name_query& q, instant due) noexcept
{
    const bool was_next = q.due <= next_;
    q.due = due;
    if (was_next)
        find_next();
    else
        next_ = std::min(next_, due);
}

void name_queries::find_next() noexcept
{
    next_ = instant::max();
    for (const auto slot : waiting_)
        next_ = std::min(next_, slots_[slot].due);
}

} // namespace tapioca
