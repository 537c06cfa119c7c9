#include "proto/migrate/link_state.hpp"

namespace tapioca::migrate {

parsed<link_state> read_link(bytes_view octets) noexcept
{
    reader from{octets};
    const auto h = from.take<link_header>();
    if (!h)
        return h.why();
    if (h->version != format_version)
        return drop_reason::bad_version;
    if (h->client > 1 ||
        (h->link != static_cast<octet>(link_kind::stream) && h->link != static_cast<octet>(link_kind::vhost_user)))
        return drop_reason::bad_type;
    const std::uint64_t said = h->said, from_guest = h->from_guest, to_guest = h->to_guest;
    if (said + from_guest + to_guest != from.size() || (h->client == 0 && !from.empty()))
        return drop_reason::bad_length;
    const auto octets_of_state = from.rest();
    return link_state{static_cast<link_kind>(h->link), h->client == 1, octets_of_state.first(said),
                      octets_of_state.subspan(said, from_guest), octets_of_state.last(to_guest)};
}

void put_said(writer& to, vhost::request what, bytes_view payload, std::size_t descriptors) noexcept
{
    const vhost::message_header header{what, vhost::version, static_cast<std::uint32_t>(payload.size())};
    to.put(static_cast<octet>(descriptors));
    to.put(bytes_view{reinterpret_cast<const octet*>(&header), sizeof header});
    to.put(payload);
}

parsed<vhost::message> take_said(reader& from) noexcept
{
    const auto descriptors = from.take<octet>();
    const auto beginning = from.take(sizeof(vhost::message_header));
    if (!descriptors || !beginning)
        return drop_reason::truncated;
    vhost::message m;
    std::memcpy(static_cast<void*>(&m.header), beginning->data(), sizeof m.header);
    if (m.header.size > vhost::longest_payload || *descriptors > vhost::most_descriptors || m.header.flags != vhost::version)
        return drop_reason::bad_length;
    const auto payload = from.take(std::size_t{m.header.size});
    if (!payload)
        return payload.why();
    m.payload = *payload;
    m.descriptors = *descriptors;
    return m;
}

} // namespace tapioca::migrate
