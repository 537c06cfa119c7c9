// What answers have pinned: names by number, their addresses, and until when. The book writes the table that workers read, and
// makes another when that is full of what is over, or when there is another policy.
#pragma once

#include "daemon/names/name_judge.hpp"

#include <deque>
#include <functional>
#include <string>
#include <unordered_map>

namespace tapioca {

class pin_book {
public:
    static constexpr std::size_t most_addresses = 1000; ///< of a name; beyond, the oldest goes
    static constexpr std::size_t most_names = 4096;     ///< beyond, the name that was pinned longest ago goes
    static constexpr std::size_t most_pins = 32768;     ///< of all names, likewise
    static constexpr duration least_ttl = std::chrono::seconds{60}, behind_ttl = std::chrono::seconds{300};
    static constexpr duration longest_ttl = std::chrono::hours{24 * 7}; ///< RFC 8767 section 4

    explicit pin_book(siphash_key secret);

    enum class names_are : std::uint8_t { the_same, others };
    /// The policy is given a new table with all that is pinned by its rules. If those for names are the same as before, the table
    /// before is written to as well, until forget_previous().
    void serve(egress_policy& policy, names_are rules, instant now);
    [[nodiscard]] bool is_nearly_full() const noexcept { return table_->is_nearly_full(); }
    [[nodiscard]] bool has_previous() const noexcept { return previous_ != nullptr; }
    /// All workers have the policy of the last serve().
    void forget_previous() noexcept { previous_.reset(); }

    /// What an answer leads to. False if a table has no room for all of it: then the answer must not leave.
    [[nodiscard]] bool pin(const egress_policy& policy, std::string_view name, const std::vector<pinned_address>& addresses,
                           instant now);

    [[nodiscard]] bool has_ending_before(instant then) const noexcept;
    /// Of what ends before `before`, the addresses that are in use are kept until `until`.
    void prolong(const egress_policy& policy, const std::function<bool(const ip_address&)>& is_in_use, instant before,
                 instant until);
    /// Forgets what is over.
    void sweep(instant now);

    struct held {
        ip_address address;
        bool is_public = true;
        instant until;
    };
    struct named {
        std::uint32_t number = 0;
        std::deque<held> addresses; ///< the oldest first
    };
    /// Those that have addresses.
    [[nodiscard]] const std::unordered_map<std::string, named>& names() const noexcept { return names_; }
    using entry = std::pair<const std::string, named>;
    /// Of those with a higher number, the lowest ones, in order.
    [[nodiscard]] std::vector<const entry*> names_behind(std::uint32_t number, std::size_t most) const;
    /// Empty if it has been forgotten.
    [[nodiscard]] std::string_view name_of(std::uint32_t number) const noexcept;

private:
    [[nodiscard]] bool write(const egress_policy& policy, const entry& n, const held& h) const;
    void end(const egress_policy& policy, const entry& n, held h) const;
    void make_room(const egress_policy& policy, const std::string& but_for);
    [[nodiscard]] std::size_t rows_for(const egress_policy& policy) const;

    siphash_key secret_;
    std::shared_ptr<pin_table> table_, previous_;
    std::unordered_map<std::string, named> names_;
    std::size_t pins_ = 0;
    std::uint32_t next_number_ = 1;
};

} // namespace tapioca
