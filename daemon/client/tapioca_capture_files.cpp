#include "daemon/client/tapioca_capture_files.hpp"

#include "daemon/client/tapioca_connection.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace tapioca::client {
namespace {

[[noreturn]] void fail(const std::string& what)
{
    throw control_failure("couldn't " + what + ": " + std::generic_category().message(errno));
}

/// False: nobody reads.
bool write_all(int file, bytes_view octets)
{
    while (!octets.empty()) {
        const auto n = ::write(file, octets.data(), octets.size());
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EPIPE)
            return false;
        if (n < 0)
            fail("write the capture");
        octets = octets.subspan(static_cast<std::size_t>(n));
    }
    return true;
}

} // namespace

capture_files::capture_files(std::string path, std::uint64_t octets, std::uint32_t count)
    : path_(std::move(path)), limit_(octets), count_(count)
{
}

/// As tcpdump names them: of a ring all are numbered, with as many digits; else the first is not.
std::string capture_files::name_of_next() const
{
    if (count_ != 0) {
        const auto digits = std::to_string(count_ - 1).size();
        const auto number = std::to_string(next_ % count_);
        return path_ + std::string(digits - number.size(), '0') + number;
    }
    return next_ == 0 ? path_ : path_ + std::to_string(next_);
}

void capture_files::open_next()
{
    const auto name = name_of_next();
    ++next_;
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    file_ =
        os::unique_fd{path_ == "-" ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3) : ::open(name.c_str(), flags, S_IRUSR | S_IWUSR)};
    if (!file_)
        fail("open " + name);
    (void)write_all(file_.get(), beginning_);
    written_ = beginning_.size();
}

void capture_files::begin(bytes_view beginning)
{
    beginning_.assign(beginning.begin(), beginning.end());
    open_next();
}

bool capture_files::write(bytes_view block)
{
    if (limit_ != 0 && written_ > beginning_.size() && written_ + block.size() > limit_)
        open_next();
    written_ += block.size();
    return write_all(file_.get(), block);
}

} // namespace tapioca::client
