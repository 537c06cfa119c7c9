// Where the outside is led to, while the guest's addresses are exchanged.
#include "proto/base/checksum.hpp"
#include "proto/wire/dhcp.hpp"
#include "proto/wire/ndp.hpp"
#include "tests/unit/daemon/translate/ingress_world.hpp"

#include <cstring>

using namespace tapioca;
using namespace tapioca::test;

namespace {

constexpr auto old4 = ip_address::v4(192, 0, 2, 2);
constexpr auto old6 = ip_address::v6({0x2001, 0xdb8, 9, 0, 0, 0, 0, 2}),
               older6 = ip_address::v6({0x2001, 0xdb8, 9, 0, 0, 0, 0, 3});
constexpr auto elsewhere4 = ip_address::v4(203, 0, 113, 77), elsewhere6 = ip_address::v6({0x2001, 0xdb8, 77, 0, 0, 0, 0, 1});

void hear(ingress_world& w, const ip_address& source)
{
    const auto& remote = source.is_v4() ? elsewhere4 : elsewhere6;
    (void)w.process({segment({source, remote, 43'001, 9, wire::protocol_tcp})});
}

/// A guest that has had its addresses for a while, and is told of others.
struct told_world : ingress_world {
    told_world()
    {
        config.net.may_change = true;
        hear(*this, old4);
        hear(*this, old6);
        config.net.withdrawn.push_back({{old4, 32}, 7200});
        config.net.withdrawn.push_back({{prefix{old6, 64}.network(), 64}, 7200});
    }
};

octet_vector request(octet type)
{
    wire::dhcp_header h{};
    h.operation = wire::dhcp_boot_request;
    h.hardware_type = 1;
    h.hardware_length = 6;
    h.cookie = wire::dhcp_cookie;
    octet_vector message;
    append(message, h);
    append(message, std::array<octet, 4>{wire::dhcp_message_type, 1, type, wire::dhcp_end});
    const flow_key key{ip_address::v4(0), ip_address::v4(0xffff'ffff), wire::dhcp_client_port, wire::dhcp_server_port,
                       wire::protocol_udp};
    return datagram(key, message);
}

/// Duplicate address detection.
octet_vector probe(const ip_address& target)
{
    const flow_key key{ip_address{}, ip_address::v6({0xff02, 0, 0, 0, 0, 1, 0xff00, 0x10}), 0, 0, wire::protocol_icmpv6};
    wire::nd_neighbour_header h{};
    h.type = wire::icmpv6_neighbour_solicitation;
    h.target = target.octets();
    octet_vector upper;
    append(upper, h);
    const auto sum = pseudo_header_sum(key.guest, key.remote, wire::protocol_icmpv6, static_cast<std::uint32_t>(upper.size()));
    h.checksum = checksum_of(sum + ones_sum(upper));
    std::memcpy(upper.data(), &h, sizeof h);
    return ip_frame(key, wire::protocol_icmpv6, upper, {.ttl = wire::nd_hop_limit});
}

} // namespace

TEST_CASE("an address that was withdrawn is where the guest is, until it is heard at another one")
{
    told_world w;
    hear(w, old4);
    hear(w, older6);
    CHECK(w.link.v4() == old4);
    CHECK(w.link.v6() == older6);
    hear(w, guest4);
    hear(w, guest6);
    hear(w, old4);
    hear(w, old6);
    CHECK(w.link.v4() == guest4);
    CHECK(w.link.v6() == guest6);
    w.config.net.withdrawn.clear();
    hear(w, old4);
    CHECK(w.link.v4() == old4);
}

TEST_CASE("an address that DHCP has given is known before it is heard, one that it has offered is not")
{
    told_world w;
    (void)w.process({request(1)});
    CHECK(w.link.v4() == old4);
    (void)w.process({request(3)});
    CHECK(w.link.v4() == guest4);
}

TEST_CASE("an address of the new prefix is known when the guest is about to take it")
{
    told_world w;
    (void)w.process({probe(older6)});
    CHECK(w.link.v6() == old6);
    (void)w.process({probe(guest6)});
    CHECK(w.link.v6() == guest6);
}

TEST_CASE("what stands for us now is no address of the guest, either")
{
    told_world w;
    hear(w, gateway4);
    CHECK(w.link.v4() == old4);
}

TEST_CASE("unless its network may change, a guest is where it was heard last, and nowhere else")
{
    ingress_world w;
    hear(w, old4);
    hear(w, old6);
    (void)w.process({request(3), probe(guest6)});
    CHECK(w.link.v4() == old4);
    CHECK(w.link.v6() == old6);
}
