// The command line of another process, as far as others may read it.
#pragma once

#include "daemon/client/tapioca_pseudonyms.hpp"

#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace tapioca::client {

/// Of a process of ours, from /proc; none where that does not tell.
[[nodiscard]] std::vector<std::string> command_words(pid_t pid);

/// Hides what is not known to be nobody's: of values of options and operands all but numbers, ports, addresses and the words that
/// options have. So a command of pasta's, whose words may be secrets, loses all of them.
void hide_words(pseudonyms& names, const std::vector<std::string>& words);

/// What follows an option of one of these names, with a dash or two in front: as a word of its own or behind an equals sign;
/// empty for none.
[[nodiscard]] std::string value_of_option(const std::vector<std::string>& words, std::string_view letter, std::string_view name);

} // namespace tapioca::client
