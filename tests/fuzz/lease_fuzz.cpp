// Clients of DHCP and DHCPv6 that go on from what they were told: each message is made from what the last answer said, from what
// is not true, or from octets of the input. Whatever came before, every answer names this server, the client's own transaction
// and identifiers, and the one address there is to lease; and what must be refused is refused.
//
// A step is four octets (what, flags, the message's type, how many octets of raw options follow), and those.
#include "proto/responder/dhcp.hpp"
#include "proto/responder/dhcpv6.hpp"
#include "proto/wire/dhcp.hpp"
#include "proto/wire/dhcpv6.hpp"
#include "proto/wire/ipv4.hpp"
#include "proto/wire/options.hpp"
#include "tests/support/fuzz.hpp"
#include "tests/support/reference_network.hpp"

#include <map>
#include <vector>

using namespace tapioca;
using octets = std::vector<octet>;

namespace {

struct step {
    octet what, flags, type, extra;
};
static_assert(sizeof(step) == 4 && wire_header<step>);

constexpr int most_steps = 30;

const guest_network& net()
{
    static const auto n = test::reference_network();
    return n;
}

template <wire_header T>
void append(octets& to, const T& value)
{
    const auto* at = reinterpret_cast<const octet*>(&value);
    to.insert(to.end(), at, at + sizeof value);
}
void append(octets& to, bytes_view from) { to.insert(to.end(), from.begin(), from.end()); }

class client4 {
public:
    void take(const step& s, bytes_view extra)
    {
        using wire::dhcp_type;
        const auto type = static_cast<dhcp_type>(s.type % 9);
        octets request;
        wire::dhcp_header h{};
        h.operation = wire::dhcp_boot_request;
        h.hardware_type = 1;
        h.hardware_length = 6;
        h.transaction = ++transaction_;
        h.flags = (s.flags & 1) != 0 ? wire::dhcp_broadcast_flag : std::uint16_t{0};
        h.client = (s.flags & 2) != 0 ? leased_.v4_octets() : ipv4_octets{};
        std::copy(test::guest_mac.octets.begin(), test::guest_mac.octets.end(), h.hardware_address.begin());
        h.cookie = wire::dhcp_cookie;
        append(request, h);
        if (type != dhcp_type::bootp)
            put(request, wire::dhcp_message_type, octets{static_cast<octet>(type)});
        const auto asked = (s.flags & 8) != 0 ? ip_address::v4(203, 0, 113, s.what) : leased_;
        if ((s.flags & 4) != 0)
            put(request, wire::dhcp_requested_address, asked.v4_octets());
        const auto server = (s.flags & 0x20) != 0 ? ip_address::v4(203, 0, 113, 1) : server_;
        if ((s.flags & 0x10) != 0)
            put(request, wire::dhcp_server_identifier, server.v4_octets());
        const octets identifier{1, s.what, 3};
        if ((s.flags & 0x40) != 0)
            put(request, wire::dhcp_client_identifier, identifier);
        if ((s.flags & 0x80) != 0)
            put(request, wire::dhcp_rapid_commit, {});
        append(request, extra);

        std::array<octet, 1514> out;
        const auto size = dhcp_respond(test::guest_mac, request, net(), out);
        if (!extra.empty()) { // which may have changed what was asked
            if (size)
                check(bytes_view{out}.first(*size), {});
            return;
        }
        const bool other_server = (s.flags & 0x10) != 0 && server != net().our_address4;
        const auto wanted = (s.flags & 4) != 0 ? asked : ip_address{h.client};
        const bool silent = type == dhcp_type::decline || type == dhcp_type::release || type == dhcp_type::offer ||
                            type == dhcp_type::ack || type == dhcp_type::nak || (type == dhcp_type::request && other_server);
        FUZZ_CHECK(static_cast<bool>(size) == !silent);
        if (silent)
            return;
        const auto told = check(bytes_view{out}.first(*size), (s.flags & 0x40) != 0 ? bytes_view{identifier} : bytes_view{});
        const bool good = wanted == net().address4.address || wanted.is_unspecified();
        const bool rapid = (s.flags & 0x80) != 0;
        FUZZ_CHECK(told == (type == dhcp_type::discover  ? rapid ? dhcp_type::ack : dhcp_type::offer
                            : type == dhcp_type::request ? good ? dhcp_type::ack : dhcp_type::nak
                                                         : dhcp_type::ack));
    }

private:
    static void put(octets& to, octet code, bytes_view value)
    {
        to.push_back(code);
        to.push_back(static_cast<octet>(value.size()));
        append(to, value);
    }

    wire::dhcp_type check(bytes_view frame, bytes_view identifier)
    {
        const auto ip = wire::parse_ipv4(frame.subspan(14));
        FUZZ_CHECK(static_cast<bool>(ip));
        const auto udp = wire::parse_udp(ip->payload);
        FUZZ_CHECK(udp && udp->payload.size() >= sizeof(wire::dhcp_header));
        wire::dhcp_header h;
        std::memcpy(&h, udp->payload.data(), sizeof h);
        FUZZ_CHECK(h.operation == wire::dhcp_boot_reply && h.transaction == transaction_ && h.cookie == wire::dhcp_cookie);
        FUZZ_CHECK(std::equal(test::guest_mac.octets.begin(), test::guest_mac.octets.end(), h.hardware_address.begin()));
        std::map<octet, bytes_view> options;
        wire::dhcp_options walk{udp->payload.subspan(sizeof h)};
        for (auto o = walk.next(); o; o = walk.next()) {
            FUZZ_CHECK(static_cast<bool>(*o));
            FUZZ_CHECK(options.emplace((*o)->kind, (*o)->value).second); // once each
        }
        FUZZ_CHECK(std::ranges::equal(options[wire::dhcp_server_identifier], net().our_address4.v4_octets()));
        FUZZ_CHECK(identifier.empty() || std::ranges::equal(options[wire::dhcp_client_identifier], identifier));
        server_ = net().our_address4;
        const ip_address yours{h.yours};
        FUZZ_CHECK(yours.is_unspecified() || yours == net().address4.address);
        if (!yours.is_unspecified())
            leased_ = yours;
        const auto type = options[wire::dhcp_message_type];
        FUZZ_CHECK(type.size() == 1);
        FUZZ_CHECK(static_cast<wire::dhcp_type>(type[0]) != wire::dhcp_type::nak || yours.is_unspecified());
        return static_cast<wire::dhcp_type>(type[0]);
    }

    std::uint32_t transaction_ = 0;
    ip_address leased_ = ip_address::v4(0), server_ = ip_address::v4(0);
};

class client6 {
public:
    void take(const step& s, bytes_view extra)
    {
        using wire::dhcpv6_type;
        const auto type = static_cast<dhcpv6_type>(s.type % 12 + 1);
        octets message;
        append(message, wire::dhcpv6_header{static_cast<octet>(type), {0, s.what, ++transaction_}});
        const octets identifier{0, 3, 0, 1, s.what, 2, 3, 4, 5, 6};
        if ((s.flags & 1) != 0)
            put(message, wire::dhcpv6_client_id, identifier);
        if ((s.flags & 2) != 0)
            put(message, wire::dhcpv6_server_id, (s.flags & 4) != 0 ? bytes_view{identifier} : bytes_view{server_});
        for (int i = 0; i < ((s.flags >> 3) & 3); ++i)
            put_association(message, s, i);
        if ((s.flags & 0x20) != 0)
            put(message, wire::dhcpv6_rapid_commit, {});
        append(message, extra);

        wire::ipv6_packet ip;
        ip.source = test::guest_link_local;
        ip.destination = ip_address::v6({0xff02, 0, 0, 0, 0, 0, 1, 2});
        std::array<octet, 1514> out;
        const auto size = dhcpv6_respond(test::guest_mac, ip, {546, 547, message}, net(), out);
        if (!size)
            return;
        const auto answer = check(bytes_view{out}.first(*size), s);
        if (extra.empty()) {
            FUZZ_CHECK((s.flags & 1) != 0 || type == dhcpv6_type::information_request);
            FUZZ_CHECK((s.flags & 1) == 0 || std::ranges::equal(answer.client_id, identifier));
            FUZZ_CHECK((s.flags & 2) == 0 || (s.flags & 4) == 0); // the other server's is not answered
        }
    }

private:
    static void put(octets& to, std::uint16_t code, bytes_view value)
    {
        append(to, wire::dhcpv6_option_header{code, static_cast<std::uint16_t>(value.size())});
        append(to, value);
    }

    void put_association(octets& message, const step& s, int which) const
    {
        constexpr std::uint16_t codes[] = {wire::dhcpv6_ia_na, wire::dhcpv6_ia_ta, wire::dhcpv6_ia_pd, wire::dhcpv6_ia_na};
        const auto code = codes[(s.what + which) % 4];
        octets value;
        if (code == wire::dhcpv6_ia_ta)
            append(value, be32{static_cast<std::uint32_t>(which)});
        else
            append(value, wire::dhcpv6_ia_header{static_cast<std::uint32_t>(which), 0, 0});
        auto address = leased_;
        if ((s.flags & 0x80) != 0)
            address = ip_address::v6({0x2001, 0xdb8, 77, 0, 0, 0, 0, s.what});
        if ((s.flags & 0x40) != 0 && code != wire::dhcpv6_ia_pd) {
            octets inner;
            append(inner, wire::dhcpv6_ia_address_value{address.octets(), 0, 0});
            put(value, wire::dhcpv6_ia_address, inner);
        }
        put(message, code, value);
    }

    /// Our own parser reads the answer; what it holds must be ours.
    wire::dhcpv6_message check(bytes_view frame, const step& s)
    {
        const auto ip = wire::parse_ipv6(frame.subspan(14));
        FUZZ_CHECK(static_cast<bool>(ip));
        const auto udp = wire::parse_udp(ip->payload);
        FUZZ_CHECK(static_cast<bool>(udp));
        const auto m = wire::parse_dhcpv6(udp->payload);
        FUZZ_CHECK(m && (m->type == wire::dhcpv6_type::advertise || m->type == wire::dhcpv6_type::reply));
        FUZZ_CHECK((m->transaction == std::array<octet, 3>{0, s.what, transaction_}));
        FUZZ_CHECK(m->server_id && m->server_id->size() == sizeof(wire::dhcpv6_duid_llt));
        FUZZ_CHECK(server_.empty() || std::ranges::equal(*m->server_id, server_));
        server_.assign(m->server_id->begin(), m->server_id->end());
        int leases = 0;
        for (const auto& ia : m->ias)
            for (const auto& a : ia.addresses)
                leases += a == net().address6 ? 1 : 0;
        FUZZ_CHECK(leases <= 1); // one address, one holder
        if (leases != 0)
            leased_ = net().address6;
        return *m;
    }

    octet transaction_ = 0;
    ip_address leased_;
    octets server_;
};

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz_input in{{data, size}};
    client4 v4;
    client6 v6;
    for (int i = 0; i < most_steps && !in.empty(); ++i) {
        const auto s = in.take<step>();
        const auto extra = s.extra >= 128 ? in.take(s.extra - 128U) : bytes_view{};
        if (s.what % 2 == 0)
            v4.take(s, extra);
        else
            v6.take(s, extra);
    }
    return 0;
}
