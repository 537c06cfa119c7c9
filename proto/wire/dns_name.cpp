#include "proto/wire/dns_name.hpp"

#include <algorithm>

namespace tapioca::wire {
namespace {

constexpr octet pointer_mark = 0xc0;

constexpr octet in_lower_case(octet o) noexcept { return o >= 'A' && o <= 'Z' ? static_cast<octet>(o + ('a' - 'A')) : o; }

constexpr bool is_of_a_host(octet o) noexcept { return (o >= 'a' && o <= 'z') || (o >= '0' && o <= '9') || o == '-' || o == '_'; }

} // namespace

parsed<encoded_name> take_dns_name(bytes_view message, std::size_t& at) noexcept
{
    encoded_name name;
    writer out{name.octets};
    std::size_t begins = at, place = at; // of the part that is read
    bool has_jumped = false;
    for (;;) {
        if (place >= message.size())
            return drop_reason::truncated;
        reader in{message.subspan(place)};
        const auto length = TAPIOCA_TRY(in.take<octet>());
        if (length >= pointer_mark) {
            const auto low = TAPIOCA_TRY(in.take<octet>());
            const std::size_t to = static_cast<std::size_t>(length & ~pointer_mark) << 8 | low;
            if (to >= begins)
                return drop_reason::bad_option;
            if (!has_jumped)
                at = place + 2;
            has_jumped = true;
            begins = place = to;
            continue;
        }
        if (length > longest_label)
            return drop_reason::bad_option;
        const auto label = in.take(length);
        if (!label)
            return label.why();
        out.put(length);
        out.put(*label);
        if (out.full())
            return drop_reason::bad_length;
        place += 1U + length;
        if (length == 0)
            break;
    }
    if (!has_jumped)
        at = place;
    name.size = out.size();
    return name;
}

encoded_name folded(const encoded_name& name) noexcept
{
    auto lower = name; // octets that count a label's are below the letters
    std::transform(lower.octets.begin(), lower.octets.begin() + static_cast<std::ptrdiff_t>(lower.size), lower.octets.begin(),
                   in_lower_case);
    return lower;
}

bool same_octets(const encoded_name& a, const encoded_name& b) noexcept
{
    return std::equal(a.octets.begin(), a.octets.begin() + static_cast<std::ptrdiff_t>(a.size), b.octets.begin(),
                      b.octets.begin() + static_cast<std::ptrdiff_t>(b.size));
}

std::optional<name_text> text_of(const encoded_name& name) noexcept
{
    if (name.size < 2)
        return std::nullopt;
    name_text text;
    for (std::size_t at = 0; name.octets[at] != 0; at += 1U + name.octets[at]) {
        if (at != 0)
            text.letters[text.size++] = '.';
        for (std::size_t i = 1; i <= name.octets[at]; ++i) {
            const auto o = in_lower_case(name.octets[at + i]);
            if (!is_of_a_host(o))
                return std::nullopt;
            text.letters[text.size++] = static_cast<char>(o);
        }
    }
    return text;
}

} // namespace tapioca::wire
