// What the pieces of a frame's way cost without the kernel, as a table in Markdown: nanoseconds of one processor, the shortest of
// several runs. Then how the cost of a lookup, a timer and a whole turn grows with the number of flows.
//
// Turns run over the memory kernel of the simulations: what they show is the growth; a third of each is the model's own work.

#include "daemon/os/cpu.hpp"
#include "daemon/plane/plane.hpp"
#include "proto/base/checksum.hpp"
#include "proto/flow/table.hpp"
#include "proto/flow/timer_wheel.hpp"
#include "proto/frame/classify.hpp"
#include "proto/frame/emit.hpp"
#include "proto/frame/segmentation.hpp"
#include "proto/policy/egress_policy.hpp"
#include "tests/support/guest_frames.hpp"
#include "tests/support/memory_kernel.hpp"
#include "tests/support/memory_tap.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>

using namespace tapioca;
using namespace tapioca::test;

namespace {

/// Keeps a value alive that nothing else uses.
template <class T>
void use(const T& value)
{
    asm volatile("" : : "g"(&value) : "memory");
}

/// Nanoseconds for one call of `work(i)`.
template <class Work>
double nanoseconds(std::size_t calls, Work work)
{
    double shortest = 1e18;
    for (int run = 0; run < 7; ++run) {
        const auto begin = std::chrono::steady_clock::now();
        for (std::size_t i = 0; i < calls; ++i)
            work(i);
        const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - begin;
        shortest = std::min(shortest, taken.count() / static_cast<double>(calls));
    }
    return shortest;
}

void row(const char* what, double ns) { std::printf("| %s | %.1f |\n", what, ns); }

flow_key key_of(std::size_t i, octet protocol = wire::protocol_udp)
{
    const auto host = static_cast<octet>(1 + i / 50000);
    return {ip_address::v4(198, 51, 100, 10), ip_address::v4(203, 0, 113, host), static_cast<std::uint16_t>(10000 + i % 50000),
            std::uint16_t{4000}, protocol};
}

flow_key key6()
{
    return {ip_address::v6({0x2001, 0xdb8, 5, 0, 0, 0, 0, 0x10}), ip_address::v6({0x2001, 0xdb8, 1, 0, 0, 0, 0, 7}),
            std::uint16_t{40000}, std::uint16_t{443}, wire::protocol_tcp};
}

octet_vector tcp_frame(const flow_key& key, std::size_t payload)
{
    const wire::tcp_fields fields{key.guest_port, key.remote_port, seq_number{1}, seq_number{2}, wire::tcp_ack, 1000};
    return ip_frame(key, wire::protocol_tcp, tcp_upper(key, fields, {}, octet_vector(payload)));
}

void frames()
{
    constexpr std::size_t calls = 200'000;
    constexpr link_ends ends{our_mac, guest_mac};
    const auto udp4 = ip_frame(key_of(0), wire::protocol_udp, udp_upper(key_of(0), octet_vector(64)));
    const auto tcp4 = tcp_frame(key_of(0, wire::protocol_tcp), 1460), tcp6 = tcp_frame(key6(), 1440);
    row("classify, UDP over IPv4", nanoseconds(calls, [&](std::size_t) { use(classify(udp4)); }));
    row("classify, TCP over IPv4", nanoseconds(calls, [&](std::size_t) { use(classify(tcp4)); }));
    row("classify, TCP over IPv6", nanoseconds(calls, [&](std::size_t) { use(classify(tcp6)); }));
    octet_vector slot(most_header_octets + 65536);
    octet* const body = slot.data() + most_header_octets;
    wire::virtio_net_header vnet;
    const auto key = key_of(0, wire::protocol_tcp);
    row("stamp, TCP over IPv4", nanoseconds(calls, [&](std::size_t i) {
            const tcp_emission e{.seq = seq_number{static_cast<std::uint32_t>(i)}, .ack = {}, .payload = 65000, .mss = 1460};
            use(emit_tcp(body, ends, key, e, vnet));
        }));
    row("stamp, UDP over IPv4",
        nanoseconds(calls, [&](std::size_t) { use(emit_udp(body, ends, key_of(0), {.payload = 1400}, vnet)); }));
    octet_vector copy(65536);
    const auto cpu = os::cpu_vectors();
    for (const std::size_t octets : {std::size_t{64}, std::size_t{1460}, std::size_t{65536}}) {
        const auto what = std::to_string(octets);
        const auto from = bytes_view{body, octets};
        row(("sum of " + what + " octets").c_str(), nanoseconds(calls / 10, [&](std::size_t) { use(ones_sum(from)); }));
        row(("copy and sum of " + what + " octets").c_str(),
            nanoseconds(calls / 10, [&](std::size_t) { use(copy_and_sum(copy.data(), from, cpu)); }));
    }
}

/// Each flow in turn, in an order that no cache foresees.
std::vector<std::uint32_t> shuffled(std::size_t flows)
{
    std::vector<std::uint32_t> order(std::max<std::size_t>(flows, 1));
    for (std::size_t i = 0; i < order.size(); ++i)
        order[i] = static_cast<std::uint32_t>(i);
    std::shuffle(order.begin(), order.end(), std::mt19937{1});
    return order;
}

struct small_flow {
    flow_key key;
    std::array<octet, 140> rest;
};

double lookup(std::size_t flows)
{
    constexpr std::size_t capacity = std::size_t{1} << 17;
    std::vector<std::byte> memory(flow_table<small_flow>::memory_needed(capacity));
    flow_table<small_flow> table{memory, capacity, {1, 2}};
    for (std::size_t i = 0; i < flows; ++i)
        use(table.insert(key_of(i)));
    const auto order = shuffled(flows);
    return nanoseconds(200'000, [&](std::size_t i) { use(table.find(key_of(order[i % flows]))); });
}

/// A timer is set anew, and time goes on.
double timer(std::size_t flows)
{
    std::vector<timer_wheel::node> nodes(flows);
    instant now{std::chrono::hours{1}};
    timer_wheel wheel{nodes, now};
    const auto order = shuffled(flows);
    for (std::size_t i = 0; i < flows; ++i)
        wheel.arm(static_cast<std::uint32_t>(i), now + std::chrono::milliseconds{200 + i % 60000});
    return nanoseconds(200'000, [&](std::size_t i) {
        now += std::chrono::microseconds{2};
        wheel.expire(now, [&](std::uint32_t slot) { wheel.arm(slot, now + std::chrono::seconds{60}); });
        wheel.arm(order[i % flows], now + std::chrono::milliseconds{200 + i % 60000});
    });
}

/// Sixteen datagrams of 64 octets from the guest, each of another flow if there are as many, in one turn: for one of them.
double turn(std::size_t flows)
{
    memory_kernel kernel;
    kernel.has_udp = true;
    memory_tap tap{{true, true, true}};
    plane_config config;
    config.net = reference_network();
    config.guest_mac = guest_mac;
    config.secret = {1, 77};
    config.datagram_sockets = std::size_t{1} << 20;
    report::counters counters;
    report::event_ring events;
    guest_link guest{guest_mac, config.net.address4.address, config.net.address6, {}};
    os::poller poller;
    plane p{{.config = &config, .tap = tap, .poller = poller, .counters = counters, .events = events, .guest = guest},
            {.tcp = 16, .echo = 16, .tcp_splice = 16, .udp_splice = 16, .tcp_pool = std::size_t{8} << 16},
            kernel.clock};
    std::vector<octet_vector> frame(flows);
    std::array<rx_frame, tap_queue::most_frames> batch;
    const auto make_turn = [&](auto&& next) {
        for (auto& f : batch)
            f = {{}, frame[next()]};
        p.process(batch, kernel.clock);
        p.end_turn(kernel.clock);
        kernel.clock += std::chrono::microseconds{10};
        events.drain([](const auto&) {});
    };
    for (std::size_t i = 0; i < flows; ++i)
        frame[i] = ip_frame(key_of(i), wire::protocol_udp, udp_upper(key_of(i), octet_vector(64)));
    std::size_t at = 0;
    for (std::size_t i = 0; i < flows; i += batch.size()) // all flows begin
        make_turn([&] { return at++ % flows; });
    const auto order = shuffled(flows);
    at = 0;
    const auto turns = nanoseconds(5'000, [&](std::size_t) { make_turn([&] { return order[at++ % flows]; }); });
    return turns / static_cast<double>(batch.size());
}

/// A new flow under an egress policy, by the rules and pins that there are.
double verdict(std::size_t rules, std::size_t pins)
{
    std::mt19937 any;
    egress_policy policy;
    policy.profile = egress_profile::deny_all;
    std::vector<egress_address_rule> allowed;
    for (std::size_t i = 0; i < rules; ++i) {
        const auto length = static_cast<std::uint8_t>(16 + i % 17);
        allowed.push_back({egress_action::allow,
                           {wire::protocol_tcp, {443, 443}},
                           std::nullopt,
                           {ip_address::v4(static_cast<std::uint32_t>(any()) | 0x80000000U), length},
                           static_cast<std::uint16_t>(i)});
    }
    policy.allowed = address_rules{std::move(allowed)};
    policy.names = {{egress_action::allow, {wire::protocol_tcp, {443, 443}}, "example", true, false, 0}};
    const auto table = std::make_shared<pin_table>(32768, siphash_key{1, 2});
    const auto pinned = [](std::size_t i) { return ip_address::v4(static_cast<std::uint32_t>(0x01000000U + i * 7919)); };
    for (std::size_t i = 0; i < pins; ++i)
        (void)table->set({pinned(i), 0, static_cast<std::uint32_t>(i), instant::max()});
    policy.pins = table;
    const host_places host;
    return nanoseconds(100'000, [&](std::size_t i) {
        use(judge(policy, host, wire::protocol_tcp, {pinned(i * 31 % (pins + 1)), 443}, instant{}));
    });
}

} // namespace

int main()
{
    std::puts("| one frame | ns |\n|---|---|");
    frames();
    std::puts("\n| egress policy: rules, pins | new flow, ns |\n|---|---|");
    for (const auto& [rules, pins] : {std::pair<std::size_t, std::size_t>{0, 0}, {10, 100}, {1000, 10'000}})
        std::printf("| %zu, %zu | %.1f |\n", rules, pins, verdict(rules, pins));
    std::puts("\n| flows | lookup, ns | timer, ns | frame in a turn, ns | turns a second |\n|---|---|---|---|---|");
    for (const std::size_t flows :
         {std::size_t{1}, std::size_t{100}, std::size_t{10'000}, std::size_t{50'000}, std::size_t{100'000}}) {
        std::printf("| %zu | %.1f | %.1f |", flows, lookup(flows), timer(flows));
        if (flows > udp_translator::most_flows)
            std::puts(" more than there is room for | |");
        else if (const auto frame = turn(flows); frame > 0)
            std::printf(" %.1f | %.0f |\n", frame, 1e9 / (frame * tap_queue::most_frames));
    }
}
