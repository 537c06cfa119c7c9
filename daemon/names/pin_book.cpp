#include "daemon/names/pin_book.hpp"

#include <algorithm>
#include <bit>

namespace tapioca {
namespace {

constexpr std::size_t least_rows = 4096, most_rows = std::size_t{1} << 18;

duration time_of(std::uint32_t ttl) noexcept
{
    const duration lasts = std::chrono::seconds{ttl >> 31 != 0 ? 0 : ttl}; // RFC 2181 section 8
    return std::clamp<duration>(lasts, pin_book::least_ttl, pin_book::longest_ttl) + pin_book::behind_ttl;
}

} // namespace

pin_book::pin_book(siphash_key secret) : secret_(secret), table_(std::make_shared<pin_table>(least_rows, secret)) {}

/// Of a table that will be half empty at least when it is made anew the next time.
std::size_t pin_book::rows_for(const egress_policy& policy) const
{
    std::size_t rows = 0;
    for (const auto& [name, n] : names_)
        rows += n.addresses.size() * rules_that_allow(policy, name, true).size();
    return std::clamp(std::bit_ceil(4 * rows), least_rows, most_rows);
}

void pin_book::serve(egress_policy& policy, names_are rules, instant now)
{
    sweep(now);
    previous_.reset();
    auto before = std::exchange(table_, std::make_shared<pin_table>(rows_for(policy), secret_));
    policy.pins = table_;
    for (const auto& n : names_)
        for (const auto& h : n.second.addresses)
            (void)write(policy, n, h);
    if (rules == names_are::the_same) // in another policy the places of rules mean others
        previous_ = std::move(before);
}

bool pin_book::write(const egress_policy& policy, const entry& n, const held& h) const
{
    bool all = true;
    for (const auto rule : rules_that_allow(policy, n.first, h.is_public)) {
        const struct pin row {
            h.address, rule, n.second.number, h.until, table_->text_of(n.first)
        };
        all = table_->set(row) && all;
        if (previous_)
            all = previous_->set(row) && all;
    }
    return all;
}

void pin_book::end(const egress_policy& policy, const entry& n, held h) const
{
    h.until = instant{};
    (void)write(policy, n, h);
}

bool pin_book::pin(const egress_policy& policy, std::string_view name, const std::vector<pinned_address>& addresses, instant now)
{
    if (addresses.empty() || rules_that_allow(policy, name, true).empty())
        return true;
    auto& n = *names_.try_emplace(std::string{name}).first;
    if (n.second.number == 0)
        n.second.number = next_number_++;
    auto& own = n.second.addresses;
    bool all = true;
    for (const auto& a : addresses) {
        held h{a.address, a.is_public, now + time_of(a.ttl)};
        if (const auto known = std::ranges::find(own, a.address, &held::address); known != own.end()) {
            h.until = std::max(h.until, known->until);
            own.erase(known);
            --pins_;
        } else if (own.size() == most_addresses) {
            end(policy, n, own.front());
            own.pop_front();
            --pins_;
        }
        own.push_back(h);
        ++pins_;
        all = write(policy, n, h) && all;
    }
    make_room(policy, n.first);
    return all;
}

void pin_book::make_room(const egress_policy& policy, const std::string& but_for)
{
    const auto pinned_last = [&](const entry& n) {
        return n.first == but_for ? instant::max() : n.second.addresses.empty() ? instant{} : n.second.addresses.back().until;
    };
    while (names_.size() > most_names || (pins_ > most_pins && names_.size() > 1)) {
        const auto first = std::ranges::min_element(names_, {}, pinned_last);
        for (const auto& h : first->second.addresses)
            end(policy, *first, h);
        pins_ -= first->second.addresses.size();
        names_.erase(first);
    }
}

bool pin_book::has_ending_before(instant then) const noexcept
{
    return std::ranges::any_of(names_, [&](const entry& n) {
        return std::ranges::any_of(n.second.addresses, [&](const held& h) { return h.until < then; });
    });
}

void pin_book::prolong(const egress_policy& policy, const std::function<bool(const ip_address&)>& is_in_use, instant before,
                       instant until)
{
    for (auto& n : names_)
        for (auto& h : n.second.addresses)
            if (h.until < before && is_in_use(h.address)) {
                h.until = until;
                (void)write(policy, n, h);
            }
}

void pin_book::sweep(instant now)
{
    for (auto& n : names_)
        pins_ -= std::erase_if(n.second.addresses, [&](const held& h) { return h.until <= now; });
    std::erase_if(names_, [](const entry& n) { return n.second.addresses.empty(); });
}

std::vector<const pin_book::entry*> pin_book::names_behind(std::uint32_t number, std::size_t most) const
{
    std::vector<const entry*> later;
    for (const auto& n : names_)
        if (n.second.number > number)
            later.push_back(&n);
    const auto end = later.begin() + static_cast<std::ptrdiff_t>(std::min(most, later.size()));
    std::partial_sort(later.begin(), end, later.end(),
                      [](const entry* a, const entry* b) { return a->second.number < b->second.number; });
    later.erase(end, later.end());
    return later;
}

std::string_view pin_book::name_of(std::uint32_t number) const noexcept
{
    const auto n = std::ranges::find_if(names_, [&](const entry& e) { return e.second.number == number; });
    return n == names_.end() ? std::string_view{} : std::string_view{n->first};
}

} // namespace tapioca
