// The plane of a worker in the memory kernel, for fuzzing: turns as a worker makes them, and a look at every frame that leaves
// for the guest.
#pragma once

#include "daemon/plane/plane.hpp"
#include "proto/base/checksum.hpp"
#include "proto/frame/segmentation.hpp"
#include "tests/support/fuzz.hpp"
#include "tests/support/guest_frames.hpp"
#include "tests/support/memory_kernel.hpp"
#include "tests/support/memory_tap.hpp"

#include <functional>
#include <memory>

namespace tapioca::test {

inline constexpr std::size_t most_flows_each = 16;

/// What differs between instances.
struct plane_setup {
    std::uint16_t mtu = 1500;
    offloads offered{true, true, true};
    bool peek_offset = true;
    bool mapped = false; ///< addresses of the guest's that mean others on the host
    bool traced = false; ///< each packet is reported
};

class plane_world {
public:
    explicit plane_world(const plane_setup& setup)
        : config(configuration(setup)), tap(setup.offered),
          guest(guest_mac, config.address_map.guest4, config.address_map.guest6, {})
    {
        kernel.has_peek_offset = setup.peek_offset;
        kernel.has_udp = kernel.has_ping = true;
        plane = std::make_unique<tapioca::plane>(
            context{.config = &config, .tap = tap, .poller = poller, .counters = counters(), .events = events(), .guest = guest},
            plane_sizes{.tcp = most_flows_each,
                        .udp = most_flows_each,
                        .echo = most_flows_each,
                        .tcp_splice = most_flows_each,
                        .udp_splice = most_flows_each,
                        .tcp_pool = std::size_t{8} << 16},
            kernel.clock);
        tcp = &plane->tcp();
        udp = &plane->udp();
        echo = &plane->echo();
        udp_listener = kernel.make_datagram_socket();
        plane->listen({os::unique_fd{udp_listener->fd}, udp_name}, kernel.clock);
        FUZZ_CHECK(udp_listener->watcher == &poller);
    }

    /// One turn of a worker. True if there may be more to do.
    bool turn()
    {
        const auto now = kernel.clock;
        const bool had_frames = !tap.from_guest.empty();
        const auto ready = poller.wait(now, now);
        for (const auto& e : ready) {
            FUZZ_CHECK(is_of_plane(static_cast<source>(e.what.kind)));
            plane->take(e, now);
        }
        plane->process(tap.receive(memory_tap::most_frames), now);
        plane->end_turn(now);
        for (; !tap.to_guest.empty(); tap.to_guest.pop_front())
            check(tap.to_guest.front());
        events().drain([](const auto&) {});
        FUZZ_CHECK(counters().value(report::counter::flow_quarantined) == 0);
        FUZZ_CHECK(counters().value(report::counter::tcp_stalls_recovered) == 0); // every event is told here, so none is missed
        return had_frames || !ready.empty() || plane->has_ready();
    }

    /// Turns until nothing moves any more: without news from outside it must come to rest, with its next deadline ahead.
    void settle()
    {
        int turns = 0;
        while (turn())
            FUZZ_CHECK(++turns < 1000);
        FUZZ_CHECK(next_deadline() > kernel.clock);
        FUZZ_CHECK(kernel.open_sockets() <= 1U + tcp->flow_count() + udp->flow_count() + echo->flow_count());
    }

    [[nodiscard]] instant next_deadline() const { return plane->next_deadline(kernel.clock); }

    /// Without a word from anybody every flow ends, at last: nothing is kept for ever.
    void fall_silent()
    {
        for (int hours = 0; hours < 40 && flow_count() != 0; ++hours) {
            kernel.clock += std::chrono::hours{1};
            settle();
        }
        FUZZ_CHECK(flow_count() == 0 && kernel.open_sockets() == 1);
    }

    [[nodiscard]] std::uint32_t flow_count() const { return tcp->flow_count() + udp->flow_count() + echo->flow_count(); }

    static constexpr listener_name tcp_name{.rule = 0, .port = 8080, .protocol = wire::protocol_tcp};
    static constexpr listener_name udp_name{.rule = 1, .port = 8080, .protocol = wire::protocol_udp};

    std::function<void(const packet&, bytes_view frame)> on_frame; ///< each frame, once it was cut

    memory_kernel kernel;
    plane_config config;
    memory_tap tap;
    guest_link guest;
    os::poller poller;
    memory_socket* udp_listener = nullptr;
    std::unique_ptr<tapioca::plane> plane;
    tcp_translator* tcp = nullptr; ///< of the plane, as are these
    udp_translator* udp = nullptr;
    echo_translator* echo = nullptr;

private:
    static report::counters& counters()
    {
        static report::counters all;
        return all;
    }
    static report::event_ring& events()
    {
        static report::event_ring ring;
        return ring;
    }

    static plane_config configuration(const plane_setup& setup)
    {
        plane_config c;
        c.net = reference_network();
        c.net.mtu = setup.mtu;
        c.peek_offset4 = c.peek_offset6 = setup.peek_offset;
        c.guest_mac = guest_mac;
        c.address_map.guest4 = c.address_map.host4 = c.net.address4.address;
        c.address_map.guest6 = c.address_map.host6 = c.net.address6;
        c.address_map.our_tap4 = c.net.our_address4;
        c.address_map.our_tap6_ll = c.net.our_link_local;
        if (setup.mapped) {
            c.address_map.map_host_loopback4 = c.net.gateway4;
            c.address_map.map_host_loopback6 = c.net.our_link_local;
            c.address_map.names4.forwarded.push_back(ip_address::v4(198, 51, 100, 3));
            c.address_map.names4.resolvers.push_back(ip_address::v4(127, 0, 0, 53));
            c.address_map.names4.resolvers.push_back(ip_address::v4(203, 0, 113, 53));
        }
        c.trace = setup.traced;
        c.secret = {1, 77};
        c.host_rules.push_back({.protocol = wire::protocol_tcp, .first = 8080, .last = 8080, .target_first = 8080});
        c.host_rules.push_back({.protocol = wire::protocol_udp, .first = 8080, .last = 8080, .target_first = 8080});
        c.unanswered_flows = most_flows_each / 2;
        c.datagram_sockets = most_flows_each + most_flows_each / 2;
        return c;
    }

    /// What this world has registered.
    static bool is_of_plane(source s)
    {
        return s == source::tcp_flow || s == source::udp_port || s == source::echo_flow || s == source::udp_listener;
    }

    void check(const memory_frame& f)
    {
        const auto& offered = tap.offload();
        if (f.vnet.gso_type == wire::vnet_gso_none) {
            auto octets = f.octets;
            complete_checksum(octets, f.vnet);
            return check_frame(octets);
        }
        FUZZ_CHECK(f.vnet.gso_type == wire::vnet_gso_udp_l4 ? offered.uso : offered.tso);
        FUZZ_CHECK(f.vnet.gso_size != 0 && f.vnet.header_length < f.octets.size());
        FUZZ_CHECK(f.octets.size() <= sizeof(wire::ethernet_header) + 65535 + 40);
        segmenter cut{bytes_view{f.octets}.first(f.vnet.header_length), bytes_view{f.octets}.subspan(f.vnet.header_length),
                      f.vnet, vectors::none};
        octet_vector octets;
        while (!cut.done()) {
            octets.resize(cut.next_length());
            (void)cut.next(octets.data());
            check_frame(octets);
        }
    }

    /// What no frame may lack: our address, lengths that agree, checksums that hold, a size that the link takes.
    void check_frame(bytes_view frame)
    {
        FUZZ_CHECK(frame.size() >= sizeof(wire::ethernet_header));
        FUZZ_CHECK(frame.size() <= sizeof(wire::ethernet_header) + std::max<std::size_t>(config.net.mtu, 1280));
        FUZZ_CHECK(std::equal(our_mac.octets.begin(), our_mac.octets.end(), frame.begin() + 6));
        const auto p = classify(frame);
        FUZZ_CHECK(static_cast<bool>(p));
        if (p->kind != packet_kind::arp)
            check_packet(*p, frame);
        if (on_frame)
            on_frame(*p, frame);
    }

    static void check_packet(const packet& p, bytes_view frame)
    {
        FUZZ_CHECK(p.l4.data() + p.l4.size() == frame.data() + frame.size());
        if (p.source.is_v4())
            FUZZ_CHECK(checksum_of(ones_sum(p.l3.first(4U * (p.l3[0] & 15)))) == 0);
        const auto length = static_cast<std::uint32_t>(p.l4.size());
        std::uint64_t sum = ones_sum(p.l4);
        switch (p.kind) {
        case packet_kind::tcp:
            sum += pseudo_header_sum(p.source, p.destination, wire::protocol_tcp, length);
            break;
        case packet_kind::udp:
            sum += pseudo_header_sum(p.source, p.destination, wire::protocol_udp, length);
            break;
        case packet_kind::icmpv6:
            sum += pseudo_header_sum(p.source, p.destination, wire::protocol_icmpv6, length);
            break;
        case packet_kind::icmp:
            break;
        case packet_kind::arp:
        case packet_kind::fragment:
            return;
        }
        FUZZ_CHECK(checksum_of(sum) == 0);
    }
};

} // namespace tapioca::test
