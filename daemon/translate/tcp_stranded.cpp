// Connections whose address the host has lost.

#include "daemon/translate/tcp_translator.hpp"

#include <algorithm>

namespace tapioca {

std::uint32_t tcp_translator::end_stranded(std::uint32_t from, std::uint32_t most, std::span<const ip_address> gone,
                                           instant now) noexcept
{
    return flows_.for_some(from, most, [&](tcp_flow& f) {
        const auto local = f.fd >= 0 ? os::local_endpoint(f.fd) : endpoint{};
        if (local && std::find(gone.begin(), gone.end(), local->address) != gone.end())
            (void)abort(f, end_reason::address_gone, now);
    });
}

} // namespace tapioca
