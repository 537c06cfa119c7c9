// A capture at run time, at the end of a queue that sends nowhere: what its reader gets, and what it is told it has missed.
#include "daemon/tap/capture_queue.hpp"
#include "daemon/tap/frame_capture.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

#include <array>
#include <cstring>
#include <sys/socket.h>

using namespace tapioca;
using test::octets;

namespace {

struct received_block {
    std::uint32_t type;
    octets content; ///< of the whole block

    std::uint32_t number(std::size_t at) const
    {
        std::uint32_t n;
        REQUIRE(at + sizeof n <= content.size());
        std::memcpy(&n, content.data() + at, sizeof n);
        return n;
    }
    std::uint32_t kept() const { return number(20); }
    bool says(std::string_view text) const
    {
        return std::string_view{reinterpret_cast<const char*>(content.data()), content.size()}.find(text) !=
               std::string_view::npos;
    }
    /// Of epb_dropcount, which follows the flags.
    std::uint32_t lost() const
    {
        const auto at = 28 + (kept() + 3) / 4 * 4 + 8;
        return number(at) == (8U << 16 | 4U) ? number(at + 4) : 0;
    }
};

struct stage {
    explicit stage(capture_session::wishes wishes = {}, int buffer = 0)
    {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
        reader = os::unique_fd{ends[0]};
        if (buffer != 0)
            REQUIRE(::setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer) == 0);
        session = std::make_shared<capture_session>(os::unique_fd{ends[1]}, std::move(wishes), 1);
        part = std::make_shared<frame_capture>(session);
    }
    void show(bytes_view frame, std::optional<drop_reason> why = {}, std::size_t among = 1)
    {
        part->take({.octets = {{&frame, 1}, frame.size()}, .dropped = why, .among = among});
    }
    std::vector<received_block> read()
    {
        std::vector<received_block> blocks;
        octets message(1 << 18);
        while (true) {
            const auto n = ::recv(reader.get(), message.data(), message.size(), MSG_DONTWAIT);
            if (n <= 0)
                return blocks;
            for (bytes_view rest{message.data(), static_cast<std::size_t>(n)}; !rest.empty();) {
                std::uint32_t type = 0, length = 0;
                std::memcpy(&type, rest.data(), 4);
                std::memcpy(&length, rest.data() + 4, 4);
                REQUIRE(length >= 12);
                REQUIRE(length <= rest.size());
                blocks.push_back({type, test::copy(rest.first(length))});
                rest = rest.subspan(length);
            }
        }
    }

    os::unique_fd reader;
    std::shared_ptr<capture_session> session;
    std::shared_ptr<frame_capture> part;
};

const octets frame(1000, 0x5a);

} // namespace

TEST_CASE("the frames of a turn come together, at its end")
{
    stage s;
    for (int i = 0; i < 3; ++i)
        s.show(frame);
    CHECK(s.read().empty());
    s.part->end_turn();
    const auto blocks = s.read();
    REQUIRE(blocks.size() == 3);
    for (const auto& b : blocks) {
        CHECK(b.type == 6);
        CHECK(b.kept() == frame.size());
        CHECK(std::memcmp(b.content.data() + 28, frame.data(), frame.size()) == 0);
    }
    CHECK(s.session->chosen() == 3);
    CHECK(s.session->lost() == 0);
}

TEST_CASE("a turn of more octets than a message holds is several messages, and the largest frame fits one")
{
    stage s{{}, 4 << 20};
    const octets largest(capture_session::most_kept);
    for (int i = 0; i < 3; ++i)
        s.show(i == 1 ? bytes_view{largest} : bytes_view{frame});
    s.part->end_turn();
    const auto blocks = s.read();
    REQUIRE(blocks.size() == 3);
    CHECK(blocks[1].kept() == largest.size());
    CHECK(s.session->lost() == 0);
}

TEST_CASE("what the reader has no room for is lost, and the next block says so")
{
    stage s{{}, 20'000};
    for (int i = 0; i < 100; ++i) {
        s.show(frame);
        s.part->end_turn();
    }
    const auto first = s.read();
    CHECK(first.size() < 100);
    CHECK(s.session->lost() == 100 - first.size());
    CHECK_FALSE(s.session->reader_is_gone());
    s.show(frame);
    s.show(frame);
    s.part->end_turn();
    const auto next = s.read();
    REQUIRE(next.size() == 2);
    CHECK(next[0].lost() == 100 - first.size());
    CHECK(next[1].lost() == 0);
    CHECK(s.session->chosen() == 102);
}

TEST_CASE("only what is wanted is kept")
{
    const bpf::instruction longer[] = {{0x80, 0, 0, 0}, {0x25, 1, 0, 500}, {0x06, 0, 0, 0}, {0x06, 0, 0, 70}}; // len > 500: 70
    stage filtered{{.filter = {std::begin(longer), std::end(longer)}}};
    filtered.show(octets(500));
    filtered.show(octets(501));
    filtered.part->end_turn();
    const auto chosen = filtered.read();
    REQUIRE(chosen.size() == 1);
    CHECK(chosen[0].kept() == 70);
    CHECK(chosen[0].number(24) == 501);

    stage cut{{.snapshot = 60}};
    cut.show(frame);
    cut.part->end_turn();
    CHECK(cut.read().at(0).kept() == 60);

    stage drops{{.drops_only = true}};
    drops.show(frame);
    drops.show(frame, drop_reason::bad_length);
    drops.show(frame, drop_reason::send_failed, 5);
    drops.part->end_turn();
    const auto dropped = drops.read();
    REQUIRE(dropped.size() == 2);
    CHECK(dropped[0].says("drop_bad_length: a length contradicts the frame"));
    CHECK(dropped[1].says("another of the 5 frames"));

    stage to_guest{{.way = pcapng::direction::out}};
    to_guest.show(frame);
    to_guest.part->end_turn();
    CHECK(to_guest.read().empty());
}

TEST_CASE("a reader that is gone is noticed, and the last one to leave closes the socket")
{
    stage s;
    s.reader.reset();
    s.show(frame);
    s.part->end_turn();
    CHECK(s.session->reader_is_gone());

    stage left;
    left.show(frame);
    left.part->end();
    CHECK(left.session->users() == 0);
    CHECK(left.read().size() == 1);
    std::array<char, 1> any{};
    CHECK(::recv(left.reader.get(), any.data(), any.size(), MSG_DONTWAIT) == 0);
}

TEST_CASE("a queue shows frames to several sinks, which come and go")
{
    struct quiet_queue final : tap_queue {
        offloads offload() const noexcept override { return {}; }
        int descriptor() const noexcept override { return -1; }
        std::span<const rx_frame> receive(std::size_t) noexcept override { return {}; }
        tx_slot acquire() noexcept override { return bytes_span{slot}.subspan(200); }
        bool commit(const wire::virtio_net_header&, std::size_t, std::size_t) noexcept override { return true; }
        bool send(const wire::virtio_net_header&, octet*, std::size_t, std::size_t) noexcept override
        {
            CHECK(outer->record_drop_of_sent(drop_reason::tap_write_failed));
            return false;
        }
        void flush() noexcept override {}
        octets slot = octets(70'000);
        capture_queue* outer = nullptr;
    } inner;
    capture_queue queue{inner};
    inner.outer = &queue;
    stage first, second;
    CHECK_FALSE(queue.has_sinks());
    CHECK(queue.add(first.part));
    CHECK(queue.add(second.part));
    CHECK_FALSE(queue.commit({}, 14, 50)); // and is dropped
    CHECK_FALSE(queue.record_drop_of_sent(drop_reason::tap_write_failed));
    queue.remove(*first.part);
    const rx_frame got{{}, frame};
    queue.record_drop(got, drop_reason::zero_port, 1);
    queue.end_turn();
    first.part->end_turn();
    const auto one = first.read(), other = second.read();
    REQUIRE(one.size() == 2);
    REQUIRE(other.size() == 3);
    CHECK(one[0].kept() == 64);
    CHECK(one[1].says("drop_tap_write_failed"));
    CHECK(other[2].says("drop_zero_port: port 0"));
    queue.remove(*second.part);
    CHECK_FALSE(queue.has_sinks());
    for (std::size_t i = 0; i < capture_queue::most_sinks; ++i)
        CHECK(queue.add(first.part));
    CHECK_FALSE(queue.add(second.part));
}
