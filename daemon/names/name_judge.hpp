// What the egress policy says of a question, and of the answer that a resolver has given to it.
#pragma once

#include "proto/policy/egress_policy.hpp"
#include "proto/wire/dns_answer.hpp"

#include <vector>

namespace tapioca {

/// What becomes of a question of the guest's.
struct question_verdict {
    enum class fate : std::uint8_t {
        ask,     ///< outside, for it
        deny,    ///< there is no such name
        no_data, ///< there is nothing of that type, which nobody may ask for: some types could lead around the policy
        refuse   ///< it is of a class that means nothing to us
    };
    fate what = fate::deny;
    wire::name_text name;              ///< empty: a name that no host has
    bool denied = false;               ///< what the policy says of the name; in the mode `audit` it is asked all the same
    std::optional<std::uint16_t> rule; ///< the number of the one that decided
};
[[nodiscard]] question_verdict judge_question(const egress_policy& policy, const wire::dns_question& question) noexcept;

/// An address that an answer leads to.
struct pinned_address {
    ip_address address;
    bool is_public = true;
    std::uint32_t ttl = 0; ///< in seconds
};

/// An answer, looked at by the policy.
class answer_judge {
public:
    static constexpr std::size_t longest_chain = 8; ///< of aliases; what lies behind is not told

    answer_judge(const egress_policy& policy, const host_places& host, const wire::dns_query& asked,
                 const wire::dns_reply& reply);

    /// The alias that a rule denies, in the mode `audit`, too; empty if there is none.
    [[nodiscard]] const wire::name_text& denied_alias() const noexcept { return denied_alias_; }
    /// What the guest is told of, each once.
    [[nodiscard]] const std::vector<pinned_address>& addresses() const noexcept { return addresses_; }
    /// How many addresses were taken out, as they are not public.
    [[nodiscard]] std::size_t taken_out() const noexcept { return taken_out_; }
    /// The guest's answer. How long it is; 0: it does not fit.
    [[nodiscard]] std::size_t write(bytes_span into) const;

private:
    void follow_aliases();
    void judge_aliases();
    void take_addresses();
    [[nodiscard]] bool is_kept(const ip_address& address) const noexcept;
    [[nodiscard]] bool is_in_chain(const wire::encoded_name& lower) const noexcept;
    [[nodiscard]] bool is_told(const wire::dns_record& r) const noexcept;

    const egress_policy& policy_;
    const host_places& host_;
    const wire::dns_query& asked_;
    const wire::dns_reply& reply_;
    bool any_address_ = false;
    fixed_vector<wire::encoded_name, longest_chain + 1> chain_; ///< in lower case, the question's name first
    wire::name_text denied_alias_;
    std::vector<pinned_address> addresses_;
    std::size_t taken_out_ = 0;
};

/// The places in `names` of the rules that allow the name, and give it addresses of that kind.
[[nodiscard]] std::vector<std::uint16_t> rules_that_allow(const egress_policy& policy, std::string_view name, bool is_public);

} // namespace tapioca
