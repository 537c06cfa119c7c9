// The lines of the audit log: what workers have recorded, put together and in words. Values in, text out.
//
// An end repeats what was said when the flow began, so that each line can be read alone. Of refusals that are alike but for the
// guest's own port the first is a line, and how many came after it another, each second while they come.
#pragma once

#include "daemon/report/audit_record.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tapioca {

class audit_lines {
public:
    /// Which name our name service has given that number; an empty text if none, or if it has forgotten.
    using name_finder = std::function<std::string(std::uint32_t)>;
    void find_names_by(name_finder finder) { name_of_ = std::move(finder); }
    /// Before records are taken: a policy that workers may have judged by; null: none.
    void note_policy(const std::shared_ptr<const egress_policy>& policy);
    /// When all records were taken that there were: policies that nobody else had already before are forgotten.
    void forget_policies();
    /// Appends the line of a record of that worker, if it is one of its own. `clock`: between the records' clock and 1970.
    void take(std::size_t worker, const report::audit_record& record, duration clock, std::string& out);
    /// Appends how often what was refused was refused again since the last call. Whether any of it may go on.
    bool tell_repeats(duration since_1970, std::string& out);
    /// Records of which nothing is known but how many they were.
    static void tell_lost(std::uint64_t records, duration since_1970, std::string& out);
    /// New flows that were refused as they could not be recorded.
    static void tell_unrecorded(std::uint64_t flows, duration since_1970, std::string& out);
    /// The first line of a file that goes on where another one ended.
    static void tell_reopened(duration since_1970, std::string& out);

    [[nodiscard]] std::size_t open_flows() const noexcept { return flows_.size(); }

private:
    struct known_flow {
        std::string members; ///< that all its lines have
        instant began;
    };
    struct refusal {
        flow_key key; ///< without the guest's port
        egress_ground ground = egress_ground::nobody;
        std::uint16_t rule = 0;
        report::audit_event what = report::audit_event::refused;
        drop_reason why = drop_reason::egress_denied;
        bool operator==(const refusal&) const = default;
    };
    struct hash_of_refusal {
        [[nodiscard]] std::size_t operator()(const refusal& r) const noexcept;
    };
    struct repeats {
        std::string members;
        std::uint64_t count = 0;
    };
    static constexpr std::size_t most_refusals = 1U << 14; ///< that are told apart; more are counted together

    void open(std::size_t worker, const report::audit_record& record, duration clock, std::string& out);
    void refuse(std::size_t worker, const report::audit_record& record, duration clock, std::string& out);
    void end(const report::audit_record& record, duration clock, std::string& out);
    [[nodiscard]] std::string members_of(std::size_t worker, const report::audit_record& record) const;
    [[nodiscard]] const egress_policy* policy_of(const report::audit_record& record) const;

    name_finder name_of_; ///< empty: there is no name service
    struct known_policy {
        std::shared_ptr<const egress_policy> policy;
        bool unused = false; ///< no worker has it any more, but records may speak of it
    };
    std::vector<known_policy> policies_;                  ///< the newest last
    std::unordered_map<std::uint64_t, known_flow> flows_; ///< by number
    /// Ends that were read before their beginnings, as the flow had moved to a worker that is read earlier.
    std::unordered_map<std::uint64_t, report::audit_record> early_ends_;
    std::unordered_map<refusal, repeats, hash_of_refusal> refusals_; ///< of the last second
    std::uint64_t other_refusals_ = 0;
};

} // namespace tapioca
