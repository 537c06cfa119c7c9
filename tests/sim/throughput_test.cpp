// How fast a stream is, by window and loss, in virtual time: a round trip of 200 us and nothing else that takes time, so the
// numbers tell of windows, acknowledgements and timers alone. golden/throughput.txt is compared exactly; a change of the protocol
// that changes it on purpose writes it anew: TAPIOCA_WRITE_GOLDEN=1 sim_tests "[golden]".

#include "tests/sim/scenario.hpp"

#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <sstream>

using namespace tapioca;
using namespace tapioca::test;

namespace {

constexpr std::uint32_t sizes[] = {8'192, 60'000, 500'000};
constexpr double losses[] = {0, 0.001, 0.01, 0.05};
constexpr std::uint64_t octets = 1'000'000;

enum class direction : std::uint8_t { to_guest, from_guest };

simulation_options options(direction way, std::uint32_t size, double loss, unsigned seed)
{
    simulation_options o;
    o.mtu = 1500;
    if (way == direction::to_guest)
        o.guest.receive_buffer = size;
    else
        o.guest.send_frame = size;
    o.to_guest = o.from_guest = {.delay = 100us, .loss = loss};
    o.split_frames = true;
    o.seed = seed;
    return o;
}

/// In seconds.
double time_for_all(direction way, std::uint32_t size, double loss, unsigned seed)
{
    simulation s{options(way, size, loss, seed)};
    peers_answer(s);
    auto& c = s.guest_opens();
    REQUIRE(s.run_until([&] { return c.guest->at == stage::open; }));
    const auto start = s.now();
    if (way == direction::to_guest)
        c.peer.to_send = octets;
    else
        c.guest->write(octets, start);
    REQUIRE(s.run_until([&] { return (way == direction::to_guest ? c.guest->received() : c.peer.received) == octets; }, 3600s));
    check_no_complaints(s);
    return std::chrono::duration<double>(s.now() - start).count();
}

/// In Mbit/s, rounded, over several runs.
long throughput(direction way, std::uint32_t size, double loss)
{
    constexpr unsigned runs = 5;
    double seconds = 0;
    for (unsigned seed = 1; seed <= runs; ++seed)
        seconds += time_for_all(way, size, loss, seed);
    return std::lround(runs * static_cast<double>(octets) * 8 / seconds / 1e6);
}

void table(std::ostream& out, direction way, std::span<const std::uint32_t> rows)
{
    out << std::setw(10) << "octets";
    for (const double loss : losses)
        out << std::setw(8) << loss * 100 << " %";
    out << '\n';
    for (const auto size : rows) {
        out << std::setw(10) << size;
        for (const double loss : losses)
            out << std::setw(10) << throughput(way, size, loss);
        out << '\n';
    }
}

} // namespace

TEST_CASE("throughput by window and loss is what it was", "[golden]")
{
    std::ostringstream out;
    out << "Mbit/s over a round trip of 200 us in virtual time, by loss in each direction\n\nto the guest, by its window\n";
    table(out, direction::to_guest, sizes);
    constexpr std::uint32_t frames[] = {1460, 8760};
    out << "\nfrom the guest, by its largest frame\n";
    table(out, direction::from_guest, frames);
    const auto now = out.str();
    const std::string path = std::string{TAPIOCA_GOLDEN} + "/throughput.txt";
    if (std::getenv("TAPIOCA_WRITE_GOLDEN") != nullptr)
        std::ofstream{path} << now;
    std::ifstream in{path};
    const std::string before{std::istreambuf_iterator<char>{in}, {}};
    CHECK(now == before);
}
