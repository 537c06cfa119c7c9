// The one walk over type-length-value options. The template says what ends a list, what pads it, and what the length octet
// counts.
#pragma once

#include "proto/base/bytes.hpp"

#include <optional>

namespace tapioca::wire {

struct option {
    octet kind = 0;
    bytes_view value;
};

/// `Pad` and `End` are kinds of one octet without a length. `Counted` is how many octets the length counts besides the value: 2
/// for TCP (kind and length), 0 for DHCP. A list may end without `End`.
template <octet Pad, octet End, octet Counted>
class option_walk {
public:
    explicit option_walk(bytes_view options) noexcept : in_(options) {}

    /// The next option; nothing at the end; a drop_reason where an option contradicts its length.
    [[nodiscard]] std::optional<parsed<option>> next() noexcept
    {
        while (!in_.empty()) {
            const auto kind = *in_.take<octet>();
            if (kind == Pad)
                continue;
            if (kind == End)
                break;
            const auto length = in_.take<octet>();
            if (!length || *length < Counted)
                return drop_reason::bad_option;
            const auto value = in_.take(*length - std::size_t{Counted});
            if (!value)
                return drop_reason::bad_option;
            return option{kind, *value};
        }
        in_ = reader{{}};
        return std::nullopt;
    }

private:
    reader in_;
};

using tcp_options = option_walk<1, 0, 2>;    // RFC 9293 section 3.1: kind and length octets included
using dhcp_options = option_walk<0, 255, 0>; // RFC 2132 section 2: the value alone

} // namespace tapioca::wire
