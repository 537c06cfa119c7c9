#include "daemon/client/tapioca_pseudonyms.hpp"

#include "daemon/client/tapioca_command_words.hpp"
#include "daemon/config/address_text.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <random>

namespace tapioca::client {
namespace {

constexpr siphash_key key{0x0706050403020100, 0x0f0e0d0c0b0a0908};

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_CASE("an address has one stand-in, which is another address of the same sort; ports stay")
{
    pseudonyms names{key};
    const auto one = names.replaced("198.18.7.9");
    CHECK(one != "198.18.7.9");
    CHECK(one.starts_with("198."));
    CHECK(names.replaced("tcp 198.18.7.9:443 -> [2001:db8::5]:80, again 198.18.7.9.") ==
          "tcp " + one + ":443 -> [" + to_text(names.stand_in(*parse_ip("2001:db8::5"))) + "]:80, again " + one + '.');
    CHECK(names.replaced("192.168.1.5").starts_with("192.168."));
    CHECK(names.replaced("172.20.1.5") != "172.20.1.5");
    CHECK(names.replaced("fe80::5054:ff:fe12:3456%eth0").starts_with("fe80::"));
    CHECK(names.replaced("fe80::5054:ff:fe12:3456%eth0").ends_with("%eth0"));
    CHECK_FALSE(has(names.replaced("::ffff:198.18.7.9"), "198.18.7.9"));
    CHECK(names.replaced("x198.18.7.9y") == "x" + one + "y");
}

TEST_CASE("what is nobody's stays")
{
    pseudonyms names{key};
    for (const char* text : {"127.0.0.1:53", "0.0.0.0", "255.255.255.0", "255.255.255.255", "224.0.0.251", "169.254.1.1",
                             "[::1]:80", "::", "ff02::1", "fe80::1", "12:34:56 and 1.2.3", "8080:80", "tcp 7000-7009:8000-8009",
                             "version 0.1.0", "33:33:00:00:00:01"})
        CHECK(names.replaced(text) == text);
}

TEST_CASE("a network stays one")
{
    pseudonyms names{key};
    const auto network = names.replaced("198.51.100.0/24");
    CHECK(network.ends_with(".0/24"));
    const auto host = names.replaced("198.51.100.7");
    CHECK(host.starts_with(network.substr(0, network.rfind('.') + 1)));
    CHECK(names.replaced("2001:db8:1::/48").ends_with("::/48"));
    CHECK(names.replaced("198.51.100.7/24") == host + "/24");
}

TEST_CASE("MAC addresses are numbered")
{
    pseudonyms names{key};
    CHECK(names.replaced("52:54:00:12:34:56 52:54:00:12:34:57 52:54:00:12:34:56") ==
          "02:00:00:00:00:01 02:00:00:00:00:02 02:00:00:00:00:01");
}

TEST_CASE("names are words, and the longest one counts")
{
    pseudonyms names{key};
    for (const char* name : {"ann", "box.example.org", "box", "", "-"})
        names.hide(name);
    CHECK(names.replaced("ann annex /usr/ann/x box.example.org box.example.net bann") ==
          "name-1 annex /usr/name-1/x name-2 name-3.example.net bann");
    names.hide_path("/run/user/1000/netns/netns-of-web");
    CHECK(names.replaced("/run/user/1000/netns/netns-of-web") == "/run/user/1000/netns/name-4");
}

TEST_CASE("of a command line options, numbers and addresses are left")
{
    pseudonyms names{key};
    const std::vector<std::string> words{
        "/usr/bin/pasta", "--config-net", "-t",           "8080:80", "-tauto", "--hostname=secret1", "-a",
        "198.18.7.9",     "--pid",        "/tmp/secret2", "--",      "mysql",  "-psecret3",          "--",
        "secret4"};
    hide_words(names, words);
    std::string line;
    for (const auto& word : words)
        line += word + ' ';
    const auto text = names.replaced(line);
    CAPTURE(text);
    for (const char* gone : {"secret", "mysql", "198.18.7.9"})
        CHECK_FALSE(has(text, gone));
    for (const char* left : {"/usr/bin/pasta --config-net -t 8080:80 -tauto --hostname=name-", "-a 198.", "--pid "})
        CHECK(has(text, left));
    CHECK(value_of_option(words, "t", "tcp-ports") == "8080:80");
    CHECK(value_of_option(words, "H", "hostname") == "secret1");
    CHECK(value_of_option(words, "p", "nothing").empty());
}

unsigned shared_bits(const ip_address& a, const ip_address& b)
{
    for (unsigned bit = 0; bit < 128; ++bit)
        if (((a.octets()[bit / 8] ^ b.octets()[bit / 8]) & 0x80 >> bit % 8) != 0)
            return bit;
    return 128;
}

ip_address any_address(std::mt19937_64& random, bool v4)
{
    if (v4)
        return ip_address::v4(static_cast<std::uint32_t>(random()));
    std::array<octet, 16> octets{};
    for (auto& each : octets)
        each = static_cast<octet>(random() % 3 == 0 ? 0 : random());
    return ip_address{octets};
}

/// Beside another one: they share any number of bits.
ip_address near(std::mt19937_64& random, const ip_address& address)
{
    auto octets = address.octets();
    const auto bit = address.is_v4() ? 96 + random() % 32 : random() % 128;
    octets[bit / 8] = static_cast<octet>(octets[bit / 8] ^ 0x80 >> bit % 8);
    return ip_address{octets};
}

TEST_CASE("no address survives in any text, and stand-ins share as many leading bits as the addresses do")
{
    std::mt19937_64 random{16};
    const std::string_view between[] = {" ",   ":80 ", "]:80 [", "/",          ",", "-", "%eth0 ",
                                        ".\n", "x",    "\"",     " 12:34:56 ", "=", ": "};
    for (int round = 0; round < 2000; ++round) {
        pseudonyms names{siphash_key{random(), random()}};
        std::vector<ip_address> told{any_address(random, round % 2 == 0)};
        for (int i = 0; i < 4; ++i)
            told.push_back(near(random, told.back()));
        std::string text;
        for (const auto& address : told) {
            text += to_text(address);
            text += between[random() % std::size(between)];
        }
        const auto replaced = names.replaced(text);
        for (std::size_t i = 0; i < told.size(); ++i) {
            const auto mine = names.stand_in(told[i]);
            if (mine == told[i])
                continue; // nobody's
            CAPTURE(text, replaced, to_text(told[i]));
            CHECK(replaced.find(to_text(told[i])) == std::string::npos);
            CHECK(mine.is_v4() == told[i].is_v4());
            for (std::size_t j = 0; j < i; ++j)
                if (const auto other = names.stand_in(told[j]); other != told[j] &&
                                                                told[i].octets()[0] >> 5 == told[j].octets()[0] >> 5 &&
                                                                told[i].octets()[12] == told[j].octets()[12] && told[i].is_v4())
                    CHECK(shared_bits(mine, other) == shared_bits(told[i], told[j]));
        }
    }
}

} // namespace
} // namespace tapioca::client
