// A virtio-net header that claims anything about a frame of any length: completing its checksum changes the two octets named, or
// nothing.
#include "proto/base/checksum.hpp"
#include "proto/frame/emit.hpp"
#include "tests/support/fuzz.hpp"

#include <vector>

using namespace tapioca;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz_input in{{data, size}};
    wire::virtio_net_header vnet;
    vnet.flags = in.take<octet>();
    vnet.csum_start = in.take<be16>();
    vnet.csum_offset = in.take<be16>();
    const auto rest = in.rest();
    std::vector<octet> frame(rest.begin(), rest.end());
    const auto before = frame;
    complete_checksum(frame, vnet);

    const std::size_t field = std::size_t{vnet.csum_start} + vnet.csum_offset;
    const bool applies = (vnet.flags & wire::vnet_needs_csum) != 0 && field + 2 <= frame.size();
    for (std::size_t i = 0; i < frame.size(); ++i)
        FUZZ_CHECK(frame[i] == before[i] || (applies && (i == field || i == field + 1)));
    if (applies && vnet.csum_offset % 2 == 0) { // the field held the pseudo-header's sum: with it, everything sums up
        const auto partial = bytes_view{before}.subspan(field, 2);
        FUZZ_CHECK(folded(ones_sum(bytes_view{frame}.subspan(vnet.csum_start)) + ones_sum(partial)) == 0xffff);
    }
    return 0;
}
