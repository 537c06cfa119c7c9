#include "daemon/names/name_judge.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

#include <string>

using namespace tapioca;
using namespace tapioca::wire;
using namespace tapioca::test;

namespace {

using fate = question_verdict::fate;

octets name(std::string_view dotted)
{
    const auto encoded = encode_name(dotted);
    return copy(encoded->view());
}

egress_policy policy_of(egress_profile profile = egress_profile::deny_all)
{
    egress_policy p;
    p.profile = profile;
    p.names = {{.action = egress_action::allow, .service = {}, .name = "good.test", .number = 0},
               {.action = egress_action::allow, .service = {}, .name = "inside.test", .private_addresses = true, .number = 1},
               {.action = egress_action::deny, .service = {}, .name = "evil.test", .number = 2},
               {.action = egress_action::deny, .service = {}, .name = "evil.test", .below = true, .number = 3}};
    return p;
}

dns_query query_for(std::string_view asked, std::uint16_t type = dns_type::a)
{
    dns_query q;
    q.id = 1;
    q.question = {*encode_name(asked), type, dns_class_in};
    return q;
}

octets be(unsigned value) { return {static_cast<octet>(value >> 8), static_cast<octet>(value)}; }
octets record(std::string_view owner, unsigned type, const octets& data, const char* ttl = "0000003c")
{
    return name(owner) + be(type) + hex("0001") + hex(ttl) + be(static_cast<unsigned>(data.size())) + data;
}

octets reply_to(const dns_query& q, unsigned count, const octets& records)
{
    return hex("0001 8180 0001") + be(count) + hex("0000 0000") + copy(q.question.name.view()) + be(q.question.type) +
           hex("0001") + records;
}

const host_places nowhere;

/// The judge, the addresses that it leaves, and the answer that it writes.
struct judged {
    judged(const egress_policy& p, const dns_query& q, unsigned count, const octets& records)
        : message(reply_to(q, count, records)), reply(*parse_dns_reply(message)), judge(p, nowhere, q, reply), answer(512)
    {
        answer.resize(judge.write(answer));
    }
    [[nodiscard]] std::string addresses() const
    {
        std::string all;
        for (const auto& a : judge.addresses())
            all += std::to_string(a.address.v4_octets()[3]) + (a.is_public ? " " : "! ");
        return all;
    }
    [[nodiscard]] int rcode() const { return answer.at(3) & 15; }
    [[nodiscard]] int answers() const { return answer.at(7); }

    octets message;
    dns_reply reply;
    answer_judge judge;
    octets answer;
};

const auto public1 = hex("c6336401"), public2 = hex("c6336402"), private3 = hex("0a000003");

} // namespace

TEST_CASE("a question is asked only for a name and a type that the policy allows")
{
    auto p = policy_of();
    const auto fate_of = [&](std::string_view asked, std::uint16_t type = dns_type::a) {
        return judge_question(p, query_for(asked, type).question).what;
    };
    CHECK(fate_of("GOOD.test") == fate::ask);
    CHECK(fate_of("good.test", dns_type::aaaa) == fate::ask);
    CHECK(fate_of("good.test", dns_type::https) == fate::no_data);
    CHECK(fate_of("good.test", 16) == fate::no_data);
    p.dns_types = {16, dns_type::https};
    CHECK(fate_of("good.test", 16) == fate::ask);
    CHECK(fate_of("good.test", dns_type::https) == fate::no_data);
    for (const auto* denied : {"other.test", "evil.test", "a.evil.test", "a.good.test", "test"})
        CHECK(fate_of(denied) == fate::deny);
    p.mode = egress_mode::audit;
    CHECK(fate_of("evil.test") == fate::ask);
    CHECK(judge_question(p, query_for("evil.test").question).denied);
    p = policy_of(egress_profile::internet_only);
    CHECK(fate_of("other.test") == fate::ask);
    CHECK(fate_of("evil.test") == fate::deny);
    auto chaos = query_for("good.test").question;
    chaos.in_class = 3;
    CHECK(judge_question(p, chaos).what == fate::refuse);
}

TEST_CASE("addresses that are not public are taken out, unless a rule says that they may be")
{
    const auto records = [](std::string_view owner) {
        return record(owner, 1, private3) + record(owner, 1, public1) + record(owner, 1, public1);
    };
    const auto p = policy_of();
    const judged good{p, query_for("good.test"), 3, records("good.test")};
    CHECK((good.addresses() == "1 " && good.answers() == 2 && good.judge.taken_out() == 1));
    const judged inside{p, query_for("inside.test"), 3, records("inside.test")};
    CHECK((inside.addresses() == "3! 1 " && inside.answers() == 3));
    auto open = policy_of(egress_profile::open);
    CHECK(judged{open, query_for("other.test"), 3, records("other.test")}.addresses() == "3! 1 ");
    CHECK(judged{open, query_for("good.test"), 3, records("good.test")}.addresses() == "1 ");
    CHECK(judged{policy_of(egress_profile::no_metadata), query_for("other.test"), 3, records("other.test")}.addresses() == "1 ");
    open.mode = egress_mode::audit;
    CHECK(judged{open, query_for("good.test"), 3, records("good.test")}.addresses() == "3! 1 ");
}

TEST_CASE("aliases are followed whatever their order, and one that a rule denies denies the name")
{
    auto p = policy_of();
    const auto chain =
        record("b.test", 1, public2) + record("a.test", 5, name("b.test")) + record("good.test", 5, name("a.test"));
    const judged good{p, query_for("good.test"), 3, chain};
    CHECK((good.addresses() == "2 " && good.answers() == 3));
    const auto evil = record("good.test", 5, name("x.evil.test")) + record("x.evil.test", 1, public2);
    const judged denied{p, query_for("good.test"), 2, evil};
    CHECK((denied.rcode() == 3 && denied.answers() == 0 && denied.judge.denied_alias().view() == "x.evil.test"));
    p.mode = egress_mode::audit;
    CHECK(judged{p, query_for("good.test"), 2, evil}.answers() == 2);
}

TEST_CASE("records that have nothing to do with the question pin nothing, and are not told")
{
    const auto beside =
        record("other.test", 1, public1) + record("good.test", 28, octets(16, 1)) + record("good.test", 1, public2);
    const judged good{policy_of(), query_for("good.test"), 3, beside};
    CHECK((good.addresses() == "2 " && good.answers() == 1));
    const judged in_circles{policy_of(), query_for("good.test"), 2,
                            record("good.test", 5, name("a.test")) + record("a.test", 5, name("good.test"))};
    CHECK((in_circles.addresses().empty() && in_circles.rcode() == 0));
}
