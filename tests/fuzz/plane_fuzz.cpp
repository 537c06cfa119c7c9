// Whole frames of a guest through classify, ingress and the translators, with sockets, peers and a clock around them: an input is
// a sequence of events. Frames come as they are, or made for flows that exist, with sequence numbers near what is expected. The
// octets of both streams follow a pattern, so that each that arrives is known to be right and in its place.
//
// An event is eight octets: what, flow, flags, offset of the sequence number, of the acknowledgement, more flags, length.
#include "tests/fuzz/conversation.hpp"
#include "tests/fuzz/plane_events.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

constexpr int most_events = 300;
constexpr std::size_t names = 16; ///< of flows; the guest opens the first half, peers the others

class exerciser {
public:
    explicit exerciser(octet setup) : world_(setup_of(setup))
    {
        for (std::size_t i = 0; i < names; ++i) {
            auto& c = conversations_[i];
            const bool v6 = i % 2 != 0, from_peer = i >= names / 2;
            c.key.guest = v6 ? world_.config.net.address6 : world_.config.net.address4.address;
            c.key.remote = v6 ? ip_address::v6({0x2001, 0xdb8, 9, 0, 0, 0, 0, 9}) : ip_address::v4(203, 0, 113, 9);
            c.key.guest_port = static_cast<std::uint16_t>(from_peer ? 8080 : 40000 + i);
            c.key.remote_port = static_cast<std::uint16_t>(1000 + i);
            c.key.protocol = wire::protocol_tcp;
            c.by_peer = from_peer;
            c.guest_iss = seq_number{static_cast<std::uint32_t>(0xffff'f000U + i * 0x1357'9bdfU)};
        }
        world_.on_frame = [this](const packet& p, bytes_view frame) { seen(p, frame); };
        world_.kernel.on_connect = [this](memory_socket& s) { return connecting(s); };
        world_.kernel.on_datagram = [this](memory_socket& s, const os::outgoing& m) {
            check_message(m);
            if (m.between != nullptr && &s != world_.udp_listener) // not connected: answers come from where it sends to
                s.remote = m.between->to;
        };
    }

    void take(const event& e, fuzz_input& in)
    {
        switch (e.what % 16) {
        case 0:
        case 1:
            raw_frame(e, in);
            break;
        case 2:
        case 3:
        case 4:
            segment(e);
            break;
        case 5:
            datagram(e, in);
            break;
        case 6:
            echo(e);
            break;
        case 7:
        case 8:
            peer_acts(e);
            break;
        case 9:
            time_passes(e);
            break;
        case 10:
            peer_opens(conversations_[names / 2 + e.flow % (names / 2)]);
            break;
        case 11:
            datagrams_arrive(e, in);
            break;
        case 12:
            server_is_asked(e, in);
            break;
        case 13:
            fragment(e);
            break;
        case 14:
            guest_complains(e);
            break;
        case 15:
            misfortune(e);
            break;
        }
        if ((e.what & 0x80) == 0)
            world_.settle();
    }

    void finish()
    {
        world_.kernel.socket_fails = world_.kernel.watch_fails = world_.kernel.send_failures = world_.kernel.bind_fails = 0;
        world_.tap.refusals = 0;
        world_.settle();
        for (auto& c : conversations_)
            c.peer_takes(world_.kernel, SIZE_MAX, !raw_);
        world_.fall_silent();
    }

private:
    conversation& named(const event& e) { return conversations_[e.flow % names]; }
    void send(octet_vector frame, const wire::virtio_net_header& vnet = {})
    {
        world_.tap.from_guest.push_back({vnet, std::move(frame)});
    }

    void raw_frame(const event& e, fuzz_input& in)
    {
        const auto octets = in.take(e.length % 4096U);
        octet_vector frame{octets.begin(), octets.end()};
        if (e.flags % 2 == 0)
            repair(frame);
        // Whatever such a frame does to a conversation, the pattern of its octets is unknown from here on.
        const auto remote4 = conversations_[0].key.remote.v4_octets();
        const auto remote6 = conversations_[1].key.remote.octets();
        raw_ = raw_ || std::search(frame.begin(), frame.end(), remote4.begin(), remote4.end()) != frame.end() ||
               std::search(frame.begin(), frame.end(), remote6.begin(), remote6.end()) != frame.end();
        send(std::move(frame));
    }

    /// Sequence numbers are those expected, or some way off; a SYN's is always the conversation's own.
    void segment(const event& e)
    {
        auto& c = named(e);
        wire::tcp_fields f;
        f.flags = (e.flags & 0xc0) == 0xc0 ? e.flags & 0x3f : e.flags & wire::tcp_psh;
        if ((e.flags & 0x80) == 0)
            f.flags |= (e.flags & 0x40) != 0 ? wire::tcp_ack | (e.flags & wire::tcp_fin) : wire::tcp_ack;
        const bool is_open = c.opened;
        if (!is_open && !c.by_peer)
            f.flags = wire::tcp_syn;
        const bool syn = (f.flags & wire::tcp_syn) != 0 || (is_open && c.by_peer && !c.answered);
        octet_vector options, payload;
        if (syn) {
            f.flags = static_cast<octet>(wire::tcp_syn | (is_open ? wire::tcp_ack : 0) | (f.flags & wire::tcp_rst));
            options = {wire::tcp_option_mss, 4, e.more, e.seq};
            if (e.more % 2 != 0)
                append(options, std::array<octet, 4>{1, wire::tcp_option_window_scale, 3, static_cast<octet>(e.more / 16)});
        }
        f.seq = syn ? c.guest_iss : seq_number{c.ack.value() + static_cast<std::uint32_t>(offset(e.seq))};
        f.ack = seq_number{c.snd.value() + static_cast<std::uint32_t>(offset(e.ack))};
        f.window = static_cast<std::uint16_t>(e.more * 257);
        if (!syn) {
            payload.resize(e.length % (e.more % 4 == 0 ? 60000U : 1460U));
            c.fill(payload, f.seq);
        }
        send(ip_frame(c.key, wire::protocol_tcp, tcp_upper(c.key, f, options, payload),
                      {.ttl = e.ack == 7 ? octet{3} : octet{64}}));
    }

    flow_key datagram_key(const event& e, octet protocol)
    {
        constexpr std::uint16_t ports[] = {53, 1000, 5353, 443};
        auto key = named(e).key;
        key.protocol = protocol;
        key.remote_port = ports[e.seq % 4];
        if (e.flags % 8 == 7)
            key.remote = key.remote.is_v4() ? ip_address::v4(198, 51, 100, 3) : world_.config.net.our_link_local;
        return key;
    }

    void datagram(const event& e, fuzz_input& in)
    {
        const auto key = datagram_key(e, wire::protocol_udp);
        octet_vector payload(e.length % ((e.more & 1) != 0 ? 9000U : 1473U));
        const auto start = in.take(std::min<std::size_t>(e.ack % 16, payload.size()));
        std::copy(start.begin(), start.end(), payload.begin());
        wire::virtio_net_header vnet;
        if ((e.more & 2) != 0 && payload.size() > 100) {
            vnet.gso_type = wire::vnet_gso_udp_l4;
            vnet.gso_size = static_cast<std::uint16_t>(std::max<std::size_t>(payload.size() / 7, 1));
        }
        send(ip_frame(key, wire::protocol_udp, udp_upper(key, payload),
                      {.ttl = static_cast<octet>((e.more & 4) != 0 ? 1 : 64), .tos = e.seq, .dont_fragment = (e.more & 8) != 0}),
             vnet);
    }

    void echo(const event& e)
    {
        const auto key = datagram_key(e, wire::protocol_icmp);
        const bool v4 = key.guest.is_v4();
        const octet_vector payload(e.length % ((e.more & 1) != 0 ? 9000U : 1473U), e.ack);
        const octet type = v4 ? wire::icmpv4_echo_request : wire::icmpv6_echo_request;
        send(ip_frame(key, v4 ? wire::protocol_icmp : wire::protocol_icmpv6, echo_upper(key, type, 0, payload),
                      {.ttl = static_cast<octet>(e.more), .dont_fragment = (e.more & 8) != 0}));
    }

    void fragment(const event& e)
    {
        const auto key = datagram_key(e, wire::protocol_udp);
        const octet_vector payload(std::max<std::size_t>(e.length % 3000U / 8 * 8, 8), e.ack);
        auto upper = e.seq % 4 == 0 ? udp_upper(key, payload) : payload;
        if (upper.size() > 6)
            upper[4] = e.ack, upper[5] = e.seq;
        const bool v4 = key.guest.is_v4();
        const octet protocol = e.flags % 4 != 0 ? wire::protocol_udp : v4 ? wire::protocol_icmp : wire::protocol_icmpv6;
        send(ip_frame(key, protocol, upper,
                      {.identification = static_cast<std::uint16_t>(e.more % 4),
                       .fragment_offset = static_cast<std::uint16_t>(e.seq % 64 * (e.ack % 2 == 0 ? 8 : 1024)),
                       .more_fragments = (e.flags & 0x10) != 0}));
    }

    /// DHCP, DHCPv6, and whatever else has a server in this program.
    void server_is_asked(const event& e, fuzz_input& in)
    {
        auto key = named(e).key;
        const bool v4 = key.guest.is_v4();
        key.guest_port = v4 ? 68 : 546;
        key.remote_port = v4 ? 67 : 547;
        key.guest = v4 ? ip_address::v4(0) : guest_link_local;
        key.remote = v4 ? ip_address::v4(255, 255, 255, 255) : ip_address::v6({0xff02, 0, 0, 0, 0, 0, 1, 2});
        send(ip_frame(key, wire::protocol_udp, udp_upper(key, in.take(e.length % 1400U))));
    }

    /// An ICMP error of the guest that quotes what it got from us.
    void guest_complains(const event& e)
    {
        const auto& c = named(e);
        const bool v4 = c.key.guest.is_v4();
        const bool tcp = e.flags % 2 == 0;
        const flow_key quoted{c.key.remote, c.key.guest, c.key.remote_port, c.key.guest_port, c.key.protocol};
        wire::tcp_fields f;
        f.seq = seq_number{c.snd.value() + static_cast<std::uint32_t>(offset(e.seq))};
        const auto upper = tcp ? tcp_upper(quoted, f, {}, {}) : udp_upper(quoted, octet_vector(e.length % 64U));
        const auto packet = ip_frame(quoted, tcp ? wire::protocol_tcp : wire::protocol_udp, upper);
        const octet type = v4 ? wire::icmpv4_unreachable : wire::icmpv6_unreachable;
        send(ip_frame(c.key, v4 ? wire::protocol_icmp : wire::protocol_icmpv6,
                      echo_upper(c.key, type, e.ack % 5, bytes_view{packet}.subspan(sizeof(wire::ethernet_header)))));
    }

    void peer_opens(conversation& c)
    {
        c.forget();
        memory_socket* socket = nullptr;
        auto accepted = world_.kernel.accept_from({c.key.remote, c.key.remote_port}, socket);
        world_.plane->take_connection(std::move(accepted), plane_world::tcp_name, world_.kernel.clock);
        if (!socket->closed)
            c.socket = socket;
    }

    int connecting(memory_socket& s)
    {
        for (auto& c : conversations_)
            if (s.remote == endpoint{c.key.remote, c.key.remote_port}) {
                c.forget();
                c.socket = &s;
            }
        return connect_result_;
    }

    void peer_acts(const event& e)
    {
        auto* socket = named(e).socket;
        if (socket == nullptr || socket->closed)
            return;
        auto& kernel = world_.kernel;
        switch (e.flags % 8) {
        case 0:
            if (socket->at == memory_socket::stage::connecting)
                kernel.connected(*socket);
            break;
        case 1:
            if (socket->at == memory_socket::stage::connecting)
                kernel.connect_failed(*socket, error_of(e.seq));
            break;
        case 2:
        case 3:
            return named(e).peer_writes(kernel, std::size_t{e.length} * (e.more % 4 == 0 ? 4 : 1));
        case 4:
            return named(e).peer_takes(kernel, e.length, !raw_);
        case 5:
            if (socket->at == memory_socket::stage::connected)
                kernel.peer_finishes(*socket);
            break;
        case 6:
            kernel.peer_resets(*socket, e.seq % 2 == 0 ? ECONNRESET : error_of(e.seq));
            break;
        case 7:
            return network_complains(e, *socket);
        }
    }

    /// An ICMP error about what a socket sent, or an error of this host's own.
    void network_complains(const event& e, memory_socket& s)
    {
        os::queued_error entry;
        entry.error = error_of(e.seq);
        entry.origin = e.more % 4;
        entry.type = e.ack / 16;
        entry.code = e.ack % 16;
        entry.info = e.length;
        entry.offender = (e.more & 4) != 0 ? ip_address{} : named(e).key.remote;
        entry.destination = {named(e).key.remote, named(e).key.remote_port};
        entry.length = e.more / 16;
        s.error_queue.push_back(entry);
        if ((e.more & 8) != 0)
            s.error = entry.error;
        s.news = true;
    }

    void time_passes(const event& e)
    {
        auto& clock = world_.kernel.clock;
        if (e.flags % 4 == 0)
            clock += std::chrono::microseconds{e.length};
        else if (e.flags % 4 == 1)
            clock += std::chrono::milliseconds{e.length};
        else if (const auto next = world_.next_deadline(); next != instant::max())
            clock = std::max(clock, next);
    }

    void datagrams_arrive(const event& e, fuzz_input& in)
    {
        const auto& key = named(e).key;
        memory_datagram d{.source = {key.remote, key.remote_port}, .destination = {}, .octets = {}};
        const auto start = in.take(e.ack % 16);
        d.octets.assign(start.begin(), start.end());
        d.octets.resize(std::max<std::size_t>(d.octets.size(), e.length % ((e.more & 1) != 0 ? 65507U : 3000U)), e.ack);
        if ((e.more & 2) != 0)
            d.segment = static_cast<std::uint16_t>(std::max<std::size_t>(d.octets.size() / (e.seq % 60U + 1), 1));
        if ((e.more & 4) != 0)
            return arrive_at_listener(e, std::move(d));
        for (auto& s : world_.kernel.sockets())
            if (s.datagrams && !s.closed && (s.remote == endpoint{} || s.remote.address == key.remote) &&
                (e.more & 8) == (s.fd % 2 == 0 ? 8 : 0)) {
                if (s.remote != endpoint{})
                    d.source = s.remote;
                if ((e.more & 0x10) != 0)
                    return network_complains(e, s);
                return world_.kernel.datagram_arrives(s, std::move(d));
            }
    }

    void arrive_at_listener(const event& e, memory_datagram d)
    {
        if ((e.more & 0x10) != 0)
            return network_complains(e, *world_.udp_listener);
        d.destination =
            d.source.address.is_v4() ? ip_address::v4(192, 0, 2, 1) : ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 7});
        world_.kernel.datagram_arrives(*world_.udp_listener, std::move(d));
    }

    void misfortune(const event& e)
    {
        const int error = (e.seq & 1) != 0 ? error_of(e.ack) : 0;
        switch (e.flags % 7) {
        case 0:
            world_.tap.refusals = e.more % 8;
            break;
        case 1:
            world_.kernel.socket_fails = (e.seq & 1) != 0 ? EMFILE : 0;
            break;
        case 2:
            world_.kernel.watch_fails = (e.seq & 1) != 0 ? ENOMEM : 0;
            break;
        case 3:
            world_.kernel.send_fails = error_of(e.ack);
            world_.kernel.send_failures = e.more % 8;
            break;
        case 4:
            connect_result_ = (e.seq & 2) != 0 ? error : EINPROGRESS;
            break;
        case 5:
            world_.kernel.bind_fails = (e.seq & 1) == 0 ? 0 : (e.seq & 2) != 0 ? EADDRINUSE : EADDRNOTAVAIL;
            break;
        case 6:
            if (auto* s = named(e).socket; s != nullptr)
                s->send_limit = std::size_t{e.length} + 1;
            break;
        }
    }

    void seen(const packet& p, bytes_view)
    {
        if (p.kind != packet_kind::tcp)
            return;
        const auto s = wire::parse_tcp(p.l4);
        FUZZ_CHECK(static_cast<bool>(s));
        for (auto& c : conversations_)
            if (p.source == c.key.remote && p.destination == c.key.guest && p.source_port == c.key.remote_port &&
                p.destination_port == c.key.guest_port)
                return c.see(*s);
    }

    plane_world world_;
    std::array<conversation, names> conversations_;
    int connect_result_ = EINPROGRESS;
    bool raw_ = false; ///< a frame that we did not make may have reached a conversation
};

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz_input in{{data, size}};
    exerciser e{in.take<octet>()};
    for (int events = 0; events < most_events && !in.empty(); ++events)
        e.take(in.take<event>(), in);
    e.finish();
    return 0;
}
