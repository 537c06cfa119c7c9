#include "proto/migrate/exchange.hpp"

namespace tapioca::migrate {

void put_text(writer& to, std::string_view text) noexcept
{
    to.put(be16{static_cast<std::uint16_t>(text.size())});
    to.put(bytes_view{reinterpret_cast<const octet*>(text.data()), text.size()});
}

parsed<std::string_view> take_text(reader& from) noexcept
{
    const auto length = from.take<be16>();
    if (!length)
        return length.why();
    const auto octets = from.take(std::size_t{*length});
    if (!octets)
        return octets.why();
    return std::string_view{reinterpret_cast<const char*>(octets->data()), octets->size()};
}

parsed<parts_header> read_parts(reader& from) noexcept
{
    const auto h = from.take<parts_header>();
    if (!h)
        return h.why();
    if (h->version != format_version)
        return drop_reason::bad_version;
    constexpr std::uint16_t most_queues = 64, most_rules = forward_rules::capacity();
    if (h->link == static_cast<octet>(link_kind::none) || h->link >= static_cast<octet>(link_kind::count_) ||
        h->queues > most_queues || h->host_rules > most_rules || h->guest_rules > most_rules)
        return drop_reason::bad_type;
    return *h;
}

parsed<state_header> read_state(reader& from) noexcept
{
    const auto h = from.take<state_header>();
    if (!h)
        return h.why();
    if (h->magic != state_magic)
        return drop_reason::bad_type;
    if (h->version != format_version)
        return drop_reason::bad_version;
    return *h;
}

parsed<message_header> read_message(reader& from) noexcept
{
    const auto h = from.take<message_header>();
    if (!h)
        return h.why();
    if (h->octets > longest_message)
        return drop_reason::bad_length;
    return *h;
}

} // namespace tapioca::migrate
