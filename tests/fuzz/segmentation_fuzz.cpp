// Super-frames as the translators make them, cut for a back-end that takes none: every frame must be valid, none larger than the
// segment size allows, and together they must carry the payload octet for octet.
//
// The first octets say family, protocol, segment size and ports; the rest is the payload, repeated to the length that is asked.
#include "proto/base/checksum.hpp"
#include "proto/frame/classify.hpp"
#include "proto/frame/emit.hpp"
#include "proto/frame/segmentation.hpp"
#include "proto/wire/tcp.hpp"
#include "proto/wire/udp.hpp"
#include "tests/support/fuzz.hpp"

#include <vector>

using namespace tapioca;

namespace {

struct shape {
    octet what; ///< family, protocol, whether octets are summed with vectors
    octet flags;
    be16 segment, length;
    be16 guest_port, remote_port;
    be32 sequence;
};
static_assert(sizeof(shape) == 14 && wire_header<shape>);

constexpr std::size_t most_frames = 512; ///< of one input

constexpr link_ends link{mac_address{{2, 0, 0, 0, 0, 1}}, mac_address{{2, 0, 0, 0, 0, 2}}};

flow_key key_of(const shape& s, bool v4, octet protocol)
{
    const auto guest = v4 ? ip_address::v4(10, 0, 2, 15) : ip_address::v6({0xfd00, 0, 0, 0, 0, 0, 0, 0xf});
    const auto remote = v4 ? ip_address::v4(203, 0, 113, 9) : ip_address::v6({0x2001, 0xdb8, 9, 0, 0, 0, 0, 9});
    return {guest, remote, s.guest_port, s.remote_port, protocol};
}

std::vector<octet> payload_of(const shape& s, bytes_view pattern, std::size_t most)
{
    std::vector<octet> payload(std::min<std::size_t>(s.length, most));
    for (std::size_t i = 0; i < payload.size(); ++i)
        payload[i] = static_cast<octet>(pattern.empty() ? i : pattern[i % pattern.size()] + (i >> 8));
    return payload;
}

/// A checksum field belongs to what it covers: the sum over all of it is zero.
bool sums_up(const packet& p, octet protocol)
{
    return checksum_of(pseudo_header_sum(p.source, p.destination, protocol, static_cast<std::uint32_t>(p.l4.size())) +
                       ones_sum(p.l4)) == 0;
}

class receiver {
public:
    receiver(const shape& s, const flow_key& key, std::size_t total, std::size_t segment)
        : shape_(s), key_(key), total_(total), segment_(segment)
    {
    }

    void take(bytes_view frame)
    {
        const auto p = classify(frame);
        FUZZ_CHECK(p && p->source == key_.remote && p->destination == key_.guest);
        FUZZ_CHECK(p->l4.data() + p->l4.size() == frame.data() + frame.size());
        if (key_.remote.is_v4())
            FUZZ_CHECK(checksum_of(ones_sum(p->l3.first(20))) == 0);
        FUZZ_CHECK(sums_up(*p, key_.protocol));
        const auto payload = key_.protocol == wire::protocol_tcp ? from_tcp(*p) : from_udp(*p);
        FUZZ_CHECK(payload.size() <= segment_);
        got_.insert(got_.end(), payload.begin(), payload.end());
        FUZZ_CHECK(got_.size() == total_ || payload.size() == segment_); // only the last may be shorter
    }

    [[nodiscard]] const std::vector<octet>& got() const { return got_; }

private:
    bytes_view from_tcp(const packet& p)
    {
        const auto s = wire::parse_tcp(p.l4);
        FUZZ_CHECK(s && s->source_port == key_.remote_port && s->destination_port == key_.guest_port);
        FUZZ_CHECK(s->seq == seq_number{shape_.sequence} + static_cast<std::uint32_t>(got_.size()));
        // What ends the data stands on the last segment alone (RFC 9293 section 3.9.1, PSH; a FIN behind the last octet).
        const octet at_end = shape_.flags & (wire::tcp_fin | wire::tcp_psh);
        const bool last = got_.size() + s->payload.size() == total_;
        FUZZ_CHECK((s->flags & (wire::tcp_fin | wire::tcp_psh)) == (last ? at_end : 0));
        return s->payload;
    }

    bytes_view from_udp(const packet& p)
    {
        const auto d = wire::parse_udp(p.l4);
        FUZZ_CHECK(d && d->source_port == key_.remote_port && d->destination_port == key_.guest_port);
        FUZZ_CHECK(d->payload.size() + sizeof(wire::udp_header) == p.l4.size());
        FUZZ_CHECK(p.l4[6] != 0 || p.l4[7] != 0); // RFC 768: a sum of zero is sent as ones
        return d->payload;
    }

    const shape& shape_;
    const flow_key& key_;
    std::size_t total_, segment_;
    std::vector<octet> got_;
};

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz_input in{{data, size}};
    const auto s = in.take<shape>();
    const bool v4 = (s.what & 1) != 0, tcp = (s.what & 2) != 0, super = (s.what & 4) != 0;
    const auto key = key_of(s, v4, tcp ? wire::protocol_tcp : wire::protocol_udp);
    const std::size_t most = 65535U - (v4 ? 20U : 0U) - (tcp ? 20U : 8U);
    const auto payload = payload_of(s, in.rest(), most);
    const auto segment = static_cast<std::uint16_t>(std::max<std::size_t>(s.segment, payload.size() / most_frames + 1));

    std::vector<octet> memory(most_header_octets);
    memory.insert(memory.end(), payload.begin(), payload.end());
    octet* const body = memory.data() + most_header_octets;
    wire::virtio_net_header vnet;
    const auto octets = static_cast<std::uint32_t>(payload.size());
    const auto mss = super ? segment : std::uint16_t{0};
    std::size_t headers = 0;
    if (tcp)
        headers = emit_tcp(
            body, link, key,
            {.seq = seq_number{s.sequence}, .ack = {}, .flags = s.flags, .window = 1, .payload = octets, .mss = mss}, vnet);
    else
        headers = emit_udp(body, link, key, {.payload = octets, .segment = mss}, vnet);

    const auto limit = vnet.gso_type == wire::vnet_gso_none ? payload.size() : segment;
    receiver r{s, key, payload.size(), limit};
    segmenter cut{{body - headers, headers},
                  {body, payload.size()},
                  vnet,
                  (s.what & 8) != 0 && __builtin_cpu_supports("avx2") != 0 ? vectors::avx2 : vectors::none};
    for (std::size_t frames = 0; !cut.done(); ++frames) {
        FUZZ_CHECK(frames <= payload.size());
        std::vector<octet> frame(cut.next_length());
        FUZZ_CHECK(cut.next(frame.data()) == frame.size());
        r.take(frame);
    }
    FUZZ_CHECK(r.got() == payload);
    return 0;
}
