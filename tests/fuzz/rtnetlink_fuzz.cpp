// What netlink says of links, addresses and routes: messages of any content, read, copied for another namespace and read again;
// and the choice of a template among whatever they tell.
//
// A message is an octet that says what it is, how many octets follow, and those: the fixed header and attributes, either as they
// stand, or each attribute as type, length and value, from which a well-formed one is made.
#include "daemon/config/host_template.hpp"
#include "daemon/os/rtnetlink.hpp"
#include "tests/support/fuzz.hpp"

#include <linux/rtnetlink.h>

using namespace tapioca;

namespace {

constexpr int most_messages = 40;
constexpr int other_index = 4711; ///< an interface in the other namespace

struct attribute {
    octet type, length;
};

/// In a block of its own size, so that a read behind its end is seen.
class message {
public:
    message(std::uint16_t type, bytes_view body) : octets_((sizeof(nlmsghdr) + body.size() + 3) / 4)
    {
        nlmsghdr header{};
        header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + body.size());
        header.nlmsg_type = type;
        std::memcpy(octets_.data(), &header, sizeof header);
        if (!body.empty())
            std::memcpy(reinterpret_cast<octet*>(octets_.data()) + sizeof header, body.data(), body.size());
    }
    [[nodiscard]] const nlmsghdr& raw() const { return *reinterpret_cast<const nlmsghdr*>(octets_.data()); }

private:
    std::vector<std::uint32_t> octets_;
};

std::size_t fixed_header(std::uint16_t type)
{
    return type == RTM_NEWLINK ? sizeof(ifinfomsg) : type == RTM_NEWADDR ? sizeof(ifaddrmsg) : sizeof(rtmsg);
}

std::vector<octet> well_formed(std::uint16_t type, bytes_view octets)
{
    fuzz_input in{octets};
    const auto header = in.take(fixed_header(type));
    std::vector<octet> body{header.begin(), header.end()};
    while (!in.empty()) {
        const auto a = in.take<attribute>();
        const auto value = in.take(a.length % 68U);
        const std::uint16_t head[2] = {static_cast<std::uint16_t>(value.size() + 4), a.type};
        const auto* at = reinterpret_cast<const octet*>(head);
        body.insert(body.end(), at, at + 4);
        body.insert(body.end(), value.begin(), value.end());
        body.resize((body.size() + 3) / 4 * 4);
    }
    return body;
}

void check_copy(const nlmsghdr& raw, int from)
{
    auto copy = os::copy_route(raw, from);
    if (!copy)
        return;
    os::set_output(*copy, other_index);
    const auto again = os::parse_route(copy->raw());
    if (!again)
        return;
    for (const auto& hop : again->nexthops)
        FUZZ_CHECK(hop.interface_index == other_index);
    FUZZ_CHECK(again->preferred_source.is_unspecified());
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    constexpr std::uint16_t types[] = {RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE, RTM_DELROUTE};
    fuzz_input in{{data, size}};
    std::vector<os::link_entry> links;
    family_tables tables;
    for (int i = 0; i < most_messages && !in.empty(); ++i) {
        const auto what = in.take<octet>();
        const auto type = types[what % 4];
        const auto octets = in.take(in.take<octet>());
        const auto body = (what & 4) != 0 ? std::vector<octet>{octets.begin(), octets.end()} : well_formed(type, octets);
        const message m{type, body};
        if (auto link = os::parse_link(m.raw())) {
            FUZZ_CHECK(type == RTM_NEWLINK && link->name.find('\0') == std::string::npos);
            links.push_back(std::move(*link));
        }
        if (auto address = os::parse_address(m.raw())) {
            FUZZ_CHECK(type == RTM_NEWADDR);
            tables.addresses.push_back(std::move(*address));
        }
        if (auto route = os::parse_route(m.raw())) {
            FUZZ_CHECK(type == RTM_NEWROUTE && !route->nexthops.empty());
            check_copy(m.raw(), route->nexthops.front().interface_index);
            tables.routes.add(std::move(*route), 1);
        }
        check_copy(m.raw(), what);
    }
    std::vector<std::string> notes;
    for (const auto family : {ip_family::ipv4, ip_family::ipv6}) {
        const auto chosen = choose_template({.family = family}, links, tables, notes);
        FUZZ_CHECK(chosen.enabled);
        FUZZ_CHECK(chosen.gateway.is_unspecified() || chosen.gateway.family() == family);
        FUZZ_CHECK(chosen.local_mode ||
                   std::ranges::any_of(links, [&](const auto& l) { return l.index == chosen.interface_index; }));
    }
    return 0;
}
