// What a shell can offer for the command line of passt, pasta, pesto or tapioca, made of the tables of options.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tapioca::completions {

/// What the value of an option is, as far as a shell can help with it.
enum class value_kind { none, other, file, interface, network_namespace, identity };

struct offer {
    char letter = '\0';
    std::vector<std::string> names; ///< long names of the same option, without dashes
    std::string value_name;         ///< as --help shows it
    value_kind value = value_kind::none;
    std::vector<std::string> words; ///< values that have a name
    bool repeats = false;           ///< may be given again
    std::string summary;

    [[nodiscard]] bool takes_value() const noexcept { return value != value_kind::none; }
};

/// `tapioca capture`, whose options are its own, is completed as if it were a program.
inline constexpr std::string_view capture = "tapioca_capture";

/// The options of one program, in the order of --help. Those that are refused are not offered.
[[nodiscard]] std::vector<offer> offers_of(std::string_view program);

/// The words that its command line begins with; none for most programs.
[[nodiscard]] std::vector<std::string> commands_of(std::string_view program);

[[nodiscard]] std::string bash_completion(std::string_view program, const std::vector<offer>& offers);
[[nodiscard]] std::string zsh_completion(std::string_view program, const std::vector<offer>& offers);
[[nodiscard]] std::string fish_completion(std::string_view program, const std::vector<offer>& offers);

} // namespace tapioca::completions
