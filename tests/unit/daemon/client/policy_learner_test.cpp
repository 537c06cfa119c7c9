// What is proposed from an audit log: what was contacted, sorted, and nothing that the log could smuggle in.
#include "daemon/client/policy_learner.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <vector>

using tapioca::client::policy_learner;

namespace {

std::string line(const std::string& event, const std::string& address, int port, const std::string& more = "",
                 const std::string& protocol = "tcp")
{
    return R"({"event":")" + event + R"(","origin":"guest","ground":"no policy","protocol":")" + protocol +
           R"(","host_peer":{"address":")" + address + R"(","port":)" + std::to_string(port) + "}" + more + "}";
}

std::string learned(const std::vector<std::string>& lines)
{
    policy_learner learner;
    for (const auto& l : lines)
        learner.take(l);
    return learner.policy();
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("a policy is proposed for what was contacted, names first, the same whatever the order of the lines")
{
    std::vector<std::string> lines{
        line("opened", "2001:db8::1", 443),
        line("opened", "198.51.100.7", 443, R"(,"name":"www.example.org")"),
        line("opened", "198.51.100.8", 80, R"(,"name":"www.example.org")"),
        line("ended", "198.51.100.7", 443, R"(,"name":"www.example.org","octets_from_guest":10,"octets_to_guest":90)"),
        line("opened", "10.0.0.1", 22, R"(,"name":"git.corp.example")"),
        line("opened", "192.0.2.9", 53, "", "udp"),
        line("answered", "192.0.2.1", 0, "", "echo"),
        line("suppressed", "192.0.2.1", 0, R"(,"of":"answered","count":4)", "echo"),
    };
    const auto text = learned(lines);
    CHECK(text == R"(# Proposed by `tapioca policy learn`, from what an audit log says was contacted. Read it before it is used.
profile = "deny-all"
allow = [
    { name = "git.corp.example", port = [22], protocol = "tcp", private = true }, # 1 flow, 0 octets
    "www.example.org:80,443/tcp", # 2 flows, 100 octets
    "192.0.2.1/echo", # 5 flows, 0 octets
    "192.0.2.9:53/udp", # 1 flow, 0 octets
    "[2001:db8::1]:443/tcp", # 1 flow, 0 octets
]
)");
    std::reverse(lines.begin(), lines.end());
    CHECK(learned(lines) == text);
}

TEST_CASE("what was refused is told in comments; peers' flows and queries to our own name service are no reason for a rule")
{
    const auto text = learned(
        {line("refused", "198.51.100.7", 25), line("suppressed", "198.51.100.7", 25, R"(,"of":"refused","count":6)"),
         line("misnamed", "198.51.100.9", 443), line("suppressed", "198.51.100.9", 443, R"(,"of":"misnamed","count":6)"),
         R"({"event":"opened","origin":"peer","protocol":"tcp","host_peer":{"address":"192.0.2.3","port":5000}})",
         R"({"event":"opened","origin":"guest","ground":"resolver","protocol":"udp","host_peer":{"address":"192.0.2.53","port":53}})"});
    CHECK(has(text, "allow = [\n]\n"));
    CHECK(has(text, "#   \"198.51.100.7:25/tcp\", # 7 times\n"));
    CHECK_FALSE(has(text, "192.0.2"));
    CHECK_FALSE(has(text, "198.51.100.9"));
}

TEST_CASE("lines that are none are counted, losses are told, and no text of the log becomes more than a text")
{
    const auto text = learned({"{", "[]", "{}", R"({"event":"lost","records":3})", R"({"event":7,"host_peer":1})",
                               line("opened", "198.51.100.7", 443, R"(,"name":"x\"]\nprofile = \"open")"),
                               line("opened", "\\n# 1", 443), line("opened", "198.51.100.8", 99999),
                               line("opened", "198.51.100.8", 80, "", "tcp\\\"]"), line("opened", "198.51.100.8", 0)});
    CHECK(has(text, "# The log has lost 3 records"));
    CHECK(has(text, "# 2 lines could not be read"));
    CHECK_FALSE(has(text, "open\""));
    CHECK(has(text, "    \"198.51.100.7:443/tcp\", # 1 flow, 0 octets\n"));
    CHECK_FALSE(has(text, "198.51.100.8"));
    CHECK(std::count(text.begin(), text.end(), '\n') == 7);
}
