// Rules of an egress policy, and the index by which the ones that an address meets are found.
#pragma once

#include "proto/policy/address_class.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace tapioca {

enum class egress_action : std::uint8_t { deny, allow };

struct egress_ports {
    std::uint16_t first = 0, last = 65535;
    [[nodiscard]] constexpr bool has(std::uint16_t port) const noexcept { return first <= port && port <= last; }
    constexpr bool operator==(const egress_ports&) const = default;
};

/// What a rule says beside the destination's address. Echo requests have port 0, so that only a rule for all ports meets them.
struct egress_service {
    octet protocol = 0; ///< of IP; 0: any
    egress_ports ports;
    [[nodiscard]] constexpr bool meets(octet of, std::uint16_t port) const noexcept
    {
        return (protocol == 0 || protocol == of) && ports.has(port);
    }
    constexpr bool operator==(const egress_service&) const = default;
};

/// Judges by address.
struct egress_address_rule {
    egress_action action = egress_action::deny;
    egress_service service;
    std::optional<address_class> by_class; ///< if there is none, by `network`
    prefix network;
    std::uint16_t number = 0; ///< of the rule in egress_policy::rules
};

/// Judges by name. An answer to an allowed name pins its addresses; a denied name is not asked.
struct egress_name_rule {
    egress_action action = egress_action::deny;
    egress_service service;
    std::string name;               ///< A-labels in lower case, without a dot at the end
    bool below = false;             ///< every name below it, and not itself: `*.name`
    bool private_addresses = false; ///< its addresses need not be public
    std::uint16_t number = 0;
};

/// Whether the rule speaks of that name, in lower case and without a dot at the end.
[[nodiscard]] bool speaks_of(const egress_name_rule& rule, std::string_view name) noexcept;

/// Rules by address of one action: a few comparisons for each prefix length that is in use.
class address_rules {
public:
    address_rules() = default;
    /// In the header, as it allocates: proto itself makes none.
    explicit address_rules(std::vector<egress_address_rule> rules);

    /// The number of a rule that the address meets by itself or by its classes.
    [[nodiscard]] std::optional<std::uint16_t> find(const ip_address& to, class_set classes, octet protocol,
                                                    std::uint16_t port) const noexcept;

private:
    struct length_group {
        bool v4 = false;
        std::uint8_t length = 0;
        std::uint32_t begin = 0, end = 0; ///< in networks_
    };
    std::vector<egress_address_rule> networks_, classes_; ///< the former by family, length and network
    std::vector<length_group> lengths_;
};

inline address_rules::address_rules(std::vector<egress_address_rule> rules)
{
    for (auto& r : rules) {
        r.network.address = r.network.network();
        (r.by_class ? classes_ : networks_).push_back(r);
    }
    const auto order = [](const egress_address_rule& r) {
        return std::tuple{!r.network.address.is_v4(), r.network.length, r.network.address};
    };
    std::stable_sort(networks_.begin(), networks_.end(), [&](const auto& a, const auto& b) { return order(a) < order(b); });
    for (std::uint32_t i = 0; i < networks_.size(); ++i) {
        const auto& n = networks_[i].network;
        if (lengths_.empty() || lengths_.back().v4 != n.address.is_v4() || lengths_.back().length != n.length)
            lengths_.push_back({n.address.is_v4(), n.length, i, i});
        lengths_.back().end = i + 1;
    }
}

} // namespace tapioca
