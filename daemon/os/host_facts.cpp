#include "daemon/os/host_facts.hpp"

#include "daemon/os/unique_fd.hpp"

#include <charconv>
#include <fstream>
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

std::optional<std::uint32_t> number_in(const std::string& path)
{
    std::ifstream file{path};
    std::string line;
    if (!std::getline(file, line))
        return std::nullopt;
    std::uint32_t number = 0;
    const auto* const last = line.data() + line.size();
    const auto [end, error] = std::from_chars(line.data(), last, number);
    return error == std::errc{} && end == last ? std::optional{number} : std::nullopt;
}

} // namespace tapioca::os
