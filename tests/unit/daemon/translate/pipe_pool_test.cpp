#include "daemon/translate/pipe_pool.hpp"
#include "tests/support/catch.hpp"

#include <fcntl.h>
#include <set>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace tapioca;

namespace {

std::vector<pipe_pool::handle> borrow(pipe_pool& pool, std::size_t count)
{
    std::vector<pipe_pool::handle> lent;
    while (lent.size() < count)
        lent.push_back(pool.borrow());
    return lent;
}

} // namespace

TEST_CASE("few pipes are large, the others have the kernel's size")
{
    pipe_pool pool{2};
    const auto lent = borrow(pool, 5);
    CHECK(pool.borrowed() == 5);
    int large = 0;
    for (const auto p : lent) {
        REQUIRE(p != 0);
        large += ::fcntl(pool.in(p), F_GETPIPE_SZ) >= static_cast<int>(pipe_pool::large_octets);
    }
    CHECK(large <= 2);
    CHECK(std::set<pipe_pool::handle>(lent.begin(), lent.end()).size() == 5);
}

TEST_CASE("an empty pipe is lent again, one with octets in it is not")
{
    pipe_pool pool{0};
    const auto first = pool.borrow();
    const int descriptor = pool.in(first);
    pool.give_back(first);
    CHECK(pool.borrow() == first);
    CHECK(pool.in(first) == descriptor);

    const octet left[] = {1, 2, 3};
    REQUIRE(os::write_pipe(pool.in(first), left).value() == sizeof left);
    pool.close(first);
    CHECK(pool.borrowed() == 0);
    const auto next = pool.borrow();
    octet found;
    CHECK(::read(pool.out(next), &found, 1) < 0);
}

TEST_CASE("a pipe that was made while the user's allowance was used up grows when there is some again")
{
    const auto as_nobody_else = [] { // the allowance is the user's, and root has none
        if (::geteuid() == 0 && ::setuid(static_cast<uid_t>(1'000'000 + ::getpid())) != 0)
            return 2;
        std::vector<os::pipe_ends> others;
        for (int i = 0; i < 2000; ++i) {
            auto ends = os::make_pipe();
            if (!ends)
                break;
            (void)os::set_pipe_size(ends->in.get(), pipe_pool::large_octets);
            others.push_back(std::move(*ends));
        }
        pipe_pool pool{0};
        const auto p = pool.borrow();
        if (p == 0 || ::fcntl(pool.in(p), F_GETPIPE_SZ) >= static_cast<int>(pipe_pool::usual_octets))
            return 3;
        pool.give_back(p);
        if (pool.can_hold(pipe_pool::usual_octets))
            return 4;
        others.clear();
        pool.end_turn();
        if (!pool.can_hold(pipe_pool::usual_octets) || pool.borrow() != p)
            return 5;
        return ::fcntl(pool.in(p), F_GETPIPE_SZ) >= static_cast<int>(pipe_pool::usual_octets) ? 0 : 6;
    };
    const auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0)
        ::_exit(as_nobody_else());
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a pool has its limit, and keeps some of what comes back")
{
    pipe_pool pool{0};
    const auto lent = borrow(pool, pipe_pool::most_pipes);
    CHECK(lent.back() != 0);
    CHECK(pool.borrow() == 0);
    CHECK_FALSE(pool.can_hold(1));
    const int last = pool.in(lent.back());
    for (const auto p : lent)
        pool.give_back(p);
    CHECK(pool.borrowed() == 0);
    CHECK(::fcntl(last, F_GETFD) < 0); // closed
    CHECK(pool.can_hold(pipe_pool::usual_octets));
    CHECK(borrow(pool, pipe_pool::most_pipes).back() != 0);
}
