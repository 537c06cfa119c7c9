// The side of a take-over that takes: who served the guest before this process (doc/take_over.md).
//
// It is asked in two steps: for the descriptors that we are built upon, before we are sealed, and for the flows when we could go
// on at once. Whatever fails before the second step is done, it goes on as if nothing had been.
#pragma once

#include "daemon/forward/listener_set.hpp"
#include "daemon/loop/worker_pool.hpp"
#include "daemon/migrate/datagram_reader.hpp"
#include "daemon/os/fd_passing.hpp"
#include "proto/migrate/exchange.hpp"

#include <string>
#include <string_view>

namespace tapioca::migrate {

class predecessor {
public:
    /// Asks the instance that has its control socket at `path` for its parts, to be used with the rules of `opts`. Throws
    /// std::runtime_error, with its reason if it refuses.
    predecessor(const std::string& path, const options& opts);

    std::vector<tun_descriptor> queues; ///< of a tap
    std::string interface;              ///< of the namespace, which the queues belong to
    std::string guest_path;             ///< where a machine's monitor comes to
    /// Named by our own rules. What these have no place for was closed.
    [[nodiscard]] std::vector<listening_socket> take_listeners_of(rule_side side);
    /// A socket that listens at that path; empty: it has none there.
    [[nodiscard]] os::unique_fd listener_at(const std::string& path);
    siphash_key secret;
    std::uint32_t duid_time = 0;

    /// Takes the flows, into workers that stand still, and the place. `own_pid`: as others see it. Throws std::runtime_error; the
    /// other process goes on then.
    void take_place(worker_pool& workers, pid_t own_pid);

private:
    struct message {
        message_kind kind = message_kind::refused;
        std::uint32_t value = 0;
        std::vector<octet> octets;
    };
    struct socket_at {
        std::string path;
        os::unique_fd fd;
    };

    void connect(const std::string& path);
    void ask();
    void take_parts(bytes_view octets, const options& opts);
    void check_link(const parts_header& parts, const options& opts);
    void take_queues(const parts_header& parts);
    void take_sockets(const parts_header& parts, reader& from);
    void take_listeners(bytes_view octets);
    /// Nothing: the other process has ended.
    [[nodiscard]] std::optional<message> receive();
    [[nodiscard]] message demand();
    void say(message_kind kind, std::uint32_t value = 0);
    [[nodiscard]] std::vector<octet> read_sealed(const os::unique_fd& file, std::uint32_t octets) const;
    void restore_link(worker_pool& workers, std::uint32_t octets);
    void restore(worker_pool& workers, std::uint32_t octets);
    [[nodiscard]] bool take_flow(reader& from, os::unique_fd& socket, worker_pool& workers, instant now);
    [[noreturn]] void fail(const std::string& why) const;

    os::unique_fd socket_;
    std::string path_;
    link_kind link_ = link_kind::none; ///< none: its parts have not come
    std::vector<listening_socket> listeners_;
    std::vector<os::unique_fd> passed_; ///< descriptors that have come, in their order
    rule_slots slots_;
    std::vector<socket_at> sockets_;
    bool has_link_ = false; ///< what was under way on a machine's link
    std::size_t taken_ = 0; ///< connections
    taken_datagrams datagrams_;
};

} // namespace tapioca::migrate
