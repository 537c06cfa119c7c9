// Whoever sets TCP_REPAIR for us, which takes a privilege: passt-repair, connected to the socket of --repair-path. Sockets go to
// it beside a command, and the same command comes back once that is done.
//
// A helper that comes later takes the place of the one before, also in the middle of something: the batch that was not answered
// is asked for again. Upstream's helper takes no more sockets than came with the batch before, so batches do not grow.
#pragma once

#include "daemon/control/reactor.hpp"
#include "daemon/os/unique_fd.hpp"

#include <cstddef>
#include <vector>

namespace tapioca {

enum class repair_mode : signed char { on = 1, off = 0 };

class repair_channel {
public:
    /// Listens; an empty descriptor: nobody will ever come.
    explicit repair_channel(os::unique_fd listener) noexcept : listener_(std::move(listener)) {}

    void start(reactor& loop);

    /// done: all; refused: some may be, as the helper could not; nobody: none, as there is no helper.
    enum class outcome : std::uint8_t { done, refused, nobody };
    /// One at a time. Waits for a helper for so long, if there is none.
    void set(std::vector<int> sockets, repair_mode mode, duration patience, std::function<void(outcome)> then);

private:
    void accept();
    void begin();
    void send_batch();
    void take_answer();
    void helper_failed();
    void end(outcome how);

    os::unique_fd listener_, helper_;
    reactor* loop_ = nullptr;
    std::vector<int> sockets_;
    std::size_t batch_ = 0;         ///< sockets in the batch that is not answered
    std::size_t largest_batch_ = 0; ///< of this helper
    repair_mode mode_ = repair_mode::off;
    std::function<void(outcome)> then_; ///< empty: nothing is asked
    std::uint64_t number_ = 0;          ///< of the last question
    bool begun_ = false;
};

} // namespace tapioca
