// Exchanges of datagrams between a guest of packets and real sockets: each has a port of the guest and a peer for itself while it
// lasts, so that whatever comes can be judged by where it came from and what is in it.
#pragma once

#include "tests/adversary/packet_guest.hpp"
#include "tests/adversary/sockets.hpp"
#include "tests/support/stream_pattern.hpp"

#include <map>
#include <set>

namespace tapioca::adversary {

inline constexpr std::uint16_t guest_ports = 20000, forwarded_ports = 31000;
inline constexpr std::uint32_t most_exchanges = 64, ports_each = 16, peers_each = 16;

enum class answering : std::uint8_t {
    plain,      ///< one answer
    many,       ///< some answers
    other_port, ///< the answer comes from another port of the peer, which is then spoken to: as TFTP does
    stranger,   ///< before the answer, another host sends to the same port: the guest must not hear of it
    none,       ///< nothing comes back
};

class datagram_crowd {
public:
    explicit datagram_crowd(const crowd_options& options);
    ~datagram_crowd();
    /// True if nothing was wrong.
    bool run();

private:
    struct peer {
        int descriptor = -1;
        endpoint at;
    };
    struct exchange {
        std::uint64_t number = 0;
        bool busy = false, inbound = false, heard = false, second = false;
        answering how = answering::plain;
        std::size_t request = 0;
        std::vector<std::size_t> answers; ///< their sizes; each has a pattern of its own
        std::set<std::size_t> missing;
        endpoint guest;       ///< as the guest knows itself
        std::size_t with = 0; ///< the peer, one of the slot's own
        std::size_t answers_from = 0;
        instant began, quiet_until;
    };

    void open_peers(std::uint32_t slot);
    void begin(std::uint32_t slot);
    void choose(exchange& e, std::uint32_t slot, dice& d);
    void at_peer(std::size_t number);
    void judge_request(exchange& e, const endpoint& from);
    void answer(exchange& e, const endpoint& to);
    void at_guest(const datagram& d);
    void take_answer(exchange& e, bytes_view payload);
    void check_end(std::uint32_t slot);
    void wrong(const exchange& e, const std::string& what);
    void send_from(const peer& p, const endpoint& to, bytes_view payload);
    [[nodiscard]] std::vector<octet> octets(const exchange& e, std::size_t which, std::size_t size) const;
    [[nodiscard]] bool is_right(const exchange& e, std::size_t which, std::size_t size, bytes_view got) const;
    bool summary() const;

    crowd_options options_;
    packet_guest guest_;
    int epoll_;
    std::vector<peer> peers_; ///< peers_each of both families for each slot; the strangers behind them all
    std::vector<exchange> exchanges_;
    struct mapping {
        std::uint16_t port = 0;
        instant used;
    };
    std::map<std::pair<bool, std::uint16_t>, mapping> mappings_; ///< by family and the guest's port: as whom peers see it
    std::set<std::pair<std::uint32_t, std::size_t>> flows_;
    dice dice_;
    instant now_;
    std::uint64_t begun_ = 0, over_ = 0, wrong_ = 0, sent_ = 0, received_ = 0, moved_ = 0;
    duration slowest_{};
    bool link_is_up_ = true;
};

} // namespace tapioca::adversary
