#include "proto/wire/domain_name.hpp"

namespace tapioca::wire {
namespace {

constexpr octet pointer_mark = 0xc0; // RFC 1035 section 4.1.4: the two highest bits; the other fourteen are the offset

} // namespace

std::optional<encoded_name> encode_name(std::string_view text) noexcept
{
    if (!text.empty() && text.back() == '.')
        text.remove_suffix(1);
    if (text.empty())
        return std::nullopt;
    encoded_name name;
    writer out{name.octets};
    for (bool last = false; !last;) {
        const auto dot = text.find('.');
        last = dot == std::string_view::npos;
        const auto label = last ? text : text.substr(0, dot);
        if (label.empty() || label.size() > longest_label)
            return std::nullopt;
        out.put(static_cast<octet>(label.size()));
        out.put(bytes_view{reinterpret_cast<const octet*>(label.data()), label.size()});
        if (!last)
            text.remove_prefix(dot + 1);
    }
    out.put(octet{0});
    if (out.full())
        return std::nullopt;
    name.size = out.size();
    return name;
}

bool compressed_names::stands_at(std::size_t offset, bytes_view tail) const noexcept
{
    // Ends: a pointer leads to a smaller offset, everything else shortens `tail`, whose last octet is the root's zero.
    while (!tail.empty()) {
        const octet length = octets_[offset];
        if (length >= pointer_mark) {
            offset = octets_[offset + 1];
            continue;
        }
        const std::size_t span = std::size_t{length} + 1;
        if (tail.size() < span || std::memcmp(&octets_[offset], tail.data(), span) != 0)
            return false;
        offset += span;
        tail = tail.subspan(span);
    }
    return true;
}

std::optional<octet> compressed_names::find(bytes_view tail, std::size_t starts) const noexcept
{
    for (std::size_t i = 0; i < starts; ++i)
        if (stands_at(label_starts_[i], tail))
            return label_starts_[i];
    return std::nullopt;
}

bool compressed_names::add(const encoded_name& name) noexcept
{
    const auto starts_before = label_starts_;
    writer out{bytes_span{octets_}.subspan(size_)};
    for (auto tail = name.view(); !tail.empty();) {
        const std::size_t span = std::size_t{tail[0]} + 1;
        if (span == 1) {
            out.put(octet{0});
            break;
        }
        if (const auto earlier = find(tail, starts_before.size())) { // complete names only
            out.put(pointer_mark);
            out.put(*earlier);
            break;
        }
        label_starts_.push_back(static_cast<octet>(size_ + out.size()));
        out.put(tail.first(span));
        tail = tail.subspan(span);
    }
    if (out.full()) {
        label_starts_ = starts_before;
        return false;
    }
    size_ += out.size();
    return true;
}

} // namespace tapioca::wire
