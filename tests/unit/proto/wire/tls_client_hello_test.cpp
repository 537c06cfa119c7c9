#include "proto/wire/tls_client_hello.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

using namespace tapioca;
using namespace tapioca::wire;
using namespace tapioca::test;

namespace {

using kind = client_hello_kind;

octets number(std::size_t n, unsigned width)
{
    octets o;
    while (width-- != 0)
        o.push_back(static_cast<octet>(n >> 8 * width));
    return o;
}

octets vector(unsigned width, const octets& content) { return number(content.size(), width) + content; }

octets extension(unsigned type, const octets& content) { return number(type, 2) + vector(2, content); }

octets named(std::string_view name) { return extension(0, vector(2, hex("00") + vector(2, text(name)))); }

const auto before = extension(0x0a0a, {}) + extension(43, hex("02 0304"));
const auto behind = extension(16, hex("0003 02 6832"));
const auto ech = extension(0xfe0d, hex("00 0001 0001 2a 0000 0004 01020304"));

/// A ClientHello with these extensions; without that field at all if there are none.
octets message(const octets& extensions)
{
    auto body = hex("0303") + octets(32, 0x5a) + vector(1, octets(32, 7)) + hex("0004 1301 1302") + hex("01 00");
    if (!extensions.empty())
        body = body + vector(2, extensions);
    return hex("01") + vector(3, body);
}

octets in_records(const octets& message, std::size_t size)
{
    octets stream;
    for (std::size_t at = 0; at < message.size(); at += size) {
        const auto part = bytes_view{message}.subspan(at).first(std::min(size, message.size() - at));
        stream = stream + hex("16 0301") + vector(2, copy(part));
    }
    return stream;
}

octets stream(const octets& extensions) { return in_records(message(extensions), 16384); }

client_hello found(const octets& stream)
{
    const bytes_view whole{stream};
    return find_client_hello({&whole, 1});
}

} // namespace

TEST_CASE("RFC 6066 section 3: the server name of a ClientHello is found, in lower case")
{
    const auto hello = found(stream(before + named("GitHub.COM") + behind));
    CHECK(hello.kind == kind::named);
    CHECK(hello.name() == "github.com");
    CHECK(found(stream(named("xn--bcher-kva.example"))).name() == "xn--bcher-kva.example");
    CHECK(found(stream(named("_a-1.example"))).kind == kind::named);
}

TEST_CASE("each octet of a ClientHello but the last leaves it incomplete, in whatever pieces it comes")
{
    const auto whole = stream(before + named("a.example") + behind);
    for (std::size_t length = 0; length < whole.size(); ++length)
        CHECK(found(copy(bytes_view{whole}.first(length))).kind == kind::incomplete);
    for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
        const std::array<bytes_view, 3> pieces{bytes_view{whole}.first(cut), {}, bytes_view{whole}.subspan(cut)};
        CHECK(find_client_hello(pieces).name() == "a.example");
    }
    std::vector<bytes_view> singly;
    for (std::size_t i = 0; i < whole.size(); ++i)
        singly.push_back(bytes_view{whole}.subspan(i, 1));
    CHECK(find_client_hello(singly).name() == "a.example");
}

TEST_CASE("RFC 8446 section 5.1: a ClientHello may be spread over records of any size")
{
    const auto all = message(before + named("a.example") + behind);
    for (std::size_t size = 1; size <= all.size(); ++size) {
        const auto spread = in_records(all, size);
        CHECK(found(spread).name() == "a.example");
        CHECK(found(copy(bytes_view{spread}.first(spread.size() - 1))).kind == kind::incomplete);
    }
    CHECK(found(in_records(all, 100) + hex("14 0303 0001 01")).name() == "a.example"); // what follows is not looked at
    auto empty_record = hex("16 0301 0000") + in_records(all, 100);
    CHECK(found(empty_record).kind == kind::not_tls);
    auto alert_between = in_records(all, 100);
    alert_between[105] = 21;
    CHECK(found(alert_between).kind == kind::not_tls);
}

TEST_CASE("what is not TLS is known for that by its first octets")
{
    CHECK(found(text("G")).kind == kind::not_tls);
    CHECK(found(text("SSH-2.0-OpenSSH_9.2\r\n")).kind == kind::not_tls);
    CHECK(found(hex("16 02")).kind == kind::not_tls);
    CHECK(found(hex("16 0301 0005 02")).kind == kind::incomplete); // a record is read as a whole
    CHECK(found(hex("16 0301 0005 02 000001 00")).kind == kind::not_tls);
    CHECK(found(hex("80 2e 01 0301")).kind == kind::not_tls); // in the form of SSL 2
}

TEST_CASE("a ClientHello without a server name, or with one that cannot be looked up, is unnamed")
{
    CHECK(found(stream({})).kind == kind::unnamed);
    CHECK(found(stream(behind)).kind == kind::unnamed);
    for (const auto* bad : {"a..example", ".example", "a.example.", "192.0.2.1", "2001:db8::1", "a b.example",
                            "b\xc3\xbc"
                            "cher.example",
                            "*.example", "com.1"})
        CHECK(found(stream(named(bad))).kind == kind::unnamed);
    CHECK(found(stream(named(std::string_view{"a\0.example", 10}))).kind == kind::unnamed);
    CHECK(found(stream(named(std::string(64, 'a') + ".example"))).kind == kind::unnamed);
    CHECK(found(stream(named(std::string(63, 'a') + ".example"))).kind == kind::named);
    std::string longest;
    for (int i = 0; i < 4; ++i)
        longest += std::string(62, 'a') + '.';
    longest += "b"; // 253
    CHECK(found(stream(named(longest))).name() == longest);
    CHECK(found(stream(named(longest + "b"))).kind == kind::unnamed);
    CHECK(found(stream(named(std::string(255, 'a')))).kind == kind::unnamed);
    CHECK(found(stream(named(std::string(600, 'a')))).kind == kind::unnamed);
}

TEST_CASE("RFC 9849: a ClientHello that has another inside says nothing, wherever it says so")
{
    CHECK(found(stream(named("a.example") + ech)).kind == kind::encrypted);
    CHECK(found(stream(ech + named("a.example"))).kind == kind::encrypted);
    CHECK(found(stream(ech)).kind == kind::encrypted);
}

TEST_CASE("a ClientHello that no server understands is none")
{
    const auto refused = [](const octets& extensions) { return found(stream(extensions)).kind == kind::not_tls; };
    CHECK(refused(named("a.example") + named("b.example")));
    CHECK(refused(extension(0, {})));
    CHECK(refused(extension(0, hex("0000"))));
    CHECK(refused(extension(0, vector(2, hex("00 0000")))));
    CHECK(refused(extension(0, vector(2, hex("01") + vector(2, text("a.example"))))));
    CHECK(refused(extension(0, vector(2, hex("00 0009") + text("a.exampl")))));
    CHECK(refused(extension(0, vector(2, hex("00") + vector(2, text("a.example")) + hex("00")))));
    CHECK(refused(extension(0, vector(2, hex("00") + vector(2, text("a.example"))) + hex("00"))));
    CHECK(refused(hex("0000")));
    CHECK(refused(hex("0000 0001")));
    auto trailing = message(named("a.example")) + hex("00");
    trailing[3] = static_cast<octet>(trailing[3] + 1);
    CHECK(found(in_records(trailing, 16384)).kind == kind::not_tls);
    auto long_session = stream(named("a.example"));
    long_session[5 + 4 + 2 + 32] = 33;
    CHECK(found(long_session).kind == kind::not_tls);
}

TEST_CASE("a ClientHello is looked at up to 16 KiB, and what is longer is none")
{
    const auto with_padding = [](std::size_t octets) { return stream(extension(21, test::octets(octets)) + named("a.example")); };
    const auto fits = longest_client_hello - stream(extension(21, {}) + named("a.example")).size();
    CHECK(found(with_padding(fits)).name() == "a.example");
    CHECK(found(with_padding(fits + 1)).kind == kind::not_tls);
    const auto long_one = in_records(message(extension(21, test::octets(20000)) + named("a.example")), 1000);
    CHECK(found(copy(bytes_view{long_one}.first(1005))).kind == kind::not_tls); // by its length
    const auto in_many = in_records(message(extension(21, test::octets(10000)) + named("a.example")), 1);
    CHECK(found(copy(bytes_view{in_many}.first(longest_client_hello - 7))).kind == kind::incomplete);
    CHECK(found(in_many).kind == kind::not_tls);
}
