// The server of --control: clients that speak varlink, each at its own pace. A client costs bounded memory: a call of at most
// varlink::longest_call, and the replies that it has not read yet; it is heard again when it has read them.
#pragma once

#include "daemon/control/control_methods.hpp"
#include "daemon/control/reactor.hpp"
#include "daemon/os/unique_fd.hpp"

#include <functional>
#include <map>
#include <optional>

namespace tapioca {

class varlink_server final : public control_service {
public:
    struct parts {
        os::unique_fd seeing, changing; ///< listening; either may be missing
        uid_t own_user = 0;             ///< heard by the socket for seeing
        bool hears_root = false;        ///< too: user 0 is root, and not somebody's namespace's
        control_methods methods;
        std::function<void(os::unique_fd)> hand_over = {}; ///< gets the connection of who wants our place; empty: nobody may
    };
    explicit varlink_server(parts p) : parts_(std::move(p)) {}

    void start(reactor& loop) override;

private:
    struct client {
        os::unique_fd fd;
        client_may what = client_may::see;
        bool is_own_user = false;
        std::string in, out;
        os::unique_fd passed; ///< the last descriptor that came, for the next call
        std::size_t sent = 0;
        std::unique_ptr<running_call> call;
        bool woken = false;      ///< its call has something, and is looked at in a moment
        std::uint64_t heard = 0; ///< when it was last heard, or read something
    };
    enum class sending : std::uint8_t { done, waits, failed };

    void listen(int listener, client_may what);
    void accept(int listener, client_may what);
    void make_room();
    void receive(std::uint64_t number);
    void serve(std::uint64_t number);
    void look_again(std::uint64_t number, client& c, duration pause);
    void wake(std::uint64_t number);
    void wait_for_call(std::uint64_t number, client& c);
    [[nodiscard]] bool answer_next(std::uint64_t number, client& c);
    void give_away(std::uint64_t number, client& c);
    [[nodiscard]] sending send(client& c);
    void wait(std::uint64_t number, client& c, readiness_for what);
    void drop(std::uint64_t number);

    parts parts_;
    reactor* loop_ = nullptr;
    std::map<std::uint64_t, client> clients_;
    std::uint64_t next_ = 0, now_ = 0; ///< the next client's number; counts what clients do
};

} // namespace tapioca
