// Lines on their way into a file or a FIFO that takes them when it can: nobody waits for it, and what waits is bounded by whoever
// asks has_room(). A line that was written in part is finished, or written again as a whole where the next file begins.
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace tapioca::report {

class line_file {
public:
    static constexpr std::size_t most_waiting = 256 * 1024; ///< octets

    /// `file`: which is appended to and never waits.
    explicit line_file(os::unique_fd file) noexcept : file_(std::move(file)) {}

    [[nodiscard]] int descriptor() const noexcept { return file_.get(); }
    [[nodiscard]] bool has_room() const noexcept { return waiting_.size() < most_waiting; }
    [[nodiscard]] bool is_written() const noexcept { return written_ == waiting_.size(); }
    /// Octets, since the beginning.
    [[nodiscard]] std::uint64_t written() const noexcept { return total_; }
    /// Whole lines are appended to it.
    [[nodiscard]] std::string& lines() noexcept { return waiting_; }
    /// Writes what waits. Why that was not all: EAGAIN if a reader has to make room first.
    [[nodiscard]] os::result<void> write();
    /// From the next line on another file is written, which is returned if it does not take `first`, a whole line.
    [[nodiscard]] os::result<void> replace(os::unique_fd file, const std::string& first);

private:
    os::unique_fd file_;
    std::string waiting_;     ///< begins with a line's beginning
    std::size_t written_ = 0; ///< of it
    std::uint64_t total_ = 0;
};

} // namespace tapioca::report
