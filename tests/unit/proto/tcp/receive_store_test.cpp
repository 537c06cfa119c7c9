#include "proto/tcp/receive_store.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <vector>

using namespace tapioca;
using tcp::receive_store;

namespace {

constexpr auto chunk = receive_store::chunk_octets;

struct pool {
    explicit pool(std::size_t chunks, std::size_t sets = 4)
        : memory(chunks * chunk), next(chunks), ranges(sets), store(memory, next, ranges)
    {
    }
    std::vector<octet> memory;
    std::vector<receive_store::index> next;
    std::vector<receive_store::range_set> ranges;
    receive_store store;
};

/// The octet that belongs at a place of a stream.
octet at(std::uint64_t place) { return static_cast<octet>(place * 131 + (place >> 8) * 7 + (place >> 16)); }

std::vector<octet> octets(std::uint64_t from, std::size_t count)
{
    std::vector<octet> v(count);
    for (std::size_t i = 0; i < count; ++i)
        v[i] = at(from + i);
    return v;
}

/// A queue and a map of what is stored of the stream: place -> known.
struct stream {
    receive_store::queue q;
    std::uint64_t base = 0;                        ///< place of the queue's first octet
    std::map<std::uint64_t, std::uint64_t> behind; ///< ranges behind gaps: from -> to

    [[nodiscard]] std::uint64_t end() const { return base + q.length(); }

    void check(const receive_store& store) const
    {
        std::array<bytes_view, 300> pieces;
        const auto count = store.gather(q, pieces);
        std::uint64_t place = base;
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < count; ++i)
            for (const auto o : pieces[i])
                wrong += o != at(place++) ? 1U : 0U;
        REQUIRE(wrong == 0);
        REQUIRE(place == end());
    }

    void put(receive_store& store, std::uint32_t gap, std::size_t length)
    {
        const auto from = end() + gap;
        const auto before = end();
        const auto result = store.put(q, gap, octets(from, length));
        REQUIRE(result.kept <= length);
        if (gap != 0) {
            REQUIRE(result.filled == 0);
            REQUIRE(end() == before);
            add(from, from + result.kept);
            return;
        }
        auto expected = before + result.kept;
        for (auto r = behind.begin(); r != behind.end() && r->first <= expected; r = behind.erase(r))
            expected = std::max(expected, r->second);
        REQUIRE(end() == expected);
        REQUIRE(result.filled == expected - before - result.kept);
    }

    void consume(receive_store& store, std::uint32_t count)
    {
        store.consume(q, count);
        base += count;
    }

private:
    void add(std::uint64_t from, std::uint64_t to)
    {
        if (from == to)
            return;
        for (auto r = behind.begin(); r != behind.end();) {
            if (r->first <= to && from <= r->second) {
                from = std::min(from, r->first);
                to = std::max(to, r->second);
                r = behind.erase(r);
            } else {
                ++r;
            }
        }
        behind[from] = to;
    }
};

} // namespace

TEST_CASE("octets put in order, behind gaps and over each other come out as they belong")
{
    std::mt19937 random{5};
    for (int round = 0; round < 8; ++round) {
        pool p{20};
        std::array<stream, 3> streams;
        for (int step = 0; step < 400; ++step) {
            auto& s = streams[random() % streams.size()];
            switch (random() % 4) {
            case 0:
                s.put(p.store, 0, random() % chunk);
                break;
            case 1:
            case 2:
                s.put(p.store, 1 + static_cast<std::uint32_t>(random() % (2 * chunk)), random() % chunk);
                break;
            case 3:
                if (s.q.length() != 0)
                    s.consume(p.store, 1 + static_cast<std::uint32_t>(random() % s.q.length()));
                break;
            }
            s.check(p.store);
        }
        for (auto& s : streams)
            p.store.release(s.q);
        REQUIRE(p.store.chunks_used() == 0);
    }
}

TEST_CASE("an exhausted pool keeps what fits, says so, and works again when octets have gone")
{
    pool p{2};
    stream a, b;
    a.put(p.store, 0, 10);
    b.put(p.store, 0, 3 * chunk);
    CHECK(b.q.length() == chunk);
    CHECK(p.store.put(a.q, 0, octets(10, chunk)).kept == chunk - 10);
    CHECK(p.store.put(a.q, 100, octets(0, 10)).kept == 0);
    a.check(p.store);
    stream c;
    c.put(p.store, 0, 5);
    CHECK(c.q.length() == 0);
    CHECK(c.q.empty());
    b.consume(p.store, chunk);
    CHECK(p.store.chunks_used() == 1);
    c.put(p.store, 0, 5);
    c.check(p.store);
    CHECK(c.q.length() == 5);
}

TEST_CASE("a ninth range behind a gap is refused and the eight stay")
{
    pool p{8};
    stream s;
    for (std::uint32_t i = 0; i < 8; ++i)
        CHECK(p.store.put(s.q, 10 + 20 * i, octets(10 + 20 * i, 5)).kept == 5);
    CHECK(p.store.put(s.q, 10 + 20 * 8, octets(10 + 20 * 8, 5)).kept == 0);
    // One that joins two of them finds room, and makes room.
    CHECK(p.store.put(s.q, 15, octets(15, 15)).kept == 15);
    CHECK(p.store.put(s.q, 10 + 20 * 8, octets(10 + 20 * 8, 5)).kept == 5);
    const auto first = p.store.put(s.q, 0, octets(0, 10));
    CHECK(first.filled == 25);
    s.check(p.store);
    p.store.release(s.q);
    CHECK(p.store.chunks_used() == 0);
}

TEST_CASE("when all sets of ranges are taken, other flows keep nothing behind a gap, and nothing leaks")
{
    pool p{8, 1};
    stream a, b;
    a.put(p.store, 5, 5);
    CHECK(p.store.put(b.q, 5, octets(5, 5)).kept == 0);
    CHECK(b.q.empty());
    CHECK(p.store.chunks_used() == 1);
    a.put(p.store, 0, 5);
    CHECK(a.q.length() == 10);
    CHECK(p.store.put(b.q, 5, octets(5, 5)).kept == 5);
    p.store.release(a.q);
    p.store.release(b.q);
    CHECK(p.store.chunks_used() == 0);
}

TEST_CASE("octets that repeat what waits behind a gap close it without a hole or a double")
{
    pool p{8};
    stream s;
    s.put(p.store, 100, 200); // 100..300
    s.put(p.store, 0, 150);   // 0..150 overlaps it
    CHECK(s.q.length() == 300);
    s.put(p.store, 50, 50); // 350..400
    s.put(p.store, 0, 200); // 300..500 covers it
    CHECK(s.q.length() == 500);
    CHECK(s.behind.empty());
    s.check(p.store);
}

TEST_CASE("at the end of a stream, what waits behind gaps is forgotten and what is in order stays")
{
    pool p{4, 1};
    stream s;
    s.put(p.store, 50, 50);
    s.put(p.store, 0, 20);
    p.store.forget_behind_gaps(s.q);
    s.behind.clear();
    CHECK(s.q.length() == 20);
    s.put(p.store, 0, 100);
    CHECK(s.q.length() == 120);
    s.check(p.store);
    s.consume(p.store, 120);
    s.put(p.store, 50, 50);
    p.store.forget_behind_gaps(s.q);
    CHECK(s.q.empty());
    CHECK(p.store.chunks_used() == 0);
}

TEST_CASE("promises out of the pool are bounded by its size")
{
    pool p{4};
    CHECK(p.store.reserve(3 * chunk));
    CHECK_FALSE(p.store.reserve(chunk + 1));
    CHECK(p.store.reserve(chunk));
    p.store.unreserve(4 * chunk);
    CHECK(p.store.reserve(4 * chunk));
}
