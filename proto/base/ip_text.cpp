#include "proto/base/ip_text.hpp"

namespace tapioca {
namespace {

constexpr std::size_t group_count = 8;

int hex_value(char c) noexcept
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// Takes a number of one to three digits from the front of `text`.
std::optional<octet> take_decimal(std::string_view& text) noexcept
{
    unsigned value = 0, digits = 0;
    for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; ++digits) {
        if (digits > 0 && value == 0)
            return std::nullopt; // a leading zero: octal to some, decimal to others
        value = 10 * value + static_cast<unsigned>(text.front() - '0');
        if (value > 255)
            return std::nullopt;
        text.remove_prefix(1);
    }
    return digits == 0 ? std::nullopt : std::optional{static_cast<octet>(value)};
}

std::optional<ipv4_octets> dotted_quad(std::string_view text) noexcept
{
    ipv4_octets octets{};
    for (std::size_t i = 0; i < octets.size(); ++i) {
        if (i > 0) {
            if (text.empty() || text.front() != '.')
                return std::nullopt;
            text.remove_prefix(1);
        }
        const auto value = take_decimal(text);
        if (!value)
            return std::nullopt;
        octets[i] = *value;
    }
    return text.empty() ? std::optional{octets} : std::nullopt;
}

/// The groups of an address while it is read; `gap` is where "::" stands.
struct groups {
    std::array<std::uint16_t, group_count> values{};
    std::size_t size = 0;
    std::optional<std::size_t> gap;

    bool add(unsigned value) noexcept
    {
        if (size == group_count)
            return false;
        values[size++] = static_cast<std::uint16_t>(value);
        return true;
    }
    /// The whole address: what stands behind the gap moves to the end.
    [[nodiscard]] std::optional<ip_address> whole() const noexcept
    {
        if (gap ? size == group_count : size != group_count)
            return std::nullopt;
        std::array<std::uint16_t, group_count> all{};
        const std::size_t before = gap.value_or(size);
        for (std::size_t i = 0; i < before; ++i)
            all[i] = values[i];
        for (std::size_t i = before; i < size; ++i)
            all[group_count - size + i] = values[i];
        return ip_address::v6(all);
    }
};

/// Takes one to four hexadecimal digits from the front of `text`.
bool take_group(std::string_view& text, groups& into) noexcept
{
    unsigned value = 0, digits = 0;
    for (; !text.empty() && hex_value(text.front()) >= 0; ++digits) {
        value = value << 4 | static_cast<unsigned>(hex_value(text.front()));
        text.remove_prefix(1);
    }
    return digits > 0 && digits <= 4 && into.add(value);
}

bool add_quad(const ipv4_octets& quad, groups& into) noexcept
{
    return into.add(unsigned{quad[0]} << 8 | quad[1]) && into.add(unsigned{quad[2]} << 8 | quad[3]);
}

std::optional<ip_address> ipv6_from_text(std::string_view text) noexcept
{
    groups read;
    if (text.starts_with("::")) {
        read.gap = 0;
        text.remove_prefix(2);
    }
    while (!text.empty()) {
        if (const auto quad = dotted_quad(text)) // RFC 4291 section 2.2, form 3: only as the end
            return add_quad(*quad, read) ? read.whole() : std::nullopt;
        if (!take_group(text, read))
            return std::nullopt;
        if (text.empty())
            break;
        if (text.front() != ':' || text.size() == 1)
            return std::nullopt;
        text.remove_prefix(1);
        if (text.front() == ':') {
            if (read.gap)
                return std::nullopt;
            read.gap = read.size;
            text.remove_prefix(1);
        }
    }
    return read.whole();
}

void append_decimal(ip_text& text, octet value) noexcept
{
    const std::array<char, 3> digits{static_cast<char>('0' + value / 100), static_cast<char>('0' + value / 10 % 10),
                                     static_cast<char>('0' + value % 10)};
    const std::size_t unused = value >= 100 ? 0 : value >= 10 ? 1 : 2;
    text.append({digits.data() + unused, digits.size() - unused});
}

void append_hex(ip_text& text, unsigned value) noexcept
{
    constexpr std::string_view digits = "0123456789abcdef";
    bool started = false;
    for (int shift = 12; shift >= 0; shift -= 4) {
        const unsigned digit = value >> shift & 15;
        started = started || digit != 0 || shift == 0;
        if (started)
            text.append({&digits[digit], 1});
    }
}

struct run {
    std::size_t first = 0, size = 0;
};

/// RFC 5952 section 4.2: the longest run of at least two zero groups, the first of equal ones.
run longest_zeros(const std::array<unsigned, group_count>& values) noexcept
{
    run best;
    for (std::size_t i = 0; i < group_count; ++i) {
        std::size_t size = 0;
        while (i + size < group_count && values[i + size] == 0)
            ++size;
        if (size >= 2 && size > best.size)
            best = {i, size};
    }
    return best;
}

} // namespace

std::optional<ip_address> ip_from_text(std::string_view text) noexcept
{
    if (const auto quad = dotted_quad(text))
        return ip_address{*quad};
    return ipv6_from_text(text);
}

ip_text text_of(const ip_address& address) noexcept
{
    ip_text text;
    if (address.is_v4()) {
        for (const octet o : address.v4_octets()) {
            if (!text.empty())
                text.append(".");
            append_decimal(text, o);
        }
        return text;
    }
    std::array<unsigned, group_count> values{};
    for (std::size_t i = 0; i < group_count; ++i)
        values[i] = unsigned{address.octets()[2 * i]} << 8 | address.octets()[2 * i + 1];
    const run zeros = longest_zeros(values);
    for (std::size_t i = 0; i < group_count; ++i) {
        if (zeros.size > 0 && i == zeros.first) {
            text.append("::");
            i += zeros.size - 1;
            continue;
        }
        if (i > 0 && i != zeros.first + zeros.size)
            text.append(":");
        append_hex(text, values[i]);
    }
    return text;
}

} // namespace tapioca
