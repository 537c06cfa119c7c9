// Reads what flow_expression.hpp describes.

#include "daemon/client/flow_expression.hpp"
#include "daemon/config/address_text.hpp"
#include "daemon/config/number_text.hpp"
#include "proto/flow/state.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace tapioca::client {
namespace {

constexpr int deepest = 64; ///< parentheses and `not`s in each other

using words = std::initializer_list<std::string_view>;

bool is_one_of(std::string_view word, words known) { return std::ranges::find(known, word) != known.end(); }

std::string lower(std::string_view text)
{
    std::string made{text};
    for (char& c : made)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return made;
}

/// By its name or one that ss(8) uses for it; empty if there is none.
std::string state_of(const std::string& word)
{
    constexpr std::pair<std::string_view, std::string_view> others[] = {
        {"syn-recv", "SYN-RECEIVED"}, {"estab", "ESTABLISHED"}, {"connected", "ESTABLISHED"}, {"close", "CLOSED"}};
    for (const auto name : flow_state_names)
        if (lower(name) == word)
            return std::string{name};
    for (const auto& [other, name] : others)
        if (other == word)
            return std::string{name};
    return {};
}

} // namespace

class expression_parser {
public:
    using made = flow_expression;
    using subject = flow_expression::subject;
    using comparison = flow_expression::comparison;
    using sort = flow_expression::sort;

    explicit expression_parser(std::string_view text)
    {
        while (!text.empty())
            take_word(text);
    }

    made parse()
    {
        if (words_.empty())
            return {};
        result_.root_ = either(0);
        if (at_ != words_.size())
            throw expression_error("unexpected '" + words_[at_] + '\'');
        return std::move(result_);
    }

private:
    /// Parentheses and operators stand for themselves, whatever surrounds them.
    void take_word(std::string_view& text)
    {
        constexpr std::string_view blanks = " \t\r\n", signs = "()=!<>&|";
        const char first = text.front();
        std::size_t length = 1;
        if (blanks.find(first) != std::string_view::npos)
            return text.remove_prefix(1);
        if (signs.find(first) == std::string_view::npos)
            length = std::min(text.find_first_of("()=!<>&| \t\r\n"), text.size());
        else if (is_one_of(text.substr(0, 2), {"==", "!=", "<=", ">=", "&&", "||"}))
            length = 2;
        words_.emplace_back(text.substr(0, length));
        text.remove_prefix(length);
    }

    [[nodiscard]] bool next_is(words known) const { return at_ < words_.size() && is_one_of(lower(words_[at_]), known); }
    bool skip(words known)
    {
        const bool is = next_is(known);
        at_ += is;
        return is;
    }
    const std::string& take(const char* wanted)
    {
        if (at_ == words_.size())
            throw expression_error(std::string{wanted} + " is missing at its end");
        return words_[at_++];
    }

    std::size_t add(flow_expression::node n)
    {
        result_.nodes_.push_back(std::move(n));
        return result_.nodes_.size() - 1;
    }

    std::size_t either(int depth)
    {
        auto left = both(depth);
        while (skip({"or", "|", "||"})) {
            const auto right = both(depth);
            left = add({.what = sort::either, .left = left, .right = right});
        }
        return left;
    }

    std::size_t both(int depth)
    {
        auto left = factor(depth);
        while (skip({"and", "&", "&&"}) || (at_ < words_.size() && !next_is({"or", "|", "||", ")"}))) {
            const auto right = factor(depth);
            left = add({.what = sort::both, .left = left, .right = right});
        }
        return left;
    }

    std::size_t factor(int depth)
    {
        if (depth == deepest)
            throw expression_error("too many parentheses");
        if (skip({"not", "!"})) {
            const auto inner = factor(depth + 1);
            return add({.what = sort::no, .left = inner});
        }
        if (!skip({"("}))
            return compare();
        const auto inner = either(depth + 1);
        if (!skip({")"}))
            throw expression_error("')' is missing");
        return inner;
    }

    std::size_t compare()
    {
        flow_expression::node n;
        const auto what = take("a comparison");
        n.about = subject_of(what);
        n.by = take_comparison();
        const bool ordered = is_one_of(lower(what), {"sport", "dport", "rule"});
        if (!ordered && n.by != comparison::equal && n.by != comparison::different)
            throw expression_error('\'' + what + "' has no order: use = or !=");
        take_value(n, what, take("a value"));
        return add(std::move(n));
    }

    static subject subject_of(const std::string& word)
    {
        constexpr std::pair<std::string_view, subject> known[] = {
            {"sport", subject::guest_port}, {"dport", subject::remote_port}, {"src", subject::guest}, {"dst", subject::remote},
            {"state", subject::state},      {"proto", subject::protocol},    {"kind", subject::kind}, {"way", subject::way},
            {"from", subject::origin},      {"rule", subject::rule}};
        const auto name = lower(word);
        for (const auto& [text, is] : known)
            if (text == name)
                return is;
        throw expression_error('\'' + word + "' is none of sport, dport, src, dst, state, proto, kind, way, from and rule");
    }

    comparison take_comparison()
    {
        if (skip({"!=", "ne", "neq"}))
            return comparison::different;
        if (skip({"<=", "le", "leq"}))
            return comparison::at_most;
        if (skip({">=", "ge", "geq"}))
            return comparison::at_least;
        if (skip({"<", "lt"}))
            return comparison::less;
        if (skip({">", "gt"}))
            return comparison::more;
        (void)skip({"=", "==", "eq"});
        return comparison::equal;
    }

    static void take_value(flow_expression::node& n, const std::string& what, const std::string& value)
    {
        switch (n.about) {
        case subject::guest_port:
        case subject::remote_port:
            return take_number(n, value.substr(value.starts_with(':') ? 1 : 0), what);
        case subject::rule:
            return take_number(n, value, what);
        case subject::guest:
        case subject::remote:
            return take_endpoint(n, value, what);
        case subject::state:
            n.word = state_of(lower(value));
            break;
        case subject::protocol:
            n.word = named(value, {"tcp", "udp", "echo"});
            break;
        case subject::kind:
            n.word = named(value, {"tcp", "udp", "echo", "tcp-bypass", "udp-bypass"});
            break;
        case subject::way:
            n.word = named(value, {"tap", "bypass"});
            break;
        case subject::origin:
            n.word = named(value, {"guest", "peer"});
            break;
        }
        if (n.word.empty())
            throw expression_error("there is no " + what + " '" + value + '\'');
    }

    static std::string named(const std::string& value, words known)
    {
        const auto name = lower(value);
        return is_one_of(name, known) ? name : std::string{};
    }

    static void take_number(flow_expression::node& n, std::string_view text, const std::string& what)
    {
        const auto number = parse_number(text, 65535);
        if (!number)
            throw expression_error('\'' + std::string{text} + "' is no number for " + what);
        n.number = static_cast<std::uint16_t>(*number);
    }

    /// ADDRESS, ADDRESS/LENGTH, either with :PORT, or :PORT alone. IPv6 addresses that have a port stand in brackets.
    static void take_endpoint(flow_expression::node& n, const std::string& value, const std::string& what)
    {
        std::string address = value, port;
        const auto colon = value.rfind(':');
        const bool bracketed = value.starts_with('[');
        const auto end = value.find(']');
        if (bracketed && end == std::string::npos)
            throw expression_error("']' is missing in '" + value + '\'');
        if (bracketed ? colon != std::string::npos && colon > end : std::ranges::count(value, ':') == 1) {
            address = value.substr(0, colon);
            port = value.substr(colon + 1);
        }
        if (bracketed)
            address = address.substr(1, end - 1) + address.substr(end + 1);
        if (colon != std::string::npos && address.size() != value.size() && port.empty() && !bracketed)
            throw expression_error("a port is missing in '" + value + '\'');
        if (!address.empty() && address != "*") {
            n.address = parse_prefix(address);
            if (!n.address)
                throw expression_error('\'' + value + "' is no address for " + what);
        }
        if (!port.empty() && port != "*")
            take_number(n, port, what);
    }

    std::vector<std::string> words_;
    std::size_t at_ = 0;
    flow_expression result_;
};

flow_expression flow_expression::parse(std::string_view text)
{
    if (text.size() > longest)
        throw expression_error("it is too long");
    return expression_parser{text}.parse();
}

} // namespace tapioca::client
