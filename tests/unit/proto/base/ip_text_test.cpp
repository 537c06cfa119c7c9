#include "proto/base/ip_text.hpp"
#include "tests/support/catch.hpp"

#include <arpa/inet.h>
#include <random>
#include <string>

using namespace tapioca;

namespace {

std::string shown(std::string_view text)
{
    const auto address = ip_from_text(text);
    return address ? std::string{text_of(*address).view()} : "refused";
}

/// What the C library says to the same text.
std::optional<ip_address> by_library(const std::string& text)
{
    ipv4_octets four{};
    if (::inet_pton(AF_INET, text.c_str(), four.data()) == 1)
        return ip_address{four};
    ipv6_octets six{};
    return ::inet_pton(AF_INET6, text.c_str(), six.data()) == 1 ? std::optional{ip_address{six}} : std::nullopt;
}

} // namespace

TEST_CASE("addresses are read in every form and written in the one of RFC 5952")
{
    CHECK(shown("192.0.2.1") == "192.0.2.1");
    CHECK(shown("0.0.0.0") == "0.0.0.0");
    CHECK(shown("255.100.10.0") == "255.100.10.0");
    CHECK(shown("::") == "::");
    CHECK(shown("::1") == "::1");
    CHECK(shown("1::") == "1::");
    CHECK(shown("2001:DB8:0:0:0:0:0:0001") == "2001:db8::1");
    CHECK(shown("2001:db8:0:1:1:1:1:1") == "2001:db8:0:1:1:1:1:1"); // section 4.2.2: a lone zero stays
    CHECK(shown("2001:0:0:1:0:0:0:1") == "2001:0:0:1::1");          // section 4.2.3: the longest run
    CHECK(shown("2001:db8:0:0:1:0:0:1") == "2001:db8::1:0:0:1");    // ... and the first of equal ones
    CHECK(shown("1:2:3:4:5:6:7::") == "1:2:3:4:5:6:7:0");
    CHECK(shown("64:ff9b::192.0.2.33") == "64:ff9b::c000:221");
    CHECK(shown("::ffff:192.0.2.1") == "192.0.2.1");
    CHECK(shown("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") == "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

TEST_CASE("what is no address is refused")
{
    for (const auto* text : {"",
                             " ",
                             "1",
                             "1.2.3",
                             "1.2.3.4.5",
                             "1.2.3.256",
                             "1.2.3.04",
                             "1.2.3.",
                             ".1.2.3",
                             "1..2.3",
                             "1.2.3.4 ",
                             "1.2.3.-4",
                             ":",
                             ":1",
                             "1:",
                             ":::",
                             "1:::2",
                             "::1::",
                             "1:2:3:4:5:6:7",
                             "1:2:3:4:5:6:7:8:9",
                             "1:2:3:4:5:6:7:8::",
                             "::1:2:3:4:5:6:7:8",
                             "12345::",
                             "g::",
                             "1.2.3.4::",
                             "::1.2.3.4:5",
                             "1:2:3:4:5:6:7:1.2.3.4",
                             "fe80::1%eth0",
                             "[::1]",
                             "::1.2.3"})
        CHECK(shown(text) == "refused");
}

TEST_CASE("random text reads as the C library reads it")
{
    std::mt19937 random{5};
    const std::string letters = "0123456789af:::..";
    int read = 0;
    for (int round = 0; round < 200000; ++round) {
        std::string text;
        for (auto n = random() % 12; n > 0; --n)
            text += letters[random() % letters.size()];
        const auto address = ip_from_text(text);
        REQUIRE(address == by_library(text));
        read += address.has_value();
    }
    CHECK(read > 1000);
}

TEST_CASE("every address reads as what was written")
{
    std::mt19937 random{6};
    for (int round = 0; round < 20000; ++round) {
        ipv6_octets octets{};
        const auto zeros = random();
        for (std::size_t i = 0; i < octets.size(); ++i)
            octets[i] = (zeros >> i / 2 & 1) != 0 ? octet{0} : static_cast<octet>(random());
        const ip_address address{octets};
        REQUIRE(ip_from_text(text_of(address).view()) == address);
        const auto v4 = ip_address::v4(static_cast<std::uint32_t>(random()));
        REQUIRE(ip_from_text(text_of(v4).view()) == v4);
    }
}
