#include "proto/base/checksum.hpp"
#include "proto/icmp/echo.hpp"
#include "proto/wire/icmp.hpp"
#include "tests/support/fuzz.hpp"

#include <vector>

using namespace tapioca;

namespace {

/// A reply that was given another identifier says that one, keeps its octets, and has a true checksum.
void readdress(ip_family family, bytes_view message)
{
    constexpr std::uint16_t identifier = 0x4d2;
    const bool v4 = family == ip_family::ipv4;
    const auto from = v4 ? ip_address::v4(192, 0, 2, 1) : ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 1});
    const auto to = v4 ? ip_address::v4(192, 0, 2, 2) : ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 2});
    std::vector<octet> reply(message.begin(), message.end());
    if (!readdress_echo_reply(reply, from, to, identifier))
        return;
    FUZZ_CHECK(reply.size() >= sizeof(wire::icmp_header) && reply[0] == (v4 ? wire::icmpv4_echo_reply : wire::icmpv6_echo_reply));
    FUZZ_CHECK(reply[4] == identifier >> 8 && reply[5] == (identifier & 0xff));
    for (std::size_t i = 6; i < reply.size(); ++i)
        FUZZ_CHECK(reply[i] == message[i]);
    const auto length = static_cast<std::uint32_t>(reply.size());
    const auto pseudo = v4 ? 0 : pseudo_header_sum(from, to, wire::protocol_icmpv6, length);
    FUZZ_CHECK(folded(pseudo + ones_sum(reply)) == 0xffff);
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const bytes_view message{data, size};
    for (const auto family : {ip_family::ipv4, ip_family::ipv6}) {
        if (const auto request = parse_echo_request(family, message)) {
            FUZZ_CHECK(size >= sizeof(wire::icmp_header));
            FUZZ_CHECK(request->identifier == (data[4] << 8 | data[5]) && request->sequence == (data[6] << 8 | data[7]));
        }
        readdress(family, message);
    }
    return 0;
}
