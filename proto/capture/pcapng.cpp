#include "proto/capture/pcapng.hpp"

#include <array>
#include <bit>

namespace tapioca::pcapng {
namespace {

enum class block : std::uint32_t {
    interface_description = 1,
    interface_statistics = 5,
    enhanced_packet = 6,
    section_header = 0x0a0d0d0a
};

constexpr std::uint16_t end_of_options = 0, comment = 1;  // of any block
constexpr std::uint16_t shb_userappl = 4;                 // section header
constexpr std::uint16_t if_name = 2, if_tsresol = 9;      // interface description
constexpr std::uint16_t epb_flags = 2, epb_dropcount = 4; // enhanced packet
constexpr std::uint16_t isb_ifrecv = 4, isb_ifdrop = 5;   // interface statistics

constexpr std::uint32_t byte_order_magic = 0x1a2b3c4d;
constexpr std::uint16_t link_type_ethernet = 1;
constexpr octet nanoseconds = 9; // 10 to the power of minus this

constexpr std::size_t padding_of(std::size_t length) noexcept { return (4 - length % 4) % 4; }

/// One block, whose length is known when it is whole: it stands at both its ends.
class block_writer {
public:
    block_writer(bytes_span into, block type) noexcept : out_(into)
    {
        put(static_cast<std::uint32_t>(type));
        length_ = out_.skip(sizeof(std::uint32_t));
    }

    template <class Number>
    void put(Number value) noexcept
    {
        out_.put(std::bit_cast<std::array<octet, sizeof value>>(value));
    }
    void put_padded(bytes_view octets) noexcept
    {
        out_.put(octets);
        out_.fill(padding_of(octets.size()));
    }
    void put_padded(const scattered_view& octets) noexcept
    {
        octets.each(0, octets.octets, [this](bytes_view part) { out_.put(part); });
        out_.fill(padding_of(octets.octets));
    }
    void put_time(duration since_1970) noexcept
    {
        const auto time = static_cast<std::uint64_t>(since_1970.count());
        put(static_cast<std::uint32_t>(time >> 32));
        put(static_cast<std::uint32_t>(time));
    }

    void option(std::uint16_t code, bytes_view value) noexcept
    {
        put(code);
        put(static_cast<std::uint16_t>(value.size()));
        put_padded(value);
        has_options_ = true;
    }
    void option(std::uint16_t code, std::string_view text, std::size_t longest) noexcept
    {
        const auto kept = text.substr(0, longest);
        option(code, bytes_view{reinterpret_cast<const octet*>(kept.data()), kept.size()});
    }
    template <class Number>
    void option_number(std::uint16_t code, Number value) noexcept
    {
        option(code, std::bit_cast<std::array<octet, sizeof value>>(value));
    }

    /// The octets of the whole block; 0: there was no room.
    [[nodiscard]] std::size_t end() noexcept
    {
        if (has_options_) {
            put(end_of_options);
            put(std::uint16_t{0});
        }
        const auto length = static_cast<std::uint32_t>(out_.size() + sizeof(std::uint32_t));
        put(length);
        if (out_.full())
            return 0;
        std::memcpy(length_.data(), &length, sizeof length);
        return length;
    }

private:
    writer out_;
    bytes_span length_;
    bool has_options_ = false;
};

} // namespace

std::size_t write_beginning(bytes_span into, std::string_view program, std::string_view interface,
                            std::uint32_t snapshot) noexcept
{
    block_writer section{into, block::section_header};
    section.put(byte_order_magic);
    section.put(std::uint16_t{1}); // version 1.0
    section.put(std::uint16_t{0});
    section.put(~std::uint64_t{0}); // the section's length is not known
    section.option(shb_userappl, program, longest_name);
    const auto first = section.end();
    if (first == 0)
        return 0;
    block_writer link{into.subspan(first), block::interface_description};
    link.put(link_type_ethernet);
    link.put(std::uint16_t{0});
    link.put(snapshot);
    link.option(if_name, interface, longest_name);
    link.option_number(if_tsresol, nanoseconds);
    const auto second = link.end();
    return second == 0 ? 0 : first + second;
}

std::size_t write_frame(bytes_span into, const frame_record& frame) noexcept
{
    block_writer out{into, block::enhanced_packet};
    out.put(std::uint32_t{0}); // the interface
    out.put_time(frame.since_1970);
    out.put(static_cast<std::uint32_t>(frame.octets.octets));
    out.put(static_cast<std::uint32_t>(frame.length));
    out.put_padded(frame.octets);
    out.option_number(epb_flags, static_cast<std::uint32_t>(frame.way));
    if (frame.lost != 0)
        out.option_number(epb_dropcount, frame.lost);
    if (!frame.comment.empty())
        out.option(comment, frame.comment, longest_comment);
    return out.end();
}

std::size_t write_statistics(bytes_span into, duration since_1970, std::uint64_t wanted, std::uint64_t lost) noexcept
{
    block_writer out{into, block::interface_statistics};
    out.put(std::uint32_t{0}); // the interface
    out.put_time(since_1970);
    out.option_number(isb_ifrecv, wanted);
    out.option_number(isb_ifdrop, lost);
    return out.end();
}

} // namespace tapioca::pcapng
