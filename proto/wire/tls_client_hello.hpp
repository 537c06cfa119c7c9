// Whom a TLS client asks for: the server name in the first message of a connection (RFC 8446 sections 4.1.2 and 5.1, RFC 6066
// section 3), which is in the clear. It may be spread over any number of records, and those over any number of segments.
#pragma once

#include "proto/base/bytes.hpp"

#include <array>
#include <span>
#include <string_view>

namespace tapioca::wire {

inline constexpr std::uint16_t https_port = 443;
/// A ClientHello that takes more, with the headers of its records, is none to us.
inline constexpr std::size_t longest_client_hello = 16384;

/// What a stream begins with.
enum class client_hello_kind : std::uint8_t {
    incomplete, ///< what may become a ClientHello
    not_tls,    ///< something else, or a ClientHello that no server understands
    unnamed,    ///< without a server name, or with one that no name service knows
    named,
    encrypted, ///< with the extension encrypted_client_hello (RFC 9849): the name that matters may be another, and nobody can see
};

struct client_hello {
    client_hello_kind kind = client_hello_kind::incomplete;
    std::array<char, 253> octets{};
    std::uint8_t length = 0;

    /// If it is named: A-labels in lower case, without a dot at the end.
    [[nodiscard]] std::string_view name() const noexcept { return {octets.data(), length}; }
};

/// `stream`: all octets that the client has sent so far, in pieces.
[[nodiscard]] client_hello find_client_hello(std::span<const bytes_view> stream) noexcept;

} // namespace tapioca::wire
