#include "daemon/control/plane_report.hpp"
#include "proto/wire/protocol.hpp"
#include "tests/support/catch.hpp"

#include <cerrno>

using namespace tapioca;
using report::event_kind;

namespace {

constexpr flow_key key{ip_address::v4(192, 0, 2, 10), ip_address::v4(198, 51, 100, 7), 80, 40000, wire::protocol_tcp};

} // namespace

TEST_CASE("the line of a flow that a peer opened says where it was accepted")
{
    const endpoint at{ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 2}), 8080};
    CHECK(report::to_text({{}, event_kind::flow_opened, 0, key, at}) ==
          "Flow opened: TCP [192.0.2.10]:80 -> [198.51.100.7]:40000, accepted at [2001:db8::2]:8080");
    CHECK(report::to_text({{}, event_kind::flow_opened, 0, key, {}}) ==
          "Flow opened: TCP [192.0.2.10]:80 -> [198.51.100.7]:40000");
}

TEST_CASE("the line of a flow that is over says why")
{
    CHECK(report::to_text({.kind = event_kind::flow_closed, .key = key, .why = end_reason::guest_silent}) ==
          "Flow closed: TCP [192.0.2.10]:80 -> [198.51.100.7]:40000: the guest does not answer");
    for (std::size_t i = 0; i < end_reason_count; ++i)
        CHECK(report::to_text({.kind = event_kind::flow_closed, .key = key, .why = static_cast<end_reason>(i)}).back() != ' ');
}

TEST_CASE("the line of a listening socket that cannot be watched says what became of it, and why")
{
    CHECK(report::to_text({{}, event_kind::listener_failed, ENOSPC, {}, {}}) ==
          "Couldn't watch a listening socket, whose port is closed again: No space left on device");
}
