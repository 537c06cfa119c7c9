#include "daemon/client/tapioca_policy.hpp"

#include "tests/support/catch.hpp"

namespace tapioca::client {
namespace {

using action = policy_action::action;

struct taken {
    policy_action action;
    std::vector<std::string_view> left;
    std::optional<std::string> wrong;
};

taken take(std::vector<std::string_view> words)
{
    taken result;
    std::span<const std::string_view> operands{words};
    result.wrong = take_policy_action(result.action, operands);
    result.left.assign(operands.begin(), operands.end());
    return result;
}

TEST_CASE("a policy is set by words, and a number is the instance")
{
    for (const auto& words : std::vector<std::vector<std::string_view>>{
             {"set", "no-lan", "a.toml", "4711"}, {"set", "4711", "no-lan", "a.toml"}, {"reload", "no-lan", "a.toml", "4711"}}) {
        const auto [what, left, wrong] = take(words);
        CHECK_FALSE(wrong);
        CHECK(what.what == action::set);
        CHECK(what.words == std::vector<std::string>{"no-lan", "a.toml"});
        CHECK(left == std::vector<std::string_view>{"4711"});
    }
    CHECK(take({"set", "./4711"}).left.empty());
}

TEST_CASE("a policy is shown and locked of an instance, which may have a name")
{
    CHECK(take({"show"}).action.what == action::show);
    CHECK(take({"show", "4711"}).left == std::vector<std::string_view>{"4711"});
    CHECK(take({"lock", "web"}).left == std::vector<std::string_view>{"web"});
    CHECK(take({"check", "4711"}).left.empty());
}

TEST_CASE("what is missing or unknown behind policy is said")
{
    CHECK(take({}).wrong);
    CHECK(take({"enforce"}).wrong);
    CHECK(take({"set"}).wrong);
    CHECK(take({"set", "4711"}).wrong);
    CHECK(take({"check"}).wrong);
}

} // namespace
} // namespace tapioca::client
