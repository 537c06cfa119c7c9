#include "proto/wire/options.hpp"
#include "tests/support/fuzz.hpp"

using namespace tapioca;

namespace {

/// Values stand in order, inside the list, with at least kind and length between them; behind the last nothing comes back to
/// life.
template <class Walk>
void walks_forward(bytes_view options, octet pad, octet end)
{
    Walk walk{options};
    const octet* at = options.data();
    for (auto next = walk.next(); next; next = walk.next()) {
        if (!*next)
            return;
        const auto& o = **next;
        FUZZ_CHECK(o.kind != pad && o.kind != end);
        FUZZ_CHECK(o.value.data() >= at + 2);
        FUZZ_CHECK(inside(o.value, options));
        FUZZ_CHECK(o.value.data()[-2] == o.kind);
        at = o.value.data() + o.value.size();
    }
    FUZZ_CHECK(!walk.next());
}

} // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const bytes_view input{data, size};
    walks_forward<wire::tcp_options>(input, 1, 0);
    walks_forward<wire::dhcp_options>(input, 0, 255);
    return 0;
}
