// The address of an AF_UNIX socket: a path, or a name of the abstract namespace, which begins with a null octet and ends with the
// address (unix(7)).
#pragma once

#include <cstddef>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>

namespace tapioca::os {

inline constexpr std::size_t longest_socket_path = sizeof(sockaddr_un::sun_path) - 1; ///< and name

class unix_address {
public:
    /// Of longest_socket_path characters at most.
    [[nodiscard]] static unix_address at_path(std::string_view path) noexcept { return {path, 0}; }
    [[nodiscard]] static unix_address of_name(std::string_view name) noexcept { return {name, 1}; }

    [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&address_); }
    [[nodiscard]] socklen_t length() const noexcept { return length_; }

private:
    /// Either has one null octet: behind a path, in front of a name.
    unix_address(std::string_view text, std::size_t at) noexcept
    {
        address_.sun_family = AF_UNIX;
        const auto octets = text.copy(address_.sun_path + at, longest_socket_path);
        length_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + octets + 1);
    }

    sockaddr_un address_{};
    socklen_t length_ = 0;
};

} // namespace tapioca::os
