#include "proto/base/checksum.hpp"
#include "proto/base/siphash.hpp"
#include "tests/support/catch.hpp"

#include <vector>

using namespace tapioca;

TEST_CASE("the checksum of RFC 1071 section 3's example")
{
    const std::vector<octet> data{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    CHECK(folded(ones_sum(data)) == 0xddf2);
    CHECK(checksum_of(ones_sum(data)) == 0x220d);
}

TEST_CASE("an odd last octet is the high half of a word, at every length")
{
    std::vector<octet> data;
    for (std::size_t n = 0; n < 70; ++n) {
        std::uint64_t words = 0;
        for (std::size_t i = 0; i < data.size(); ++i)
            words += i % 2 == 0 ? std::uint64_t{data[i]} << 8 : data[i];
        INFO("length " << n);
        CHECK(folded(ones_sum(data)) == folded(words));
        data.push_back(static_cast<octet>(n * 37 + 11));
    }
}

TEST_CASE("SipHash-2-4 of the reference key and message, appendix A of the paper")
{
    std::vector<octet> message;
    for (octet i = 0; i < 15; ++i)
        message.push_back(i);
    CHECK(siphash({0x0706050403020100U, 0x0f0e0d0c0b0a0908U}, message) == 0xa129ca6149be45e5U);
}
