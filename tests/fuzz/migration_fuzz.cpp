// The state of a back-end, as a target reads it: hostile octets in pieces. The first octet says how long the pieces are. Each
// item comes in its order, queues are no longer than announced, and connections that make sense are written out again as they
// were.
#include "proto/migrate/stream.hpp"
#include "proto/migrate/tcp_state.hpp"
#include "tests/support/fuzz.hpp"

using namespace tapioca;
using namespace tapioca::migrate;
using item = stream_decoder::item;

namespace {

constexpr std::uint32_t most_flows = 1000;

void check_flow(const flow_record& f)
{
    std::array<octet, flow_octets> once{}, twice{};
    writer out{once};
    put(out, f);
    FUZZ_CHECK(out.size() == flow_octets && !out.full());
    const auto c = connection_of(f, instant{});
    FUZZ_CHECK(c.snd_una <= c.snd_nxt && c.snd_nxt <= c.snd_max && c.rcv_nxt <= c.rcv_adv);
    FUZZ_CHECK(c.snd_scale <= 14 && c.rcv_scale <= 14 && c.mss >= 48);
    const auto head = head_of(f);
    auto again = record_of(head, c);
    writer second{twice};
    put(second, again);
    FUZZ_CHECK(again.guest == f.guest && again.to_guest == f.to_guest && again.from_guest == f.from_guest);
}

class follower {
public:
    void take(item what, const stream_decoder& in)
    {
        switch (what) {
        case item::guest:
            return expect(0);
        case item::count:
            expect(1);
            FUZZ_CHECK(in.count() <= most_flows);
            return;
        case item::flow:
            FUZZ_CHECK(++flows_ <= in.count());
            if (in.flow())
                check_flow(*in.flow());
            return;
        case item::socket:
            FUZZ_CHECK(flows_ == in.count() && !in_socket_);
            in_socket_ = true;
            send_ = receive_ = 0;
            if (in.socket() && in.flow())
                (void)exact(*in.flow(), *in.socket());
            return;
        case item::send_octets:
            FUZZ_CHECK(in_socket_ && receive_ == 0 && !in.octets().empty());
            send_ += in.octets().size();
            return;
        case item::receive_octets:
            FUZZ_CHECK(in_socket_ && !in.octets().empty());
            receive_ += in.octets().size();
            return;
        case item::flow_end:
            FUZZ_CHECK(in_socket_ && send_ <= longest_queue && receive_ <= longest_queue);
            FUZZ_CHECK(!in.socket() || (send_ == in.socket()->send_octets && receive_ == in.socket()->receive_octets));
            in_socket_ = false;
            FUZZ_CHECK(++ended_ <= in.count());
            FUZZ_CHECK(in.is_complete() == (ended_ == in.count()));
            return;
        case item::refused:
            FUZZ_CHECK(in.why() != refusal::none && !in.is_complete());
            return;
        case item::nothing:
            return;
        }
    }

private:
    void expect(int stage)
    {
        FUZZ_CHECK(stage_ == stage);
        ++stage_;
    }

    int stage_ = 0;
    std::uint32_t flows_ = 0, ended_ = 0;
    bool in_socket_ = false;
    std::size_t send_ = 0, receive_ = 0;
};

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz_input input{{data, size}};
    const std::size_t piece = std::max<std::size_t>(input.take<octet>(), 1);
    stream_decoder in{most_flows};
    follower follows;
    for (auto rest = input.rest(); !rest.empty();) {
        auto part = rest.first(std::min(piece, rest.size()));
        rest = rest.subspan(part.size());
        const auto before = part;
        item what = in.next(part);
        for (; what != item::nothing && what != item::refused; what = in.next(part)) {
            FUZZ_CHECK(inside(part, before));
            follows.take(what, in);
        }
        follows.take(what, in);
        if (what == item::refused)
            return 0;
        FUZZ_CHECK(part.empty());
    }
    return 0;
}
