// Writes the completion of one program for one shell: write_completion bash|zsh|fish passt|pasta|pesto|tapioca FILE. Runs when
// tapioca is built.
#include "doc/completions/offer.hpp"

#include <cstdlib>
#include <fstream>
#include <iostream>

using namespace tapioca::completions;

namespace {

std::string completion(std::string_view shell, std::string_view program)
{
    if (program != "passt" && program != "pasta" && program != "pesto" && program != "tapioca")
        return {};
    const auto offers = offers_of(program);
    if (shell == "bash")
        return bash_completion(program, offers);
    if (shell == "zsh")
        return zsh_completion(program, offers);
    return shell == "fish" ? fish_completion(program, offers) : std::string{};
}

} // namespace

int main(int argc, char** argv)
{
    const std::string text = argc == 4 ? completion(argv[1], argv[2]) : std::string{};
    if (text.empty()) {
        std::cerr << "Usage: write_completion bash|zsh|fish passt|pasta|pesto|tapioca FILE\n";
        return EXIT_FAILURE;
    }
    std::ofstream file{argv[3], std::ios::binary | std::ios::trunc};
    if (!(file << text << std::flush)) {
        std::cerr << "write_completion: couldn't write " << argv[3] << '\n';
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
