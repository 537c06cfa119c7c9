#include "daemon/report/line_file.hpp"

#include "daemon/os/file.hpp"

#include <cerrno>
#include <string_view>
#include <utility>

namespace tapioca::report {

os::result<void> line_file::write()
{
    while (!is_written()) {
        const auto n = os::write_some(file_.get(), std::string_view{waiting_}.substr(written_));
        if (!n && n.error().value() == EINTR)
            continue;
        if (!n)
            return n.error();
        written_ += *n;
        total_ += *n;
    }
    waiting_.clear();
    written_ = 0;
    return {};
}

os::result<void> line_file::replace(os::unique_fd file, const std::string& first)
{
    const auto n = os::write_some(file.get(), first);
    if (!n)
        return n.error();
    if (*n != first.size()) { // no room for a line: none for what follows
        errno = ENOSPC;
        return os::last_error();
    }
    const auto whole = written_ == 0 ? std::string::npos : waiting_.rfind('\n', written_ - 1); // of what the old one has
    waiting_.erase(0, whole == std::string::npos ? 0 : whole + 1);
    written_ = 0;
    file_ = std::move(file);
    return {};
}

} // namespace tapioca::report
