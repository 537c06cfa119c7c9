#include "proto/base/checksum.hpp"
#include "proto/wire/tcp.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <vector>

using namespace tapioca;
using namespace tapioca::wire;

namespace {

std::vector<octet> segment_with(octet flags, std::vector<octet> options, std::vector<octet> payload = {})
{
    tcp_fields f;
    f.source_port = 40000;
    f.destination_port = 443;
    f.seq = seq_number{0xfffffff0};
    f.ack = seq_number{77};
    f.flags = flags;
    f.window = 0x1234;
    const auto h = make_tcp(f, options.size());
    const auto octets = octets_of(h);
    std::vector<octet> segment(octets.begin(), octets.end());
    segment.insert(segment.end(), options.begin(), options.end());
    segment.insert(segment.end(), payload.begin(), payload.end());
    return segment;
}

} // namespace

TEST_CASE("a TCP segment that we make parses back")
{
    const auto octets = segment_with(tcp_ack | tcp_fin, {1, 1, 1, 1}, {'a', 'b', 'c'});
    const auto s = parse_tcp(octets);
    REQUIRE(s);
    CHECK(s->source_port == 40000);
    CHECK(s->destination_port == 443);
    CHECK(s->seq == seq_number{0xfffffff0});
    CHECK(s->ack == seq_number{77});
    CHECK(s->window == 0x1234);
    CHECK(s->header_length == 24);
    CHECK(s->payload.size() == 3);
    CHECK(s->length() == 4);
    CHECK(s->has(tcp_fin));
    CHECK(!s->has(tcp_rst));
    CHECK(!s->mss);
}

TEST_CASE("the options of a SYN are read, those of other segments are not")
{
    const std::vector<octet> options{2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7};
    const auto octets = segment_with(tcp_syn, options);
    const auto syn = parse_tcp(octets);
    REQUIRE(syn);
    CHECK(syn->mss == std::uint16_t{1460});
    CHECK(syn->window_scale == octet{7});
    CHECK(syn->length() == 1);

    const auto other = parse_tcp(segment_with(tcp_ack, options));
    REQUIRE(other);
    CHECK(!other->mss);
    CHECK(!other->window_scale);
}

TEST_CASE("RFC 7323 section 2.3: a window scale above 14 counts as 14; a maximum segment size of zero counts as none")
{
    const auto s = parse_tcp(segment_with(tcp_syn, {3, 3, 200, 2, 4, 0, 0, 0}));
    REQUIRE(s);
    CHECK(s->window_scale == octet{14});
    CHECK(!s->mss);
}

TEST_CASE("RFC 9293 section 3.1: an illegal option length is survived and refused")
{
    for (const auto& options : std::vector<std::vector<octet>>{{2, 0, 5, 180},
                                                               {2, 1, 5, 180},
                                                               {2, 3, 5, 0},
                                                               {2, 5, 5, 180},
                                                               {3, 4, 7, 0},
                                                               {1, 1, 1, 2},
                                                               {9, 2, 8, 40},
                                                               {3, 2, 0, 0}}) {
        CHECK(parse_tcp(segment_with(tcp_syn, options)).why() == drop_reason::bad_option);
        CHECK(parse_tcp(segment_with(tcp_ack, options)));
    }
    CHECK(parse_tcp(segment_with(tcp_syn, {0, 2, 0, 9}))); // nothing behind the end of the list is looked at
}

TEST_CASE("a data offset below five words or beyond the segment is refused")
{
    auto octets = segment_with(tcp_ack, {});
    octets[12] = 0x40;
    CHECK(parse_tcp(octets).why() == drop_reason::bad_header_length);
    octets[12] = 0x60;
    CHECK(parse_tcp(octets).why() == drop_reason::bad_header_length);
    octets.resize(19);
    CHECK(parse_tcp(octets).why() == drop_reason::truncated);
}

TEST_CASE("a SYN-ACK carries maximum segment size 61440 and scale 8 as expected on the wire, and its checksum verifies")
{
    std::array<octet, 8> options{};
    writer out{options};
    put_syn_options(out, 61440, octet{8});
    CHECK(options == std::array<octet, 8>{0x02, 0x04, 0xf0, 0x00, 0x01, 0x03, 0x03, 0x08});

    auto octets = segment_with(tcp_syn | tcp_ack, {options.begin(), options.end()});
    const auto source = ip_address::v4(198, 51, 100, 1);
    const auto destination = ip_address::v4(198, 51, 100, 10);
    const be16 sum = tcp_checksum(source, destination, octets);
    std::memcpy(octets.data() + 16, &sum, sizeof sum);
    CHECK(folded(pseudo_header_sum(source, destination, protocol_tcp, 28) + ones_sum(octets)) == 0xffff);
}
