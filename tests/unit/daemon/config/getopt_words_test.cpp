#include "daemon/config/getopt_words.hpp"
#include "tests/support/catch.hpp"

#include <cstdio>
#include <getopt.h>
#include <random>
#include <set>
#include <string>
#include <unistd.h>
#include <vector>

using namespace tapioca;

namespace {

/// What either parser made of a command line, in a form that can be compared and printed.
struct outcome {
    std::vector<std::string> words, operands;
    std::string error;
    bool operator==(const outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const outcome& o)
{
    for (const auto& w : o.words)
        out << '{' << w << "} ";
    for (const auto& w : o.operands)
        out << '(' << w << ") ";
    return out << o.error;
}

int identifier(std::size_t row)
{
    const option_entry& entry = option_table()[row];
    return entry.letter != '\0' ? entry.letter : static_cast<int>(256 + row);
}

std::string word(int id, const char* value) { return std::to_string(id) + (value != nullptr ? std::string{"="} + value : ""); }

outcome ours(const std::vector<const char*>& argv)
{
    const option_words given = getopt_words(argv, option_table());
    outcome result;
    for (const option_word& w : given.words) {
        const int id = identifier(static_cast<std::size_t>(w.option - option_table().data()));
        result.words.push_back(word(id, w.option->takes_value() ? std::string{w.value}.c_str() : nullptr));
    }
    result.error = given.error;
    if (result.error.empty())
        result.operands.assign(given.operands.begin(), given.operands.end());
    return result;
}

/// Everything that `action` writes to descriptor 2.
template <class Action>
std::string stderr_of(Action action)
{
    std::FILE* file = std::tmpfile();
    REQUIRE(file != nullptr);
    std::fflush(stderr);
    const int saved = ::dup(2);
    ::dup2(::fileno(file), 2);
    action();
    std::fflush(stderr);
    ::dup2(saved, 2);
    ::close(saved);
    std::rewind(file);
    std::string text(4096, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file));
    std::fclose(file);
    while (text.ends_with('\n') || text.ends_with(' '))
        text.pop_back();
    return text;
}

outcome judge(const std::vector<const char*>& argv)
{
    std::vector<std::string> names;
    std::vector<::option> longs;
    std::string shorts = "+";
    names.reserve(option_table().size());
    for (std::size_t row = 0; row < option_table().size(); ++row) {
        const option_entry& entry = option_table()[row];
        names.emplace_back(entry.name);
        longs.push_back({names.back().c_str(), entry.takes_value() ? required_argument : no_argument, nullptr, identifier(row)});
        if (entry.letter != '\0')
            shorts.append(1, entry.letter).append(entry.takes_value() ? ":" : "");
    }
    longs.push_back({nullptr, 0, nullptr, 0});
    outcome result;
    std::vector<char*> arguments;
    for (const char* a : argv)
        arguments.push_back(const_cast<char*>(a));
    arguments.push_back(nullptr);
    result.error = stderr_of([&] {
        optind = 0;
        int id = 0;
        while ((id = ::getopt_long(static_cast<int>(argv.size()), arguments.data(), shorts.c_str(), longs.data(), nullptr)) !=
                   -1 &&
               id != '?')
            result.words.push_back(word(id, optarg));
        if (id == -1)
            result.operands.assign(argv.begin() + optind, argv.end());
    });
    return result;
}

std::string error_of(std::vector<const char*> argv) { return getopt_words(argv, option_table()).error; }

} // namespace

TEST_CASE("each mistake on the command line has the words that callers know from getopt")
{
    CHECK(error_of({"pasta", "--nosuch"}) == "pasta: unrecognized option '--nosuch'");
    CHECK(error_of({"pasta", "--nosuch=3"}) == "pasta: unrecognized option '--nosuch=3'");
    CHECK(error_of({"/usr/bin/pasta", "--map-guest-addrs"}) ==
          "/usr/bin/pasta: unrecognized option '--map-guest-addrs'; did you mean "
          "'--map-guest-addr'?");
    CHECK(error_of({"pasta", "--tcp", "80"}) == "pasta: option '--tcp' is ambiguous; possibilities: '--tcp-ports' '--tcp-ns'");
    CHECK(error_of({"pasta", "-qZ"}) == "pasta: invalid option -- 'Z'");
    CHECK(error_of({"pasta", "-m"}) == "pasta: option requires an argument -- 'm'");
    CHECK(error_of({"pasta", "--mtu"}) == "pasta: option '--mtu' requires an argument");
    CHECK(error_of({"pasta", "--quiet=yes"}) == "pasta: option '--quiet' doesn't allow an argument");
    CHECK(error_of({}).empty());
}

TEST_CASE("the letters are those of passt and pasta, and names occur once")
{
    std::string letters;
    std::set<std::string_view> names;
    for (const option_entry& entry : option_table()) {
        CHECK(names.insert(entry.name).second);
        CHECK((entry.apply != nullptr) == (entry.state == support::built));
        CHECK_FALSE(entry.help.empty());
        if (entry.letter != '\0' && entry.name != "socket-path")
            letters.append(1, entry.letter).append(entry.takes_value() ? ":" : "");
    }
    const auto split = [](const std::string& text) {
        std::set<std::string> parts;
        for (std::size_t i = 0; i < text.size(); ++i)
            if (text[i] != ':')
                parts.insert(text.substr(i, i + 1 < text.size() && text[i + 1] == ':' ? 2 : 1));
        return parts;
    };
    CHECK(split(letters) == split("dqfel:hs:c:F:I:p:P:m:a:n:M:g:i:o:D:S:H:461t:u:T:U:"));
}

TEST_CASE("the C library's getopt_long agrees about chosen command lines")
{
    const std::vector<std::vector<const char*>> lines = {
        {"pasta"},
        {"pasta", "--", "--vhost-user", "-F", "9"},
        {"pasta", "echo", "hi", "--vhost-user"},
        {"pasta", "-", "-q"},
        {"pasta", "-qfm1500", "sh"},
        {"pasta", "-qfm", "1500", "--", "-q"},
        {"pasta", "-m", "--"},
        {"pasta", "-P=/x", "-t", "-1"},
        {"pasta", "--mt=1500", "--mt", "9000", "--conf", "1"},
        {"pasta", "--config", "--conf-p=/s"},
        {"pasta", "--socke", "/x", "--socket=", "--socket-p", "y"},
        {"pasta", "--no-copy", "--no-tcp"},
        {"pasta", "--dns", "1.1.1.1", "--dns-", "x"},
        {"pasta", "--=", "x"},
        {"pasta", "---q"},
        {"pasta", "-:"},
        {"pasta", "-;"},
        {"pasta", "-q-"},
        {"pasta", "--quiet="},
        {"pasta", ""},
        {"pasta", "--fd", ""},
        {"pasta", "--stderr", "--ns-ifname=tap0", "--mtu=65520", "--config-net", "--address=10.0.2.100", "--netmask=24",
         "--gateway=10.0.2.2", "--dns-forward=10.0.2.3", "--tcp-ports=none", "--udp-ports=none", "--host-lo-to-ns-lo", "4711"},
    };
    for (const auto& line : lines) {
        const auto expected = judge(line);
        CHECK(ours(line) == expected);
    }
}

TEST_CASE("the C library's getopt_long agrees about a thousand random command lines")
{
    std::vector<std::string> pieces = {"-", "--", "x", "-q", "-qf", "-m", "-m1500", "-46", "-Z", "", "=", "--m=", "-t", "none"};
    for (const option_entry& entry : option_table()) {
        const std::string name{entry.name};
        pieces.push_back("--" + name);
        pieces.push_back("--" + name + "=v");
        for (std::size_t cut = 1; cut < name.size(); cut += 3)
            pieces.push_back("--" + name.substr(0, cut));
    }
    std::mt19937 random{42};
    for (int round = 0; round < 1000; ++round) {
        std::vector<const char*> line = {"./pasta"};
        for (auto n = random() % 6; n > 0; --n)
            line.push_back(pieces[random() % pieces.size()].c_str());
        const auto expected = judge(line);
        if (ours(line) != expected)
            CHECK(ours(line) == expected);
    }
}
