// A kind of flow that only discards (RFC 863): all that it needs of its own stands here. It is opened by the common decision,
// limited, listed and ended like any other.

#include "daemon/os/clock.hpp"
#include "daemon/translate/flow_set.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/memory_tap.hpp"

using namespace tapioca;
using namespace tapioca::test;
using namespace std::chrono_literals;

namespace {

struct discard_flow : flow_head {
    instant last{};
    bool ready_listed = false;
};

class discard final : public flows_of<discard_flow, flow_kind::udp> {
public:
    discard(context& ctx, std::size_t capacity, instant start) : flows_of(ctx, capacity, start) {}

    void from_guest(const flow_key& key, instant now) noexcept
    {
        auto* f = flows_.find(key);
        if (f == nullptr) {
            const auto to = decide_outbound(*ctx_.config, key, {});
            if (!to)
                return ctx_.counters.drop(to.why());
            f = open_flow(flow_head{.key = key}, key, *to, now);
        }
        if (f == nullptr)
            return;
        f->last = now;
        wheel_.arm_no_later(flows_.slot_of(*f), now + 10s);
    }
    void expire(instant now) noexcept override
    {
        end_idle(now, [](const discard_flow& f) { return f.last + 10s; });
    }
    void end_turn(instant) noexcept override {}

private:
    flow_alive close(discard_flow& f, end_reason why, instant now) noexcept override { return erase_flow(f, why, now); }
    void describe(const discard_flow& f, flow_view& view, instant now) const noexcept override { view.idle = now - f.last; }
    [[nodiscard]] std::optional<flow_octets> octets_of(const discard_flow&) const noexcept override { return flow_octets{1, 0}; }
};

struct world {
    explicit world(std::uint32_t share = flow_budget::unlimited, std::size_t capacity = 16)
        : flows(ctx, capacity, instant{std::chrono::hours{1}})
    {
        flow_budget::shares shares;
        shares.of[static_cast<std::size_t>(flow_share::udp)] = share;
        budget = std::make_unique<flow_budget>(shares);
        ctx.budget = budget.get();
    }

    static flow_key key(std::uint16_t port, const ip_address& to = ip_address::v4(198, 51, 100, 1))
    {
        return {ip_address::v4(192, 0, 2, 5), to, port, 9, wire::protocol_udp};
    }
    [[nodiscard]] std::vector<flow_view> listed(std::uint32_t most)
    {
        struct : flow_visitor {
            std::vector<flow_view> seen;
            void visit(const flow_view& f) noexcept override { seen.push_back(f); }
        } all;
        std::uint32_t at = 0;
        do
            at = flows.visit(at, most, all, instant{});
        while (at != 0);
        return all.seen;
    }

    plane_config config;
    memory_tap tap{{true, true, true}};
    os::poller poller;
    report::counters counters;
    report::event_ring events;
    guest_link guest{{}, {}, {}, {}};
    std::unique_ptr<flow_budget> budget;
    context ctx{.config = &config, .tap = tap, .poller = poller, .counters = counters, .events = events, .guest = guest};
    instant now{std::chrono::hours{1}};
    discard flows;
};

} // namespace

TEST_CASE("a kind of flow is listed, whatever the slices, and each of its flows ends once, by its own time or on request")
{
    world w;
    for (std::uint16_t port = 1; port <= 5; ++port)
        w.flows.from_guest(world::key(port), w.now);
    w.flows.from_guest(world::key(3), w.now);
    const auto seen = w.listed(GENERATE(1U, 2U, 16U));
    REQUIRE(seen.size() == 5);
    for (std::uint16_t i = 0; i < 5; ++i) {
        CHECK((seen[i].head.kind == flow_kind::udp && !seen[i].head.from_peer() && seen[i].head.rule == flow_head::no_rule));
        CHECK(seen[i].key == world::key(static_cast<std::uint16_t>(i + 1)));
    }
    flow_set& any = w.flows;
    CHECK(any.close(seen[1].id, end_reason::on_request, w.now));
    CHECK_FALSE(any.close(seen[1].id, end_reason::on_request, w.now));
    CHECK(any.weight() == 4);
    w.now += 6s;
    w.flows.from_guest(world::key(4), w.now);
    w.now += 6s;
    any.expire(w.now);
    REQUIRE(w.listed(16).size() == 1);
    CHECK(w.listed(16)[0].key == world::key(4));
    CHECK(any.next_deadline() > w.now);
    CHECK((w.counters.ended(end_reason::on_request) == 1 && w.counters.ended(end_reason::idle) == 3));
    CHECK(w.counters.value(report::counter::udp_flows_opened) == 5);
    CHECK(w.counters.value(report::counter::udp_flows_closed) == 4);
}

TEST_CASE("a kind of flow is refused by the decision, its share and its table, each with its reason; what ends makes room")
{
    world w{GENERATE(3U, 100U)};
    w.flows.from_guest(world::key(0), w.now);
    w.flows.from_guest(world::key(1, ip_address::v4(0)), w.now);
    CHECK(w.counters.dropped(drop_reason::zero_port) == 1);
    CHECK(w.counters.dropped(drop_reason::unspecified_address) == 1);
    CHECK(w.flows.flow_count() == 0);
    for (std::uint16_t port = 1; port <= 20; ++port)
        w.flows.from_guest(world::key(port), w.now);
    const bool shared_out = w.flows.flow_count() == 3;
    CHECK(w.flows.flow_count() == (shared_out ? 3 : 16));
    CHECK(w.counters.dropped(drop_reason::flow_limit) == (shared_out ? 17 : 0));
    CHECK(w.counters.dropped(drop_reason::flow_table_full) == (shared_out ? 0 : 4));
    const auto first = w.listed(16)[0];
    CHECK(static_cast<flow_set&>(w.flows).close(first.id, end_reason::on_request, w.now));
    w.flows.from_guest(world::key(30), w.now);
    CHECK(w.flows.owns(world::key(30)));
    CHECK_FALSE(w.flows.owns(first.key));
    CHECK(w.budget->count(flow_share::udp) == w.flows.flow_count());
}

TEST_CASE("of a hundred thousand flows, those that stay are listed once each, while others come and go between the slices")
{
    constexpr std::uint32_t many = 100'000;
    world w{flow_budget::unlimited, 1U << 17};
    w.config.datagram_sockets = 1U << 18;
    const auto key = [](std::uint32_t n) {
        return world::key(static_cast<std::uint16_t>(1 + n % 50'000),
                          ip_address::v4(198, 51, 100, static_cast<octet>(1 + n / 50'000)));
    };
    for (std::uint32_t n = 0; n < many; ++n)
        w.flows.from_guest(key(n), w.now);
    REQUIRE(w.flows.flow_count() == many);

    struct : flow_visitor {
        std::vector<flow_view> seen;
        void visit(const flow_view& f) noexcept override { seen.push_back(f); }
    } all;
    flow_set& any = w.flows;
    std::uint32_t ended = 0, slices = 0;
    for (std::uint32_t at = any.visit(0, 256, all, w.now); at != 0; at = any.visit(at, 256, all, w.now), ++slices) {
        // Every tenth of what was just seen ends, and others take their places.
        const auto victim = all.seen[all.seen.size() - 10];
        ended += any.close(victim.id, end_reason::on_request, w.now) ? 1 : 0;
        w.flows.from_guest(key(many + slices), w.now);
    }
    CHECK(slices > 300);
    CHECK(ended > 300);
    std::vector<std::uint32_t> times(2 * many);
    for (const auto& f : all.seen)
        ++times[static_cast<std::uint32_t>(f.key.guest_port - 1) + 50'000U * (f.key.remote.octets()[15] - 1U)];
    for (std::uint32_t n = 0; n < many; ++n)
        if (times[n] != 1)
            FAIL("flow " << n << " was listed " << times[n] << " times");
    for (std::uint32_t n = many; n < many + slices; ++n)
        CHECK(times[n] <= 1);
}
