// Connections whose address the host has lost, or the guest.

#include "daemon/translate/tcp_translator.hpp"

#include <algorithm>

namespace tapioca {

std::uint32_t tcp_translator::end_stranded(std::uint32_t from, std::uint32_t most, const lost_addresses& lost,
                                           instant now) noexcept
{
    return flows_.for_some(from, most, [&](tcp_flow& f) {
        const auto has = [](std::span<const ip_address> list, const ip_address& a) {
            return std::find(list.begin(), list.end(), a) != list.end();
        };
        const auto local = f.fd >= 0 && !lost.of_host.empty() ? os::local_endpoint(f.fd) : endpoint{};
        if (has(lost.of_guest, f.key.guest) || (local && has(lost.of_host, local->address)))
            (void)abort(f, end_reason::address_gone, now);
    });
}

} // namespace tapioca
