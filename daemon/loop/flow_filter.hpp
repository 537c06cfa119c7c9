// Which flows somebody wants to be shown. Asked by the worker, so that nothing is read, copied or sent of the others.
#pragma once

#include "daemon/translate/flow_view.hpp"

namespace tapioca {

/// Everything that is given has to fit.
struct flow_filter {
    struct side {
        std::optional<prefix> address;
        std::optional<std::uint16_t> port;

        [[nodiscard]] bool fits(const ip_address& a, std::uint16_t p) const noexcept
        {
            return (!address || address->contains(a)) && (!port || *port == p);
        }
    };

    std::uint8_t kinds = 0xff; ///< a bit for each flow_kind
    std::optional<flow_origin> origin;
    std::optional<std::uint16_t> rule; ///< its slot
    std::optional<flow_state> state;
    side guest, remote; ///< as flow_view::key has them

    [[nodiscard]] bool fits(const flow_view& f) const noexcept
    {
        return (kinds >> static_cast<unsigned>(f.head.kind) & 1) != 0 && (!origin || *origin == f.head.origin) &&
               (!rule || *rule == f.head.rule) && (!state || *state == f.state) && guest.fits(f.key.guest, f.key.guest_port) &&
               remote.fits(f.key.remote, f.key.remote_port);
    }
};

} // namespace tapioca
