// tapioca policy learn and reopen: what an audit log teaches, and where it goes on.
#pragma once

#include <span>

namespace tapioca::client {

/// Whether the command line is one of these. `words[0]` is the program.
[[nodiscard]] bool is_audit_action(std::span<const char* const> words);
/// `words`: likewise. The exit status; throws early_exit and control_failure.
int run_audit_action(std::span<const char* const> words);

} // namespace tapioca::client
