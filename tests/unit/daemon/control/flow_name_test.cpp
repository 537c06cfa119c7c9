#include "daemon/control/flow_name.hpp"

#include "tests/support/catch.hpp"

namespace tapioca {
namespace {

TEST_CASE("a flow's name has worker, kind, slot and generation, and leads back to them")
{
    const flow_name name{3, flow_kind::udp_splice, flow_id{5U << flow_id::slot_bits | 131071}};
    CHECK(to_text(name) == "3.udp-bypass.131071.5");
    for (std::size_t kind = 0; kind < flow_kinds; ++kind) {
        const flow_name each{63, static_cast<flow_kind>(kind), flow_id{0xffff'ffff}};
        const auto back = parse_flow_name(to_text(each));
        REQUIRE(back);
        CHECK(back->worker == 63);
        CHECK(back->kind == each.kind);
        CHECK(back->id == each.id);
    }
}

TEST_CASE("what is no flow's name is none")
{
    for (const char* text :
         {"",           ".",          "...",        "0.tcp.1",        "0.tcp.1.1.",          "0.tcp.1.1.1",        "0.sctp.1.1",
          "0.TCP.1.1",  "64.tcp.1.1", "-1.tcp.1.1", "0.tcp.131072.1", "0.tcp.1.32768",       "0.tcp.1.",           "0..1.1",
          " 0.tcp.1.1", "0.tcp.1.1 ", "0.tcp.+1.1", "0.tcp.0x1.1",    "99999999999.tcp.1.1", "0.tcp.1.99999999999"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_flow_name(text));
    }
}

} // namespace
} // namespace tapioca
