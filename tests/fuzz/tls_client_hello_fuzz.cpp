#include "proto/wire/tls_client_hello.hpp"
#include "tests/support/fuzz.hpp"

#include <vector>

using namespace tapioca;

namespace {

wire::client_hello found(bytes_view stream, std::size_t cut)
{
    const bytes_view pieces[] = {stream.first(cut), stream.subspan(cut)};
    return wire::find_client_hello(pieces);
}

bool same(const wire::client_hello& a, const wire::client_hello& b) { return a.kind == b.kind && a.name() == b.name(); }

} // namespace

/// What is found does not depend on the pieces, and not on what follows once it is not incomplete; a name is one.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const bytes_view stream{data, size};
    const auto whole = found(stream, 0);
    for (const auto cut : {size / 3, size / 2, size})
        FUZZ_CHECK(same(whole, found(stream, cut)));
    FUZZ_CHECK(size <= wire::longest_client_hello || whole.kind != wire::client_hello_kind::incomplete);
    FUZZ_CHECK((whole.kind != wire::client_hello_kind::named) || !whole.name().empty());
    for (const char c : whole.name())
        FUZZ_CHECK((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.');
    if (whole.kind == wire::client_hello_kind::incomplete)
        return 0;
    std::vector<octet> longer{stream.begin(), stream.end()};
    longer.resize(size + 7, 0xa5);
    FUZZ_CHECK(same(whole, found(longer, size)));
    return 0;
}
