#include "daemon/os/host_facts.hpp"

#include "daemon/os/unique_fd.hpp"

#include <sys/socket.h>
#include <sys/utsname.h>

namespace tapioca::os {

// syscalls: uname
std::string host_name()
{
    utsname names{};
    return ::uname(&names) == 0 ? names.nodename : "";
}

// syscalls: socket close
bool has_ipv6() { return static_cast<bool>(unique_fd{::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)}); }

} // namespace tapioca::os
