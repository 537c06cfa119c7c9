// What goes into a ring comes out whole and in order, whatever its size, wherever the ring wraps, and with both threads at work.
#include "daemon/loop/mailbox.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <deque>
#include <poll.h>
#include <random>
#include <thread>
#include <vector>

using namespace tapioca;

namespace {

using record = std::vector<octet>;

/// Content that shows which record it is and where in it one looks.
record content(std::size_t number, std::size_t size)
{
    record r(size);
    for (std::size_t i = 0; i < size; ++i)
        r[i] = static_cast<octet>(number * 31 + i);
    return r;
}

bool push(octet_ring& ring, bytes_view whole, std::size_t cut)
{
    const bytes_view parts[] = {whole.first(std::min(cut, whole.size())), whole.subspan(std::min(cut, whole.size()))};
    return ring.push(parts);
}

bool post(mailbox& box, std::size_t sender, const record& head, const record& body)
{
    const bytes_view parts[] = {head, body};
    return box.post(sender, parts);
}

record front(octet_ring& ring)
{
    const auto view = ring.front();
    return {view.begin(), view.end()};
}

bool rings(int bell)
{
    pollfd waiting{bell, POLLIN, 0};
    return ::poll(&waiting, 1, 0) == 1;
}

} // namespace

TEST_CASE("a ring whose records are taken at once touches its first octets only")
{
    std::vector<octet> memory(1 << 20);
    octet_ring ring{memory};
    for (std::size_t n = 0; n < 20'000; ++n) {
        const auto r = content(n, 1 + n % 3000);
        REQUIRE(push(ring, r, 20));
        REQUIRE(front(ring) == r);
        ring.pop();
    }
    const auto beyond = memory.begin() + octet_ring::hot_octets + 4096;
    CHECK(std::all_of(beyond, memory.end(), [](octet o) { return o == 0; }));
}

TEST_CASE("an octet ring does what a queue of records does, at every size and fill level")
{
    std::mt19937 random{1};
    for (const std::size_t octets : {64U, 256U, 4096U, 200'000U}) {
        std::vector<octet> memory(octets);
        octet_ring ring{memory};
        std::deque<record> model;
        std::size_t refused = 0, pushed = 0;
        for (std::size_t step = 0; step < 20'000; ++step) {
            const bool filling = step / 100 % 2 == 0;
            if (random() % 3 != 0 ? filling : !filling) {
                const auto r = content(step, 1 + random() % (octets / 3));
                if (push(ring, r, random() % 40)) {
                    model.push_back(r);
                    ++pushed;
                } else {
                    ++refused;
                }
            } else if (!model.empty()) {
                REQUIRE(front(ring) == model.front());
                REQUIRE(front(ring) == model.front()); // looking takes nothing away
                ring.pop();
                model.pop_front();
            }
            REQUIRE(ring.front().empty() == model.empty());
        }
        CHECK(refused > 100);
        CHECK(pushed > 1000);
    }
}

TEST_CASE("an octet ring takes a record that fills it, and refuses one octet more")
{
    std::vector<octet> memory(256);
    octet_ring ring{memory};
    CHECK_FALSE(push(ring, content(0, 249), 7));
    for (std::size_t n = 1; n <= 3; ++n) { // each begins where the ring begins
        REQUIRE(push(ring, content(n, 248), 7));
        CHECK_FALSE(push(ring, content(n, 1), 0));
        CHECK(front(ring) == content(n, 248));
        ring.pop();
        CHECK(ring.front().empty());
    }
}

TEST_CASE("an octet ring between two threads loses and changes nothing")
{
    constexpr std::size_t records = 10'000;
    std::vector<octet> memory(8192);
    octet_ring ring{memory};
    const auto size_of = [](std::size_t n) { return 1 + n * 7919 % 2000; };
    std::thread writer{[&] {
        for (std::size_t n = 0; n < records; ++n)
            while (!push(ring, content(n, size_of(n)), n % 50))
                std::this_thread::yield();
    }};
    std::size_t wrong = 0;
    for (std::size_t n = 0; n < records; ++n) {
        while (ring.front().empty())
            std::this_thread::yield();
        wrong += front(ring) != content(n, size_of(n));
        ring.pop();
    }
    writer.join();
    CHECK(wrong == 0);
    CHECK(ring.front().empty());
}

TEST_CASE("a mailbox serves every sender within its budget, and tells when something is left")
{
    mailbox box{2};
    for (std::size_t n = 0; n < 5; ++n)
        REQUIRE(post(box, 0, content(n, 4), {}));
    REQUIRE(post(box, 1, content(100, 4), content(100, 60'000)));
    CHECK_FALSE(rings(box.descriptor()));
    box.ring();
    box.ring();
    CHECK(rings(box.descriptor()));

    std::vector<std::size_t> sizes;
    const auto take = [&](bytes_view letter) { sizes.push_back(letter.size()); };
    CHECK(box.drain(3, take));
    CHECK(sizes == std::vector<std::size_t>{4, 4, 4, 60'004});
    CHECK_FALSE(rings(box.descriptor()));
    CHECK_FALSE(box.drain(3, take));
    CHECK(sizes.size() == 6);
}

TEST_CASE("a mailbox that is full refuses, and takes again when it was emptied")
{
    mailbox box{1};
    const auto frame = content(1, 65'000);
    std::size_t taken = 0, delivered = 0;
    while (post(box, 0, {}, frame))
        ++taken;
    CHECK(taken == mailbox::ring_octets / 65'008);
    CHECK_FALSE(box.drain(taken, [&](bytes_view) { ++delivered; }));
    CHECK(delivered == taken);
    CHECK(post(box, 0, {}, frame));
}
