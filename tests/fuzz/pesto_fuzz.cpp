// Both sides of pesto's protocol. The first octet says which message it is, the second how long the pieces are in which it comes.
// What was understood is written out again, and read once more: the same rules, and the same octets when that is written again.
#include "proto/control/pesto.hpp"
#include "proto/forward/rule_text.hpp"
#include "tests/support/fuzz.hpp"

#include <vector>

using namespace tapioca;
using pesto::decoder;

namespace {

pesto::pif_list taken, again;

std::size_t feed(decoder& in, bytes_view octets, std::size_t piece)
{
    std::size_t total = 0;
    while (!octets.empty() && in.now() == decoder::state::unfinished) {
        const auto part = octets.first(std::min(piece, octets.size()));
        const auto count = in.take(part);
        FUZZ_CHECK(count == part.size() || in.now() != decoder::state::unfinished);
        total += count;
        octets = octets.subspan(part.size());
    }
    return total;
}

std::vector<octet> written(decoder::message kind, const pesto::pif_list& pifs)
{
    std::vector<octet> room(pesto::longest_message);
    writer out{room};
    FUZZ_CHECK(!(kind == decoder::message::greeting ? put_greeting(out, pifs) : put_tables(out, pifs)));
    FUZZ_CHECK(!out.full());
    room.resize(out.size());
    return room;
}

void check_rule(const forward_rule& rule)
{
    FUZZ_CHECK(rule.first >= 1 && rule.first <= rule.last);
    FUZZ_CHECK(rule.target_first >= 1 && rule.target_first + (rule.last - rule.first) <= 65535);
    FUZZ_CHECK(rule.stack == listen_stack::ipv4 ? rule.address.is_v4() : !rule.address.is_v4());
    FUZZ_CHECK(!text_of(rule).view().empty());
}

/// The interfaces that a server of ours has offered.
void offer(pesto::pif_list& pifs)
{
    pifs.clear();
    for (const octet id : {pesto::host_id, pesto::splice_id}) {
        pifs.push_back({});
        pifs[pifs.size() - 1].id = id;
    }
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz_input input{{data, size}};
    const auto kind = (input.take<octet>() & 1) == 0 ? decoder::message::greeting : decoder::message::tables;
    const std::size_t piece = std::max<std::size_t>(input.take<octet>(), 1);
    offer(taken);
    offer(again);
    decoder in{kind, taken};
    const auto used = feed(in, input.rest(), piece);
    FUZZ_CHECK(used <= input.rest().size());
    if (in.now() == decoder::state::refused)
        FUZZ_CHECK(!text_of(in.why()).view().empty());
    if (in.now() != decoder::state::complete)
        return 0;
    const auto octets = written(kind, taken);
    decoder second{kind, again};
    FUZZ_CHECK(feed(second, octets, octets.size()) == octets.size() && second.now() == decoder::state::complete);
    FUZZ_CHECK(written(kind, again) == octets && again.size() == taken.size());
    for (std::size_t i = 0; i < taken.size(); ++i) {
        FUZZ_CHECK(again[i].rules.size() == taken[i].rules.size() && again[i].name.view() == taken[i].name.view());
        for (std::size_t j = 0; j < taken[i].rules.size(); ++j) {
            check_rule(taken[i].rules[j]);
            FUZZ_CHECK(pesto::same(taken[i].rules[j], again[i].rules[j]));
        }
    }
    return 0;
}
