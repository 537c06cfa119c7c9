// The terminal of `tapioca watch`: its second screen, without a cursor and without echo, until it is destroyed.
#pragma once

#include "daemon/os/unique_fd.hpp"

#include <string>
#include <termios.h>
#include <vector>

namespace tapioca::client {

class watch_terminal {
public:
    /// Throws control_failure if the terminal or the signals cannot be had.
    watch_terminal();
    ~watch_terminal();
    watch_terminal(const watch_terminal&) = delete;
    watch_terminal& operator=(const watch_terminal&) = delete;

    struct size {
        std::size_t columns = 80, rows = 24;
    };
    [[nodiscard]] size now() const noexcept;
    void show(const std::vector<std::string>& lines) noexcept;

    /// Readable when a key was pressed, or a signal has come: that the size has changed, or that it is over.
    [[nodiscard]] int keys() const noexcept { return keys_; }
    [[nodiscard]] int signals() const noexcept { return signals_.get(); }
    /// What came: whether the user, or somebody else, wants an end of it.
    [[nodiscard]] bool ends_by_key() noexcept;
    [[nodiscard]] bool ends_by_signal() noexcept;

private:
    int keys_;
    os::unique_fd signals_;
    termios before_{};
};

/// A descriptor that is readable when one of these signals has come, which do nothing else from then on.
[[nodiscard]] os::unique_fd take_signals(std::initializer_list<int> numbers);

} // namespace tapioca::client
