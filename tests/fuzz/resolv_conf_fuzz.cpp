// The host's resolv.conf: whatever stands in it, what is found are addresses and words of the text, in its order.
#include "daemon/config/address_text.hpp"
#include "daemon/config/resolv_conf.hpp"
#include "tests/support/fuzz.hpp"

using namespace tapioca;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string text{reinterpret_cast<const char*>(data), size};
    const auto found = parse_resolv_conf(text);

    std::size_t lines = 1;
    for (const char c : text)
        lines += c == '\n' ? 1 : 0;
    FUZZ_CHECK(found.resolvers.size() <= lines);
    std::size_t at = 0;
    for (const auto& word : found.search) {
        FUZZ_CHECK(!word.empty() && word.find_first_of(" \t\r\n") == std::string::npos);
        at = text.find(word, at);
        FUZZ_CHECK(at != std::string::npos);
        at += word.size();
    }
    // Written out again, it means the same.
    std::string again;
    for (const auto& a : found.resolvers)
        again += "nameserver " + to_text(a) + "%eth0\n";
    if (!found.search.empty())
        again += "search";
    for (const auto& word : found.search)
        again += "\t" + word;
    const auto second = parse_resolv_conf(again + "\nsearch another.example\n");
    FUZZ_CHECK(second.resolvers == found.resolvers);
    FUZZ_CHECK(found.search.empty() || second.search == found.search);
    return 0;
}
