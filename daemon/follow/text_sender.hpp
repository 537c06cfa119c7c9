// Tells the daemon what the file says, when that is something else than before.
#pragma once

#include "daemon/follow/watch_message.hpp"
#include "daemon/os/unique_fd.hpp"

#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace tapioca {

class text_sender {
public:
    /// For the last text and the next one; what is not needed of it is not touched.
    using memory = char[2][longest_text];

    text_sender(os::unique_fd to_daemon, memory& texts) noexcept : to_daemon_(std::move(to_daemon)), texts_(texts) {}

    [[nodiscard]] int descriptor() const noexcept { return to_daemon_.get(); }

    /// Where the next text is to be read into.
    [[nodiscard]] std::span<char> room() noexcept { return texts_[1 - last_]; }

    /// What was read into the room, and that there is nothing to be read. It waits until there is space in the pipe. False: the
    /// daemon has ended.
    [[nodiscard]] bool send(std::string_view text) noexcept;
    [[nodiscard]] bool send_error(int error) noexcept;

private:
    [[nodiscard]] bool write(const watch_piece& piece) const noexcept;

    os::unique_fd to_daemon_;
    std::optional<int> error_; ///< what was told last: that error, or with 0 a text
    std::size_t size_ = 0;     ///< of the last text
    unsigned last_ = 0;        ///< where it is
    memory& texts_;
};

} // namespace tapioca
