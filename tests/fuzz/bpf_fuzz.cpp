#include "proto/capture/filter_text.hpp"
#include "tests/support/fuzz.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace tapioca;

/// The first octet says how many instructions follow, the second where the rest, a frame, is cut in two. What is valid ends, and
/// says the same of the frame in one piece and in two; any program is read from its text as it was.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size < 2)
        return 0;
    bytes_view rest{data + 2, size - 2};
    std::vector<bpf::instruction> program;
    for (std::size_t i = 0; i < data[0] && rest.size() >= bpf::octets_of_instruction; ++i) {
        program.push_back(bpf::read_instruction(rest.first<bpf::octets_of_instruction>()));
        rest = rest.subspan(bpf::octets_of_instruction);
    }
    std::string text(bpf::longest_text, '\0');
    text.resize(bpf::write_text(program, text));
    std::vector<bpf::instruction> again(program.size());
    FUZZ_CHECK(bpf::read_text(text, again) == program.size());
    FUZZ_CHECK(again == program);
    (void)bpf::read_text({reinterpret_cast<const char*>(data), size}, again);
    if (!bpf::is_valid(program))
        return 0;
    const auto at = std::min<std::size_t>(data[1], rest.size());
    const bytes_view whole[] = {rest}, halves[] = {rest.first(at), rest.subspan(at)};
    const auto verdict = bpf::run(program, {whole, rest.size()}, rest.size());
    FUZZ_CHECK(bpf::run(program, {halves, rest.size()}, rest.size()) == verdict);
    return 0;
}
