#include "daemon/policy/policy_files.hpp"
#include "tests/support/temporary_tree.hpp"
#include "tests/unit/daemon/policy/policy_support.hpp"

using namespace tapioca;

namespace {

/// The findings' lines, or what the policy is.
std::string loaded(const std::vector<std::string>& words, const policy_directories& where)
{
    policy_findings findings;
    const auto policy = load_policies(words, where, findings);
    std::string text;
    for (const auto& f : findings.all())
        text += to_text(f) + '\n';
    if (policy == nullptr)
        return text + "none";
    for (const auto& rule : policy->rules)
        text += rule.text + ' ';
    return text + "by " + std::to_string(static_cast<int>(policy->profile));
}

} // namespace

TEST_CASE("the machine's policies come before the user's of the same name")
{
    const temporary_tree tree;
    const policy_directories where{tree.path("etc"), tree.path("home")};
    tree.directory("etc");
    tree.directory("home");
    tree.write("home/web.toml", "deny = ['192.0.2.1']");
    CHECK(loaded({"web"}, where) == "192.0.2.1 by 0");
    tree.write("etc/web.toml", "deny = ['192.0.2.2']");
    CHECK(loaded({"web"}, where) == "192.0.2.2 by 0");
    CHECK(loaded({"web", tree.path("home/web.toml"), "no-lan"}, where) == "192.0.2.2 192.0.2.1 by 2");
    CHECK(loaded({"lan"}, {tree.path("etc"), ""}) ==
          "--egress: \"lan\": there is no such profile, and no file " + tree.path("etc") +
              "/lan.toml; profiles are open, no-metadata, no-lan, internet-only or deny-all\nnone");
}

TEST_CASE("names are no ways out of the directories")
{
    const temporary_tree tree;
    const policy_directories where{tree.path("etc"), ""};
    tree.directory("etc");
    for (const auto* name : {"..", ".hidden", "", "a b", "a\nb", "a;b"})
        CHECK(loaded({name}, where).find("it is neither a profile nor the name of a file") != std::string::npos);
}

TEST_CASE("what lets everything pass is no policy")
{
    const temporary_tree tree;
    const policy_directories where{tree.path("etc"), ""};
    tree.write("empty.toml", "# nothing\n");
    CHECK(loaded({"open"}, where) == "none");
    CHECK(loaded({"open", tree.path("empty.toml")}, where) == "none");
    CHECK(loaded({"open", "deny-all"}, where) == "by 4");
    tree.write("limit.toml", "[limit]\nconnections = 3\n");
    CHECK(loaded({tree.path("limit.toml")}, where) == "by 0");
}

TEST_CASE("a file has a largest size")
{
    const temporary_tree tree;
    const policy_directories where{tree.path("etc"), ""};
    tree.write("most.toml", "#" + std::string(1048575, 'x'));
    CHECK(loaded({tree.path("most.toml")}, where) == "none");
    tree.write("more.toml", "#" + std::string(1048576, 'x'));
    CHECK(loaded({tree.path("more.toml")}, where).find("the file is larger than 1 MiB") != std::string::npos);
}

TEST_CASE("more rules than have numbers are refused")
{
    policy_findings findings;
    written_policy policy;
    policy.profile = egress_profile::deny_all;
    const auto target = std::get<egress_target>(parse_target("192.0.2.1"));
    policy.rules.assign(65536, {egress_action::allow, {"p.toml", 1, "allow"}, "192.0.2.1", target});
    const auto compiled = compile_policy(policy, findings);
    CHECK(compiled.rules.size() == 65535);
    REQUIRE(findings.all().size() == 1);
    CHECK(findings.all()[0].what == "there are too many rules");
}
