#include "daemon/os/fd_passing.hpp"

#include "daemon/os/passed_rights.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tapioca::os {
namespace {

constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

using beside = std::array<char, CMSG_SPACE(most_passed_fds * sizeof(int))>;

} // namespace

// syscalls: sendmsg
result<void> send_with_fds(int socket, bytes_view octets, std::span<const int> fds) noexcept
{
    iovec where{const_cast<octet*>(octets.data()), octets.size()};
    alignas(cmsghdr) beside control{};
    msghdr message{};
    message.msg_iov = &where;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        fds = fds.first(std::min(fds.size(), most_passed_fds));
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(fds.size_bytes());
        auto* const rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(rights), fds.data(), fds.size_bytes());
    }
    const auto n = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0)
        return last_error();
    if (static_cast<std::size_t>(n) != octets.size())
        return boost::system::error_code{EAGAIN, boost::system::system_category()};
    return {};
}

// syscalls: recvmsg
result<std::size_t> receive_with_fds(int socket, bytes_span into, std::vector<unique_fd>& passed, waiting how)
{
    alignas(cmsghdr) beside control;
    iovec where{into.data(), into.size()};
    msghdr message{};
    message.msg_iov = &where;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t n;
    do
        n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (how == waiting::no ? MSG_DONTWAIT : 0));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return last_error();
    each_passed_fd(message, [&](unique_fd came) { passed.push_back(std::move(came)); });
    if ((message.msg_flags & MSG_CTRUNC) != 0)
        return boost::system::error_code{EMSGSIZE, boost::system::system_category()};
    return static_cast<std::size_t>(n);
}

// syscalls: memfd_create
result<unique_fd> make_memory_file() noexcept
{
    unique_fd fd{::memfd_create("tapioca", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    if (!fd)
        return last_error();
    return fd;
}

// syscalls: fcntl
result<void> seal(int memory_file) noexcept
{
    if (::fcntl(memory_file, F_ADD_SEALS, seals) != 0)
        return last_error();
    return {};
}

// syscalls: fcntl
bool is_sealed(int fd) noexcept
{
    const int there = ::fcntl(fd, F_GET_SEALS);
    return there >= 0 && (there & seals) == seals;
}

// syscalls: pread64
result<std::size_t> read_memory(int memory_file, bytes_span into, std::size_t offset) noexcept
{
    std::size_t done = 0;
    while (done < into.size()) {
        const auto n = ::pread(memory_file, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
        if (n < 0)
            return last_error();
        if (n == 0)
            break;
        done += static_cast<std::size_t>(n);
    }
    return done;
}

} // namespace tapioca::os
