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

std::optional<std::pair<std::uint16_t, std::uint16_t>> ephemeral_ports()
{
    std::ifstream file{"/proc/sys/net/ipv4/ip_local_port_range"};
    std::uint16_t first = 0, last = 0;
    if (!(file >> first >> last) || first > last)
        return std::nullopt;
    return std::pair{first, last};
}

// syscalls: socket setsockopt close
bool can_bind_to_interface()
{
    constexpr char loopback[] = "lo";
    const unique_fd fd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    return fd && ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, loopback, sizeof loopback) == 0;
}

} // namespace tapioca::os
