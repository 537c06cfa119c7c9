// A guest that asks our name service over UDP, and resolvers of the host that do as they are told.
#pragma once

#include "proto/wire/dns.hpp"
#include "tests/sim/scenario.hpp"
#include "tests/support/guest_frames.hpp"
#include "tests/support/octets.hpp"

namespace tapioca::test {

inline constexpr auto mapped4 = ip_address::v4(192, 0, 2, 53);
inline constexpr auto mapped6 = ip_address::v6({0xfd00, 0, 0, 0, 0, 0, 0, 0x53});
constexpr ip_address resolver4(octet last) { return ip_address::v4(203, 0, 113, last); }
constexpr ip_address resolver6(std::uint16_t last) { return ip_address::v6({0x2001, 0xdb8, 7, 0, 0, 0, 0, last}); }

/// What a resolver does with a query: nothing, an answer with that code, or a port that nobody has.
struct manner {
    enum class kind : std::uint8_t { silent, answers, unreachable } what = kind::answers;
    wire::rcode code = wire::rcode::no_error;
    duration delay = 10ms;
    double loss = 0;
};
inline constexpr manner silent{manner::kind::silent}, answers{}, unreachable{manner::kind::unreachable},
    fails{manner::kind::answers, wire::rcode::server_failure};

class name_world {
public:
    struct query {
        memory_socket* socket = nullptr;
        endpoint to;
        octets payload;
        instant when;
    };
    struct heard {
        endpoint from, to;
        octets payload;
        instant when;
        [[nodiscard]] wire::dns_message message() const { return *wire::parse_dns(payload); }
    };

    explicit name_world(std::initializer_list<octet> resolvers, bool v6 = false) : v6_(v6)
    {
        s.kernel.has_udp = true;
        s.config.address_map.names4.forwarded.push_back(mapped4);
        s.config.address_map.names6.forwarded.push_back(mapped6);
        set_resolvers(resolvers);
        s.kernel.on_datagram = [this](memory_socket& socket, const os::outgoing& m) { on_query(socket, m); };
        s.on_other_to_guest = [this](const packet& p) { on_packet(p); };
    }

    void set_resolvers(std::initializer_list<octet> resolvers)
    {
        change([&](address_map& map) {
            map.names4.resolvers.clear();
            map.names6.resolvers.clear();
            for (const auto last : resolvers) {
                map.names4.resolvers.push_back(resolver4(last));
                map.names6.resolvers.push_back(resolver6(last));
            }
        });
    }
    /// By another snapshot.
    void change(const std::function<void(address_map&)>& what)
    {
        auto next = std::make_shared<plane_config>(s.config);
        what(next->address_map);
        s.config = *next;
        std::shared_ptr<const plane_config> given{std::move(next)};
        s.plane->adopt(given);
        s.plane->end_turn(s.now());
    }

    [[nodiscard]] ip_address resolver(octet last) const { return v6_ ? resolver6(last) : resolver4(last); }
    [[nodiscard]] flow_key key(std::uint16_t guest_port) const
    {
        return {v6_ ? s.config.net.address6 : s.config.net.address4.address, v6_ ? mapped6 : mapped4, guest_port, wire::dns_port,
                wire::protocol_udp};
    }
    /// A query for that type of "example.com", with so many octets behind it.
    [[nodiscard]] static octets question(std::uint16_t id, std::uint16_t type = 1, std::size_t padding = 0)
    {
        octets q;
        append(q, wire::dns_header{id, wire::dns_rd, 0, 1, 0, 0, 0});
        q = q + hex("07") + text("example") + hex("03") + text("com") + hex("00");
        append(q, be16{type});
        append(q, be16{1});
        q.resize(q.size() + padding);
        return q;
    }
    void ask(std::uint16_t id, std::uint16_t guest_port = 4000) { send(question(id), guest_port); }
    void send(const octets& payload, std::uint16_t guest_port = 4000)
    {
        const auto k = key(guest_port);
        s.inject(ip_frame(k, wire::protocol_udp, udp_upper(k, payload)));
    }
    static octets answer_to(const octets& query, wire::rcode code)
    {
        auto a = query;
        a[2] = static_cast<octet>(a[2] | wire::dns_qr);
        a[3] = static_cast<octet>(wire::dns_ra | static_cast<octet>(code));
        return a;
    }
    void answer(const query& q, wire::rcode code = wire::rcode::no_error)
    {
        s.kernel.datagram_arrives(*q.socket, {q.to, {}, answer_to(q.payload, code)});
    }

    /// Who was asked, in order, by the last number of the address.
    [[nodiscard]] std::vector<int> asked() const
    {
        std::vector<int> who;
        for (const auto& q : sent)
            who.push_back(q.to.address.octets().back());
        return who;
    }

    simulation s;
    std::map<int, manner> does; ///< by the last number of the address; else it answers
    std::vector<query> sent;
    std::vector<heard> got; ///< by the guest
    std::size_t errors = 0; ///< of ICMP that the guest got

private:
    void on_query(memory_socket& socket, const os::outgoing& m)
    {
        query q{&socket, m.between->to, {}, s.now()};
        for (const auto piece : m.pieces)
            q.payload.insert(q.payload.end(), piece.begin(), piece.end());
        sent.push_back(q);
        const auto& how = does[q.to.address.octets().back()];
        if (how.what == manner::kind::silent || (how.loss > 0 && std::uniform_real_distribution<>{}(random_) < how.loss))
            return;
        s.after(how.delay, [this, q, how] {
            if (how.what == manner::kind::answers)
                return answer(q, how.code);
            q.socket->error_queue.push_back({.error = ECONNREFUSED,
                                             .origin = static_cast<std::uint8_t>(v6_ ? 3 : 2),
                                             .type = static_cast<octet>(v6_ ? 1 : 3),
                                             .code = static_cast<octet>(v6_ ? 4 : 3),
                                             .offender = q.to.address,
                                             .destination = q.to});
            q.socket->error = ECONNREFUSED;
            q.socket->news = true;
        });
    }
    void on_packet(const packet& p)
    {
        if (p.kind != packet_kind::udp) {
            ++errors;
            return;
        }
        const auto d = wire::parse_udp(p.l4);
        REQUIRE(d);
        got.push_back({{p.source, p.source_port}, {p.destination, p.destination_port}, copy(d->payload), s.now()});
    }

    bool v6_;
    std::mt19937 random_{1};
};

} // namespace tapioca::test
