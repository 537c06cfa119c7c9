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

/// All that the words mean, as one. A word is a profile, a path if it has a slash or ends in .toml, or else a name. Of each file
/// the text is read at once, 1 MiB at most. Findings tell what is wrong; the policy is of use if there are no errors.
[[nodiscard]] written_policy read_policies(std::span<const std::string> words, const policy_directories& where,
                                           policy_findings& findings);

/// The same, checked and ready to judge. Null if there are errors, and if everything may pass: that is `open`, and costs nothing.
[[nodiscard]] std::shared_ptr<const egress_policy> load_policies(std::span<const std::string> words,
                                                                 const policy_directories& where, policy_findings& findings);

} // namespace tapioca
