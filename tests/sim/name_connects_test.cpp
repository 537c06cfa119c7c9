// Connections to our name service: the guest sees a resolver that accepts, or that there is none.
#include "tests/sim/scenario.hpp"

using namespace tapioca;
using namespace tapioca::test;
using report::counter;

namespace {

constexpr auto mapped = ip_address::v4(192, 0, 2, 53);
constexpr ip_address resolver(octet last) { return ip_address::v4(203, 0, 113, last); }
constexpr int silence = EINPROGRESS;

struct world {
    explicit world(std::initializer_list<octet> resolvers)
    {
        s.config.address_map.names4.forwarded.push_back(mapped);
        for (const auto last : resolvers)
            s.config.address_map.names4.resolvers.push_back(resolver(last));
        s.kernel.on_connect = [this](memory_socket& socket) {
            const auto last = socket.remote.address.octets().back();
            asked.push_back(last);
            return does[last];
        };
    }
    conversation& ask(std::uint16_t port = 53) { return s.guest_opens_to({mapped, port}); }

    simulation s;
    std::map<int, int> does; ///< errno of a connect, by the last number of the address
    std::vector<int> asked;
};

using who = std::vector<int>;

} // namespace

TEST_CASE("a connection to our name service goes to the next resolver if one refuses or cannot be reached")
{
    for (const auto port : {std::uint16_t{53}, std::uint16_t{853}})
        for (const auto error : {ECONNREFUSED, ENETUNREACH, EHOSTUNREACH}) {
            world w({1, 2});
            w.does[1] = error;
            auto& c = w.ask(port);
            REQUIRE(w.s.run_until([&] { return c.guest->at == stage::open; }, 100ms));
            CHECK(w.asked == who{1, 2});
            CHECK(w.s.count(counter::name_queries_repeated) == 1);
            CHECK(w.s.count(counter::tcp_connect_failed) == 0);
            c.peer.socket = &w.s.kernel.newest();
            converse_to_end(w.s, c, 100, 5000);
        }
}

TEST_CASE("a refusal that comes later, and silence, lead to the next resolver; then it is asked first")
{
    world w({1, 2, 3});
    w.does[1] = w.does[2] = silence;
    const auto begin = w.s.now();
    auto& c = w.ask();
    w.s.run_for(200ms);
    w.s.kernel.connect_failed(w.s.kernel.newest(), ECONNREFUSED);
    w.s.run_for(100ms);
    CHECK(w.asked == who{1, 2});
    CHECK(c.guest->at == stage::syn_sent);
    REQUIRE(w.s.run_until([&] { return c.guest->at == stage::open; }, 5s));
    CHECK(w.asked == who{1, 2, 3});
    CHECK(w.s.now() - begin < 1300ms);
    CHECK(w.s.kernel.open_sockets() == 1);
    (void)w.ask();
    w.s.run_for(100ms);
    CHECK(w.asked == who{1, 2, 3, 3});
    (void)w.ask(853); // the choice is the same, whatever the port
    w.s.run_for(100ms);
    CHECK(w.asked == who{1, 2, 3, 3, 3});
    check_no_complaints(w.s);
}

TEST_CASE("only if all have failed the guest hears of it, with the last one's error")
{
    world w({1, 2});
    w.does[1] = ENETUNREACH;
    w.does[2] = ECONNREFUSED;
    auto& c = w.ask();
    w.s.run_for(100ms);
    CHECK(c.guest->at == stage::reset);
    CHECK(w.asked == who{1, 2});
    CHECK(w.s.count(counter::tcp_connect_failed) == 1);
    CHECK(w.s.nothing_left());
}

TEST_CASE("the last resolver has all the time that the guest gives it")
{
    world w({1, 2});
    w.does[1] = w.does[2] = silence;
    auto& c = w.ask();
    w.s.run_for(5s);
    CHECK(w.asked == who{1, 2});
    CHECK(c.guest->at == stage::syn_sent);
    w.s.kernel.connected(w.s.kernel.newest());
    CHECK(w.s.run_until([&] { return c.guest->at == stage::open; }, 10s));
}

TEST_CASE("what goes on at port 853 does not speak against a resolver")
{
    world w({1, 2});
    w.does[1] = silence;
    (void)w.ask(853);
    w.s.run_for(2s);
    (void)w.ask(853);
    w.s.run_for(2s);
    CHECK(w.asked == who{1, 2, 1, 2});
}

TEST_CASE("without resolvers a connection is reset; with one it is as any other")
{
    world none({});
    auto& c = none.ask();
    none.s.run_for(100ms);
    CHECK(c.guest->at == stage::reset);
    CHECK(none.asked.empty());
    CHECK(none.s.dropped(drop_reason::no_resolver) == 1);
    CHECK(none.s.nothing_left());
}

TEST_CASE("a hundred connections that wait for a silent resolver do not all have another one, but none is lost")
{
    world w({1, 2});
    w.does[1] = silence;
    for (int i = 0; i < 100; ++i)
        (void)w.ask();
    w.s.run_for(1500ms);
    CHECK(std::count(w.asked.begin(), w.asked.end(), 2) == 64);
    for (auto& socket : w.s.kernel.sockets())
        if (socket.at == memory_socket::stage::connecting && !socket.closed)
            w.s.kernel.connected(socket);
    CHECK(w.s.run_until(
        [&] { return std::ranges::all_of(w.s.conversations, [](auto& each) { return each->guest->at == stage::open; }); }, 30s));
}

TEST_CASE("another list of resolvers while one is silent; without any the connection is reset")
{
    for (const bool any : {true, false}) {
        world w({1, 2});
        w.does[1] = silence;
        auto& c = w.ask();
        w.s.run_for(500ms);
        auto next = std::make_shared<plane_config>(w.s.config);
        next->address_map.names4.resolvers.clear();
        if (any)
            next->address_map.names4.resolvers.push_back(resolver(7));
        std::shared_ptr<const plane_config> given{std::move(next)};
        w.s.plane->adopt(given);
        CHECK(w.s.run_until([&] { return c.guest->at == (any ? stage::open : stage::reset); }, 1s));
        CHECK(w.asked == (any ? who{1, 7} : who{1}));
    }
}
