// Guests, peers and kernels that do what they like: whatever comes, nothing is lost of what the translator owns.

#include "tests/sim/scenario.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

class havoc {
public:
    explicit havoc(unsigned seed)
        : random_(seed), s_{{.v6 = any(2) == 0,
                             .offered = {true, any(2) == 0, true},
                             .peek_offset = any(2) == 0,
                             .guest = {.mss = static_cast<std::uint16_t>(any(5) == 0 ? any(100) : 1460),
                                       .scale = any(3) == 0 ? -1 : any(15),
                                       .receive_buffer = any(3) == 0 ? 4096U : 1U << 20},
                             .seed = seed,
                             .shuffle_events = true}}
    {
        s_.kernel.on_connect = [this](memory_socket&) {
            constexpr int ends[] = {0, 0, 0, EINPROGRESS, ECONNREFUSED, EHOSTUNREACH};
            return ends[any(6)];
        };
    }

    void run()
    {
        for (int i = 0; i < 4; ++i) {
            auto& c = any(3) == 0 ? s_.peer_opens() : s_.guest_opens();
            s_.run_for(1ms);
            for (int step = any(60); step > 0; --step) {
                act(c);
                s_.run_for(std::chrono::microseconds{any(4) == 0 ? any(2'000'000) : any(300)});
            }
            c.guest->mute = true;
        }
        for (auto& socket : s_.kernel.sockets())
            if (socket.at == memory_socket::stage::connecting)
                s_.kernel.connect_failed(socket, ETIMEDOUT);
        s_.run_for(3h);
        CHECK(s_.nothing_left());
        CHECK(s_.count(report::counter::flow_quarantined) == 0);
        CHECK(s_.allocations == 0);
    }

private:
    int any(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
    int offset()
    {
        constexpr int reach[] = {1, 2, 4, 1500, 70'000, 2'000'000};
        const int most = reach[any(6)];
        return any(2 * most) - most;
    }

    void act(conversation& c)
    {
        switch (any(5)) {
        case 0:
        case 1:
            return forge(c);
        case 2:
            return on_guest(*c.guest);
        default:
            if (c.peer.socket != nullptr)
                on_peer(c.peer, *c.peer.socket);
        }
    }

    void forge(conversation& c)
    {
        guest_tcp::forged f{.seq_offset = offset(), .ack_offset = offset(), .payload = 0};
        constexpr octet likely[] = {wire::tcp_ack, wire::tcp_ack, wire::tcp_ack | wire::tcp_fin, wire::tcp_syn};
        f.flags = any(8) == 0 ? static_cast<octet>(any(256)) : likely[any(4)];
        if (any(2) == 0)
            f.payload = static_cast<std::uint32_t>(any(4000));
        if (any(2) == 0)
            f.seq_offset = 0;
        if (any(2) == 0)
            f.ack_offset = 0;
        c.guest->forge(f);
    }

    void on_guest(guest_tcp& g)
    {
        switch (any(6)) {
        case 0:
        case 1:
            return g.write(static_cast<std::uint64_t>(any(300'000)), s_.now());
        case 2:
            return any(4) == 0 ? g.finish(s_.now()) : g.write(1, s_.now());
        case 3:
            g.out_of_memory = !g.out_of_memory;
            return;
        case 4:
            g.reads_by_itself = !g.reads_by_itself;
            return;
        default:
            g.mute = any(3) == 0;
        }
    }

    void on_peer(peer_model& p, memory_socket& socket)
    {
        switch (any(8)) {
        case 0:
        case 1:
            p.to_send += p.finish ? 0 : static_cast<std::uint64_t>(any(400'000));
            break;
        case 2:
            p.reads = !p.reads;
            break;
        case 3:
            socket.send_limit = static_cast<std::size_t>(any(300'000));
            break;
        case 4:
            if (!socket.received.empty())
                socket.urgent_at = static_cast<std::size_t>(any(static_cast<int>(socket.received.size())));
            break;
        case 5:
            p.finish = any(4) == 0 || p.finish;
            break;
        case 6:
            s_.tap.refusals = any(5);
            break;
        default:
            if (socket.at == memory_socket::stage::connecting)
                any(2) == 0 ? s_.kernel.connected(socket) : s_.kernel.connect_failed(socket, EHOSTUNREACH);
            else if (any(10) == 0)
                s_.kernel.peer_resets(socket);
        }
    }

    std::mt19937 random_;
    simulation s_;
};

} // namespace

TEST_CASE("whatever guests and peers do, no flow is left over and none has to be quarantined")
{
    for (unsigned seed = 1; seed <= 60; ++seed) {
        INFO("seed " << seed);
        havoc{seed}.run();
    }
}
