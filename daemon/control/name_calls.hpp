// Calls about names that are pinned to addresses while the egress policy has rules with names.
#pragma once

#include "daemon/control/running_call.hpp"
#include "proto/base/address.hpp"

#include <memory>
#include <string>
#include <vector>

namespace tapioca {

struct known_name {
    struct place {
        ip_address address;
        duration left; ///< until it is pinned no more, unless a flow has it then
    };
    std::string name;
    std::uint32_t number = 0; ///< later ones have higher numbers
    std::vector<place> addresses;
};

/// Whoever has them.
class name_register {
public:
    /// Of those with a higher number, the lowest ones, in order; `most` at most.
    [[nodiscard]] virtual std::vector<known_name> names_behind(std::uint32_t number, std::size_t most) const = 0;

protected:
    ~name_register() = default;
};

/// Lists all, a reply for some of them at a time. Null: there are none.
[[nodiscard]] std::unique_ptr<running_call> begin_listing_names(const name_register* names);

} // namespace tapioca
