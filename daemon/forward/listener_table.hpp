// The listening sockets of the instance: one place for each port of each rule, so that sockets that come and go need no search. A
// place's number is what epoll carries. Rules that come later are given places that no rule has.
#pragma once

#include "daemon/forward/listening_socket.hpp"
#include "daemon/os/arena.hpp"
#include "proto/forward/forward_rule.hpp"

#include <array>
#include <atomic>
#include <optional>

namespace tapioca {

class listener_table {
public:
    struct place {
        int fd_plus_one = 0; ///< 0: nothing listens
        listener_name name;

        [[nodiscard]] int fd() const noexcept { return fd_plus_one - 1; }
    };

    /// `may_change`: reserves places for rules that come later, too. They are backed by memory when they are used.
    listener_table(const forward_rules& host, const forward_rules& guest, bool may_change = false);
    ~listener_table();
    listener_table(const listener_table&) = delete;
    listener_table& operator=(const listener_table&) = delete;

    /// Rules have changed, each in its slot. Those that listen somewhere keep their places. What has no place is refused by
    /// put().
    void follow(const forward_rules& host, const forward_rules& guest) noexcept;

    /// Takes ownership of the socket, and closes the one that it replaces. Returns the place.
    std::uint32_t put(listening_socket l) noexcept;
    /// Gives a socket another name. Its new place; nothing if it does not listen.
    std::optional<std::uint32_t> rename(const listener_name& from, const listener_name& to) noexcept;
    /// Closes the socket, if there is one: epoll forgets it then.
    void remove(const listener_name& name) noexcept;
    /// Closes all of them; from several threads at once each closes a share. The last thing that is done with the table.
    void clear() noexcept;
    /// All sockets are in the places from the first to before the end: reading the others would make the kernel back them with
    /// memory.
    [[nodiscard]] std::uint32_t first_used() const noexcept { return first_used_; }
    [[nodiscard]] std::uint32_t end_of_used() const noexcept { return end_of_used_; }
    /// Null if nothing listens there.
    [[nodiscard]] const place* find(std::uint32_t at) const noexcept;
    [[nodiscard]] const place* find(const listener_name& name) const noexcept
    {
        const auto* p = find(place_of(name));
        return p != nullptr && p->name == name ? p : nullptr;
    }
    [[nodiscard]] std::uint32_t place_of(const listener_name& name) const noexcept;

private:
    /// Of a rule: its first port is at this place.
    struct start {
        std::uint32_t place = 0, count = 0;
        std::uint16_t port = 0;
    };
    void allot(start& s, const forward_rule& rule) noexcept;

    std::array<start, 2 * forward_rules::capacity()> starts_{}; ///< those of the guest's side behind
    os::arena memory_;
    std::span<place> places_;
    std::uint32_t first_used_ = ~0U, end_of_used_ = 0;
    std::atomic<std::uint32_t> cleared_ = 0; ///< of the used places: claimed by a thread that closes them
};

} // namespace tapioca
