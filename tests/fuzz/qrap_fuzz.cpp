// qrap's command line, a word a line: what QEMU gets has no network of the caller's any more, everything else stays in its order,
// and the device that is added stands on a slot that nobody else claims.
#include "qrap/arguments.hpp"
#include "tests/support/fuzz.hpp"

using namespace tapioca;
using words = std::vector<std::string>;

namespace {

words words_of(std::string_view text)
{
    words all;
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        all.emplace_back(line);
        text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
    return all;
}

/// How many words at the front of `result` are words of `given`, in their order.
std::size_t kept_of(const words& given, const words& result)
{
    std::size_t kept = 0;
    for (const auto& word : given)
        if (kept < result.size() && result[kept] == word)
            ++kept;
    return kept;
}

void check_slot(const qrap::rewriting& r, const words& kept)
{
    FUZZ_CHECK(*r.slot >= r.scheme->first && *r.slot <= r.scheme->last);
    const auto device = r.arguments[r.arguments.size() - 3];
    FUZZ_CHECK(qrap::slot_of(*r.scheme, device) == r.slot);
    FUZZ_CHECK(qrap::property(device, "netdev") == "hostnet0");
    FUZZ_CHECK(qrap::spelling_of(device) == r.how);
    for (std::size_t i = 0; i + 1 < kept.size(); ++i)
        if (kept[i] == "-device" || kept[i] == "--device") {
            ++i; // its value, which may look like an option
            FUZZ_CHECK(qrap::slot_of(*r.scheme, kept[i]) != r.slot);
        } else if (kept[i] == "-machine" || kept[i] == "--machine" || kept[i] == "-M" || kept[i] == "--M") {
            ++i;
        }
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto given = words_of(text);
    const auto r = qrap::rewrite(given);

    FUZZ_CHECK(r.scheme != nullptr);
    const std::size_t added = !r.has_devices ? 2 : r.slot ? 4 : 0;
    FUZZ_CHECK(r.has_devices || !r.slot);
    FUZZ_CHECK(r.arguments.size() >= added && r.arguments.size() <= given.size() + added);
    const words kept{r.arguments.begin(), r.arguments.end() - static_cast<std::ptrdiff_t>(added)};
    FUZZ_CHECK(kept_of(given, kept) == kept.size());
    if (r.slot)
        check_slot(r, kept);
    // What was rewritten has nothing more to take out but what was added.
    const auto again = qrap::rewrite(r.arguments);
    const words kept_again{again.arguments.begin(),
                           again.arguments.begin() + static_cast<std::ptrdiff_t>(std::min(kept.size(), again.arguments.size()))};
    FUZZ_CHECK(kept_again == kept);

    const auto line = text.substr(0, text.find('\n'));
    if (const auto fd = qrap::descriptor_number(line))
        FUZZ_CHECK(*fd >= 3 && *fd < 0x7fffffff);
    return 0;
}
