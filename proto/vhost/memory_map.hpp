// The guest's memory as it is mapped here: regions, and where an address of the guest or of the front-end's process lies in them.
#pragma once

#include "proto/base/fixed_vector.hpp"
#include "proto/vhost/message.hpp"

#include <string_view>

namespace tapioca::vhost {

/// Why a region is refused.
enum class region_fault : std::uint8_t { none, empty, wraps, overlaps, too_many };
[[nodiscard]] std::string_view text_of(region_fault why) noexcept;

class memory_map {
public:
    static constexpr std::size_t most_regions = 64;

    struct mapped_region {
        region what;
        octet* memory = nullptr; ///< of its first octet
        std::uint32_t uses = 1;  ///< how often it was added: QEMU before 8 does so once for each pair of queues
    };

    /// What is wrong with a region that is to be added.
    [[nodiscard]] region_fault check(const region& r) const noexcept;
    /// The same region once more, or once less while it stays. False: there is none, or this use is its last.
    [[nodiscard]] bool share(const region& r) noexcept;
    [[nodiscard]] bool unshare(const region& r) noexcept;
    /// One that check() has nothing against.
    void add(const mapped_region& r) noexcept { regions_.push_back(r); }
    /// Forgets the region with that size and these addresses. Where in the list it was; nothing: there is none.
    [[nodiscard]] std::optional<std::size_t> remove(const region& r) noexcept;
    void clear() noexcept { regions_.clear(); }

    /// The beginning of `length` octets at an address of the guest: as many as one region has, none if it is in no region.
    [[nodiscard]] bytes_span at_guest(std::uint64_t address, std::uint64_t length) const noexcept;
    /// `length` octets at an address of the front-end's process; null if one region does not have them all.
    [[nodiscard]] octet* at_user(std::uint64_t address, std::uint64_t length) const noexcept;

    [[nodiscard]] std::span<const mapped_region> regions() const noexcept { return {regions_.begin(), regions_.end()}; }

private:
    [[nodiscard]] std::optional<std::size_t> find(const region& r) const noexcept;

    fixed_vector<mapped_region, most_regions> regions_;
};

} // namespace tapioca::vhost
