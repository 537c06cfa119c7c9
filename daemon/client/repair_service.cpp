#include "daemon/client/repair_service.hpp"

#include "daemon/os/passed_rights.hpp"

#include <array>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace tapioca::client {
namespace {

constexpr std::size_t most_sockets = 253; ///< beside one message: SCM_MAX_FD of the kernel

struct repair_request {
    signed char command = 0;
    std::array<os::unique_fd, most_sockets> sockets;
    std::size_t count = 0;
};

enum class receipt { request, end, failure };

receipt receive(int server, repair_request& into) noexcept
{
    alignas(cmsghdr) std::array<char, CMSG_SPACE(most_sockets * sizeof(int))> control;
    iovec where{&into.command, sizeof into.command};
    msghdr message{};
    message.msg_iov = &where;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t n = 0;
    do
        n = ::recvmsg(server, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n == 0 ? receipt::end : receipt::failure;
    os::each_passed_fd(message, [&](os::unique_fd came) {
        if (into.count < most_sockets)
            into.sockets[into.count++] = std::move(came);
    });
    if ((message.msg_flags & MSG_CTRUNC) == 0)
        return receipt::request;
    errno = EMSGSIZE;
    return receipt::failure;
}

repair_status fail(const char* what) noexcept
{
    std::fprintf(stderr, "passt-repair: %s: %s\n", what, std::strerror(errno));
    return repair_status::failed;
}

} // namespace

repair_status serve_repair(int server) noexcept
{
    for (;;) {
        repair_request request;
        switch (receive(server, request)) {
        case receipt::end:
            return repair_status::finished;
        case receipt::failure:
            return fail("Couldn't receive a command");
        case receipt::request:
            break;
        }
        if (request.command < -1 || request.command > 1) {
            errno = EINVAL;
            return fail("An unknown command");
        }
        const int wanted = request.command;
        for (std::size_t i = 0; i < request.count; ++i)
            if (::setsockopt(request.sockets[i].get(), IPPROTO_TCP, TCP_REPAIR, &wanted, sizeof wanted) != 0)
                return fail(errno == EPERM ? "Couldn't set TCP_REPAIR, which takes CAP_NET_ADMIN where the sockets are"
                                           : "Couldn't set TCP_REPAIR");
        if (::send(server, &request.command, sizeof request.command, MSG_NOSIGNAL) != sizeof request.command)
            return errno == EPIPE ? repair_status::finished : fail("Couldn't answer");
    }
}

} // namespace tapioca::client
