#include "proto/wire/tcp.hpp"

#include "proto/base/checksum.hpp"
#include "proto/wire/options.hpp"

namespace tapioca::wire {
namespace {

/// Fills in what the options of a SYN say. True, or why they contradict themselves.
parsed<bool> take_syn_options(bytes_view options, tcp_segment& s) noexcept
{
    tcp_options walk{options};
    for (auto next = walk.next(); next; next = walk.next()) {
        const auto o = TAPIOCA_TRY(*next);
        reader value{o.value};
        if (o.kind == tcp_option_mss) {
            if (value.size() != sizeof(be16))
                return drop_reason::bad_option;
            if (const std::uint16_t mss = *value.take<be16>(); mss != 0)
                s.mss = mss;
        } else if (o.kind == tcp_option_window_scale) {
            if (value.size() != sizeof(octet))
                return drop_reason::bad_option;
            const auto scale = *value.take<octet>();
            s.window_scale = scale < most_window_scale ? scale : most_window_scale;
        }
    }
    return true;
}

} // namespace

parsed<tcp_segment> parse_tcp(bytes_view l4, const scattered_view& beyond) noexcept
{
    reader in{l4};
    const auto h = TAPIOCA_TRY(in.take<tcp_header>());
    const std::size_t header_length = (std::size_t{h.data_offset} >> 4) * 4;
    if (header_length < sizeof h || header_length > l4.size())
        return drop_reason::bad_header_length;

    tcp_segment s;
    s.source_port = h.source_port;
    s.destination_port = h.destination_port;
    s.seq = seq_number{h.sequence};
    s.ack = seq_number{h.acknowledgment};
    s.window = h.window;
    s.flags = h.flags;
    s.header_length = static_cast<octet>(header_length);
    const auto options = TAPIOCA_TRY(in.take(header_length - sizeof h));
    if ((h.flags & tcp_syn) != 0 && !options.empty())
        (void)TAPIOCA_TRY(take_syn_options(options, s));
    s.payload = in.rest();
    s.beyond = beyond;
    return s;
}

tcp_header make_tcp(const tcp_fields& f, std::size_t options_length) noexcept
{
    tcp_header h{};
    h.source_port = f.source_port;
    h.destination_port = f.destination_port;
    h.sequence = f.seq.value();
    h.acknowledgment = f.ack.value();
    h.data_offset = static_cast<octet>((sizeof h + options_length) / 4 << 4U);
    h.flags = f.flags;
    h.window = f.window;
    return h;
}

void put_syn_options(writer& out, std::uint16_t mss, std::optional<octet> window_scale) noexcept
{
    out.put(octet{tcp_option_mss});
    out.put(octet{4});
    out.put(be16{mss});
    if (!window_scale)
        return;
    out.put(octet{1}); // no-operation, so that the list ends on a word
    out.put(octet{tcp_option_window_scale});
    out.put(octet{3});
    out.put(*window_scale);
}

std::uint16_t tcp_checksum(const ip_address& source, const ip_address& destination, bytes_view segment) noexcept
{
    const auto length = static_cast<std::uint32_t>(segment.size());
    return checksum_of(pseudo_header_sum(source, destination, protocol_tcp, length) + ones_sum(segment));
}

} // namespace tapioca::wire
