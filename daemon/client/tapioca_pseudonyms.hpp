// Stand-ins for the addresses and names in a text that goes to others. The same address always becomes the same stand-in, and two
// addresses that share so many leading bits have stand-ins that share as many, as Crypto-PAn does it (Xu, Fan, Ammar and Moon,
// "Prefix-Preserving IP Address Anonymization", 2002). The key is known to nobody, so there is no way back.
//
// Kept are addresses that are nobody's: unspecified, loopback, multicast, IPv4 link-local, masks, and fe80::1 with its like. Of
// the others the beginning that says what kind they are: the private ranges of IPv4, and else its first octet; fe80::/64,
// fc00::/8, and the first three bits of IPv6 elsewhere. The bit behind that always differs.
#pragma once

#include "proto/base/address.hpp"
#include "proto/base/siphash.hpp"

#include <map>
#include <string>
#include <string_view>

namespace tapioca::client {

class pseudonyms {
public:
    explicit pseudonyms(const siphash_key& key) : key_(key) {}

    /// From now on the name has a stand-in wherever it is a word: no letter and no digit beside it. Empty ones are ignored.
    void hide(std::string_view name);
    /// Each part of a path that is no number and no directory that every machine has.
    void hide_path(std::string_view path);

    /// The text with stand-ins for names, IPv4, IPv6 and MAC addresses. Ports and prefix lengths stay, and so do the clear bits
    /// of a network in front of its length.
    [[nodiscard]] std::string replaced(std::string_view text);

    [[nodiscard]] ip_address stand_in(const ip_address& address) const;

private:
    [[nodiscard]] std::string without_names(std::string_view text) const;
    [[nodiscard]] std::string without_addresses(std::string_view run, std::string_view behind);
    [[nodiscard]] const std::string& stand_in(const mac_address& address);

    siphash_key key_;
    std::map<std::string, std::string, std::less<>> names_, macs_;
};

} // namespace tapioca::client
