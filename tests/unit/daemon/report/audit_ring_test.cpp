// What is recorded for the audit log: beginnings only with room for their ends, and never at the expense of one another.
#include "daemon/report/audit_ring.hpp"
#include "tests/support/catch.hpp"

#include <memory>
#include <thread>
#include <vector>

using namespace tapioca;
using report::audit_event;
using report::audit_record;
using report::audit_ring;

namespace {

std::vector<audit_record> drained(audit_ring& ring)
{
    std::vector<audit_record> all;
    (void)ring.drain([&](const audit_record& record) {
        all.push_back(record);
        return true;
    });
    return all;
}

constexpr audit_record refusal{.what = audit_event::refused};
constexpr audit_record end_of(std::uint64_t number) { return {.what = audit_event::ended, .number = number}; }

} // namespace

TEST_CASE("flows of several workers have numbers of their own, and their records come out in their order")
{
    audit_ring first{audit_mode::kept, 0}, second{audit_mode::kept, 1};
    const auto a = first.open({}), b = first.open({}), c = second.open({});
    CHECK((a != 0 && b != a && c != a && c != b && c != 0));
    first.end(end_of(a));
    CHECK(first.note(refusal));
    const auto all = drained(first);
    REQUIRE(all.size() == 4);
    CHECK((all[0].number == a && all[1].number == b));
    CHECK((all[2].what == audit_event::ended && all[2].number == a));
    CHECK(all[3].what == audit_event::refused);
    CHECK(drained(first).empty());
}

TEST_CASE("while nobody reads, beginnings are refused at their bound, and the end of each that was taken still fits")
{
    const auto mode = GENERATE(audit_mode::kept, audit_mode::required);
    audit_ring ring{mode, 0};
    std::vector<std::uint64_t> open;
    while (const auto number = ring.open({}))
        open.push_back(number);
    CHECK(open.size() == audit_ring::most_waiting);
    CHECK(ring.admits() == (mode == audit_mode::kept));
    CHECK(ring.lost() == 2);
    for (const auto number : open)
        ring.end(end_of(number));
    CHECK(ring.lost() == 2);
    CHECK(drained(ring).size() == 2 * open.size());
    CHECK(ring.admits());
    CHECK(ring.open({}) != 0);
}

TEST_CASE("a reader that is there lets so many flows be open at a time that their ends have room, and not one more")
{
    audit_ring ring{audit_mode::required, 0};
    std::vector<std::uint64_t> open;
    while (ring.admits()) {
        open.push_back(ring.open({}));
        (void)drained(ring);
    }
    CHECK(open.size() == audit_ring::capacity - 1);
    ring.end(end_of(open.back()));
    CHECK(drained(ring).size() == 1);
    CHECK(ring.admits());
    open.pop_back();
    for (const auto number : open)
        ring.end(end_of(number));
    CHECK(ring.lost() == 0);
    CHECK(drained(ring).size() == open.size());
}

TEST_CASE("a flood of refusals leaves room for flows that begin")
{
    audit_ring ring{audit_mode::required, 0};
    for (std::uint32_t i = 0; i < 2 * audit_ring::most_waiting; ++i)
        CHECK(ring.note(refusal) == (i < audit_ring::most_waiting / 2));
    CHECK(ring.lost() == 2 * audit_ring::most_waiting - audit_ring::most_waiting / 2);
    CHECK(ring.admits());
    CHECK(ring.open({}) != 0);
    audit_ring kept{audit_mode::kept, 0};
    for (std::uint32_t i = 0; i < audit_ring::most_waiting; ++i)
        CHECK(kept.note(refusal)); // which may be lost
}

TEST_CASE("while nothing can be written, no flow may begin if it has to be recorded")
{
    audit_ring required{audit_mode::required, 0}, kept{audit_mode::kept, 0};
    for (auto* ring : {&required, &kept})
        ring->stop(true);
    CHECK_FALSE(required.admits());
    CHECK(kept.admits());
    required.stop(false);
    CHECK(required.admits());
}

TEST_CASE("a flow that moves takes the room for its end along")
{
    audit_ring from{audit_mode::required, 0}, to{audit_mode::required, 1};
    const auto number = from.open({});
    from.expect_no_end();
    to.expect_end();
    to.end(end_of(number));
    CHECK(drained(to).at(0).number == number);
    std::uint32_t more = 0;
    for (; from.admits(); ++more) {
        (void)from.open({});
        (void)drained(from);
    }
    CHECK(more == audit_ring::capacity - 1);
}

TEST_CASE("a record that is not taken stays, with those behind it")
{
    audit_ring ring{audit_mode::kept, 0};
    for (int i = 0; i < 3; ++i)
        (void)ring.open({});
    int taken = 0;
    CHECK(ring.drain([&](const audit_record&) { return taken++ < 1; }));
    CHECK(drained(ring).size() == 2);
    CHECK(ring.is_empty());
}

TEST_CASE("what a writer records while it is read arrives once and in order, and the reader is woken for it")
{
    constexpr std::uint64_t many = 200'000;
    audit_ring ring{audit_mode::required, 0};
    std::thread writer{[&] {
        for (std::uint64_t i = 0; i < many;) {
            if (!ring.admits()) {
                std::this_thread::yield();
                continue;
            }
            ring.end(end_of(ring.open({})));
            (void)ring.reader_sleeps();
            ++i;
        }
    }};
    std::uint64_t records = 0, wrong = 0, last = 0;
    while (records < 2 * many) {
        const auto more = ring.drain([&](const audit_record& r) {
            const bool begins = r.what == audit_event::opened;
            wrong += begins != (records % 2 == 0) || (begins ? r.number <= last : r.number != last);
            last = r.number;
            ++records;
            return true;
        });
        CHECK_FALSE(more);
        std::this_thread::yield();
    }
    writer.join();
    CHECK(wrong == 0);
    CHECK(ring.lost() == 0);
    CHECK(drained(ring).empty()); // the writer may have woken the reader for the last ones
    CHECK_FALSE(ring.reader_sleeps());
    (void)ring.open({});
    CHECK(ring.reader_sleeps());
    (void)ring.open({});
    CHECK_FALSE(ring.reader_sleeps());
}
