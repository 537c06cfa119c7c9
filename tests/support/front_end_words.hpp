// Messages of a vhost-user front-end as octets.
#pragma once

#include "proto/vhost/message.hpp"
#include "tests/support/octets.hpp"

namespace tapioca::test {

/// A message that owns its payload.
struct front_end_word {
    vhost::message_header header;
    octets payload;
    std::size_t descriptors = 0;

    [[nodiscard]] vhost::message as_message() const { return {header, payload, descriptors}; }
};

template <class T>
octets raw(const T& value)
{
    const auto* const at = reinterpret_cast<const octet*>(&value);
    return {at, at + sizeof value};
}

inline front_end_word word_of(vhost::request what, octets payload = {}, std::size_t descriptors = 0,
                              std::uint32_t flags = vhost::version)
{
    return {{what, flags, static_cast<std::uint32_t>(payload.size())}, std::move(payload), descriptors};
}

/// One whose payload is a number, as of features, or of a ring and whether a descriptor comes with it.
inline front_end_word number_word(vhost::request what, std::uint64_t number, std::size_t descriptors = 0)
{
    return word_of(what, raw(number), descriptors);
}
inline front_end_word state_word(vhost::request what, std::uint32_t ring, std::uint32_t number)
{
    return word_of(what, raw(vhost::ring_state{ring, number}));
}
inline front_end_word address_word(const vhost::ring_address& a) { return word_of(vhost::request::set_vring_addr, raw(a)); }

inline front_end_word table_word(std::initializer_list<vhost::region> regions)
{
    auto payload = raw(std::uint64_t{regions.size()});
    for (const auto& r : regions)
        payload = payload + raw(r);
    return word_of(vhost::request::set_mem_table, payload, regions.size());
}
inline front_end_word region_word(vhost::request what, const vhost::region& r, std::size_t descriptors)
{
    return word_of(what, raw(std::uint64_t{0}) + raw(r), descriptors);
}

} // namespace tapioca::test
