#include "daemon/translate/identifications.hpp"
#include "tests/support/catch.hpp"

#include <set>
#include <thread>
#include <vector>

using namespace tapioca;

namespace {

flow_key key_of(octet last, octet protocol = 17, std::uint16_t port = 40000)
{
    return {ip_address::v4(192, 0, 2, 10), ip_address::v4(198, 51, 100, last), port, std::uint16_t{53}, protocol};
}
flow_key key6_of(std::uint16_t last)
{
    return {ip_address::v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10}), ip_address::v6({0x2001, 0xdb8, 1, 0, 0, 0, 0, last}),
            std::uint16_t{40000}, std::uint16_t{53}, octet{17}};
}

} // namespace

TEST_CASE("between two addresses identifications follow each other, whatever the ports, and runs take as many as they are")
{
    identifications ids{{1, 2}};
    for (const auto& [a, b] : {std::pair{key_of(1), key_of(1, 17, 7)}, std::pair{key6_of(1), key6_of(1)}}) {
        const auto first = ids.take(a);
        CHECK(ids.take(b, 64) == first + 1);
        CHECK(ids.take(a) == first + 65);
    }
}

TEST_CASE("where they begin depends on addresses, protocol and the secret")
{
    std::set<std::uint32_t> begins;
    for (const std::uint64_t secret : {1U, 2U, 3U}) {
        identifications ids{{secret, 2}};
        for (octet last = 0; last < 100; ++last) {
            begins.insert(ids.take(key_of(last)) & 0xffff);
            begins.insert(ids.take(key_of(last, 1)) & 0xffff);
            begins.insert(ids.take(key6_of(last)) & 0xffff);
        }
    }
    CHECK(begins.size() > 880); // of 900 in 65536, a few may meet
}

TEST_CASE("workers that serve the same two addresses never take the same one")
{
    identifications ids{{1, 2}};
    constexpr int workers = 4, each = 10000;
    std::vector<std::vector<std::uint32_t>> taken(workers);
    std::vector<std::thread> threads;
    for (auto& of_one : taken)
        threads.emplace_back([&ids, &of_one] {
            for (int i = 0; i < each; ++i)
                of_one.push_back(ids.take(key_of(1)));
        });
    for (auto& t : threads)
        t.join();
    std::set<std::uint32_t> all;
    for (const auto& of_one : taken)
        all.insert(of_one.begin(), of_one.end());
    CHECK(all.size() == workers * each);
}
