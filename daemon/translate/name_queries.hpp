// Queries of the guest to our name service over UDP that wait for an answer: kept whole, so that another resolver can be asked.
//
// A query is known by its flow and its id. It goes to the resolvers one after the other (proto/forward/resolver_choice.hpp); each
// that it was sent to may answer, but the guest gets one answer only. udp_names.cpp sends and answers; this is the memory, with
// the time when something is to be done next.
#pragma once

#include "daemon/os/arena.hpp"
#include "proto/base/address.hpp"
#include "proto/base/fixed_vector.hpp"
#include "proto/base/time.hpp"
#include "proto/flow/head.hpp"
#include "proto/forward/resolver_choice.hpp"
#include "proto/wire/dns.hpp"

namespace tapioca {

struct name_query {
    flow_id flow;
    std::uint32_t port = 0; ///< slot of the udp_port that it leaves from
    std::uint16_t id = 0, length = 0;
    std::uint16_t error = 0;                         ///< errno, if the host has refused the datagram to the last one
    octet ttl = 0, tos = 0;                          ///< of the guest's packet
    resolver_choice::set tried = 0;                  ///< of the present list
    resolver_choice::set refused = 0, unreached = 0; ///< of those: they said nothing about the name; they cannot be reached
    std::uint8_t current = 0;                        ///< asked last
    std::uint8_t at = 0;                             ///< in the list of those that wait
    std::uint32_t generation = 0;                    ///< of the list
    instant began, sent, due;                        ///< `due`: when something is to be done
    fixed_vector<ip_address, 6> asked;               ///< by this list and those before; the oldest goes first

    [[nodiscard]] resolver_choice::set failed() const noexcept { return refused | unreached; }
    [[nodiscard]] bool is_everywhere_failed() const noexcept { return failed() == tried; }
    void note_asked(const ip_address& resolver) noexcept;
    [[nodiscard]] bool was_asked(const ip_address& resolver) const noexcept;
};
static_assert(sizeof(name_query) <= 192);

class name_queries {
public:
    static constexpr std::size_t most = 128, longest = wire::usual_dns_message;

    /// Reserves all memory.
    name_queries();

    /// Keeps a query of the guest; null if it is too long or too many wait.
    [[nodiscard]] name_query* insert(flow_id flow, std::uint32_t port, const wire::dns_message& m, bytes_view payload) noexcept;
    [[nodiscard]] name_query* find(flow_id flow, std::uint16_t id) noexcept;
    /// The query to which that may be the answer of `resolver`.
    [[nodiscard]] name_query* find(std::uint32_t port, const ip_address& resolver, const wire::dns_message& answer) noexcept;
    void erase(name_query& q) noexcept;
    void forget(flow_id flow) noexcept;

    [[nodiscard]] bytes_view payload_of(const name_query& q) const noexcept;
    void set_due(name_query& q, instant due) noexcept;
    [[nodiscard]] instant next_deadline() const noexcept { return next_; }
    [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }

    /// Calls visit(query) for each that waits; it may erase that one.
    template <class Visit>
    void each(Visit visit) noexcept
    {
        for (auto i = waiting_.size(); i-- != 0;)
            visit(slots_[waiting_[i]]);
    }

private:
    [[nodiscard]] std::size_t slot_of(const name_query& q) const noexcept { return static_cast<std::size_t>(&q - slots_.data()); }
    void find_next() noexcept;

    os::arena slot_memory_, payload_memory_;
    std::span<name_query> slots_;
    fixed_vector<std::uint8_t, most> waiting_, free_; ///< slots; the free ones with the last used on top: few pages are touched
    instant next_ = instant::max();
};

} // namespace tapioca
