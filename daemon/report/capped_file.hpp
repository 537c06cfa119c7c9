// A log file that never grows beyond its cap: a first line that names the program, and lines of which the oldest are cut off, 30
// % of the cap at a time, when the next one would not fit.
#pragma once

#include "daemon/os/unique_fd.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace tapioca::report {

class capped_file {
public:
    /// `header` is the first line, without its end. The file is empty and may be read and written.
    capped_file(os::unique_fd file, std::size_t cap, std::string header);

    /// Adds a line; `now` is the time of day of the log, for the note in the header. What the disk refuses is lost silently.
    void write(std::string_view line, std::string_view now) noexcept;

private:
    void cut(std::string_view now) noexcept;
    void append(std::string_view text) noexcept;

    os::unique_fd file_;
    std::size_t cap_, size_ = 0;
    std::string header_, line_;
};

} // namespace tapioca::report
