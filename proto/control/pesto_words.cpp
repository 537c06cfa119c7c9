#include "proto/control/pesto.hpp"

#include "proto/base/ip_text.hpp"

namespace tapioca::pesto {
namespace {

constexpr std::size_t longest_number = 10;

void append(refusal_text& text, std::uint32_t number, unsigned base = 10) noexcept
{
    std::array<char, longest_number> digits{};
    std::size_t at = digits.size();
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    text.append({digits.data() + at, digits.size() - at});
}

/// What stands before the number and behind it; a mark of zero for a fault without a number.
struct words {
    std::string_view before, after;
    unsigned base = 0;
};

words words_of(fault why) noexcept
{
    switch (why) {
    case fault::magic:
        return {"Bad magic number from server", {}};
    case fault::version:
        return {"Unknown server protocol version ", {}, 10};
    case fault::experimental:
        return {"Unsupported experimental server protocol", {}};
    case fault::name_size:
        return {"Server has unexpected pif name size (", " not 128)", 10};
    case fault::interface_size:
        return {"Server has unexpected IFNAMSIZ (", " not 16)", 10};
    case fault::too_many_pifs:
        return {"passt has more pifs than pesto can manage (max ", ")", 10};
    case fault::repeated_pif:
        return {"Received duplicate interface identifier", {}};
    case fault::unknown_pif:
        return {"Received rules for non-existent table", {}};
    case fault::pif_name:
        return {"Interface name was not NULL terminated", {}};
    case fault::too_many_rules:
        return {"Received ", " rules (maximum 255)", 10};
    case fault::interface_unterminated:
        return {"Interface name was not NULL terminated", {}};
    case fault::interface_characters:
        return {"Rule has an invalid interface name", {}};
    case fault::port_zero:
        return {"Forwarding rule attempts to map from port 0", {}};
    case fault::reversed_range:
        return {"Rule has invalid port range ", {}};
    case fault::target_range:
        return {"Forwarding rule attempts to map to port 0", {}};
    case fault::protocol:
        return {"Unsupported protocol 0x", " for forwarding rule", 16};
    case fault::flags:
        return {"Rule has invalid flags 0x", {}, 16};
    case fault::dual_address:
        return {"Dual stack rule has non-wildcard address ", {}};
    case fault::other_family:
        return {"Rule has an address of another family: ", {}};
    }
    return {};
}

} // namespace

refusal_text text_of(const refusal& refused) noexcept
{
    const auto [before, after, base] = words_of(refused.why);
    refusal_text text;
    text.append(before);
    if (base != 0)
        append(text, refused.value, base);
    text.append(after);
    if (refused.why == fault::version) {
        text.append(refused.value > protocol_version ? " > " : " < ");
        append(text, protocol_version);
    } else if (refused.why == fault::reversed_range) {
        append(text, refused.rule.first);
        text.append("-");
        append(text, refused.rule.last);
    } else if (refused.why == fault::dual_address || refused.why == fault::other_family) {
        text.append(text_of(refused.rule.address).view());
    }
    return text;
}

} // namespace tapioca::pesto
