// The words of --egress: profiles, and files by their path or their name.
#pragma once

#include "daemon/policy/written_policy.hpp"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tapioca {

/// Where a policy that is called NAME is looked for, in this order: NAME.toml of the machine's owner, and of the user.
struct policy_directories {
    std::string system = "/etc/tapioca/egress.d";
    std::string user; ///< empty: there is none
};
/// By $XDG_CONFIG_HOME, or $HOME.
[[nodiscard]] policy_directories directories_of_user();

/// A policy in TOML, and the name of its file for findings.
struct policy_text {
    std::string name, text;
};
/// The text that each word means. A word is a profile, a path if it has a slash or ends in .toml, or else a name. Of each file
/// the text is read at once, 1 MiB at most. What cannot be read is found.
[[nodiscard]] std::vector<policy_text> texts_of(std::span<const std::string> words, const policy_directories& where,
                                                policy_findings& findings);

/// All that the texts say, as one. Findings tell what is wrong; the policy is of use if there are no errors.
[[nodiscard]] written_policy read_texts(std::span<const policy_text> texts, policy_findings& findings,
                                        name_libraries use = name_libraries::may_load);
/// All that the words mean, likewise.
[[nodiscard]] written_policy read_policies(std::span<const std::string> words, const policy_directories& where,
                                           policy_findings& findings);

/// Checked, and ready to judge. Null if there are errors, and if everything may pass: that is `open`, and costs nothing.
[[nodiscard]] std::shared_ptr<const egress_policy> ready_policy(const written_policy& written, policy_findings& findings,
                                                                name_libraries use = name_libraries::may_load);
/// Of the words.
[[nodiscard]] std::shared_ptr<const egress_policy> load_policies(std::span<const std::string> words,
                                                                 const policy_directories& where, policy_findings& findings);

} // namespace tapioca
