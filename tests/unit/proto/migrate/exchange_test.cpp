#include "proto/migrate/exchange.hpp"
#include "tests/support/catch.hpp"

#include <array>

using namespace tapioca;
using namespace tapioca::migrate;

namespace {

parts_header parts()
{
    parts_header h{};
    h.version = format_version;
    h.link = static_cast<octet>(link_kind::tap);
    h.queues = 2;
    return h;
}

template <class Header>
bytes_view octets(const Header& h)
{
    return octets_of(h);
}

} // namespace

TEST_CASE("texts come back as they were, and none is longer than what is there")
{
    std::array<octet, 16> memory{};
    writer to{memory};
    put_text(to, "TCP 80");
    put_text(to, "");
    reader from{to.written()};
    CHECK(*take_text(from) == "TCP 80");
    CHECK(take_text(from)->empty());
    CHECK(!take_text(from));
    reader cut{to.written().first(7)};
    CHECK(!take_text(cut));
}

TEST_CASE("parts and state of an unknown version are refused")
{
    auto p = parts();
    reader same{octets(p)};
    CHECK(read_parts(same)->queues == 2);
    p.version = format_version + 1;
    reader newer{octets(p)};
    CHECK(read_parts(newer).why() == drop_reason::bad_version);

    state_header s{};
    s.magic = state_magic;
    s.version = format_version;
    reader state{octets(s)};
    CHECK(read_state(state));
    s.version = format_version + 1;
    reader newer_state{octets(s)};
    CHECK(read_state(newer_state).why() == drop_reason::bad_version);
    s.magic = 0;
    reader no_state{octets(s)};
    CHECK(read_state(no_state).why() == drop_reason::bad_type);
}

TEST_CASE("a tap has a descriptor for each worker, a machine's link has one")
{
    auto p = parts();
    CHECK(descriptors_of_link(p) == 2);
    for (const auto kind : {link_kind::stream, link_kind::vhost_user}) {
        p.link = static_cast<octet>(kind);
        CHECK(descriptors_of_link(p) == 1);
    }
}

TEST_CASE("parts have bounds, and so have messages")
{
    const auto refused = [](auto change) {
        auto p = parts();
        change(p);
        reader from{octets(p)};
        return !read_parts(from);
    };
    CHECK(!refused([](auto&) {}));
    CHECK(refused([](auto& p) { p.link = 0; }));
    CHECK(refused([](auto& p) { p.link = 4; }));
    CHECK(refused([](auto& p) { p.queues = 65; }));
    CHECK(refused([](auto& p) { p.host_rules = 256; }));
    CHECK(refused([](auto& p) { p.guest_rules = 256; }));

    message_header m{};
    m.octets = longest_message;
    reader longest{octets(m)};
    CHECK(read_message(longest));
    m.octets = longest_message + 1;
    reader longer{octets(m)};
    CHECK(!read_message(longer));
}
