// A command line as canonical, ordered words, by the rules and in the wording of getopt_long(3): unique abbreviations, `--x=v`
// and `--x v`, bundled letters, the first argument that is no option ends the options, `--` too. Callers match these error texts.
// Unlike getopt_long it has no state and prints nothing.
#pragma once

#include "daemon/config/option_table.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tapioca {

/// One option that was given; `value` points into argv.
struct option_word {
    const option_entry* option = nullptr;
    std::string_view value;
};

struct option_words {
    std::vector<option_word> words;        ///< in order; with an error, those before it
    std::span<const char* const> operands; ///< what follows the options
    bool ended = false;                    ///< by `--`, so that no option follows whatever the operands look like
    std::string error;                     ///< empty: none; else one line without a newline
};

/// `argv` starts with the program's name, which begins the error texts.
[[nodiscard]] option_words getopt_words(std::span<const char* const> argv, std::span<const option_entry> table);

} // namespace tapioca
