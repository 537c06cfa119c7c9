#include "proto/frame/segmentation.hpp"

#include "proto/base/byte_order.hpp"
#include "proto/wire/ethernet.hpp"
#include "proto/wire/ipv4.hpp"
#include "proto/wire/ipv6.hpp"
#include "proto/wire/tcp.hpp"
#include "proto/wire/udp.hpp"

#include <cstddef>
#include <cstring>

namespace tapioca {
namespace {

template <class T>
T load(const octet* at) noexcept
{
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

template <class T>
void store(octet* at, T value) noexcept
{
    std::memcpy(at, &value, sizeof value);
}

} // namespace

segmenter::segmenter(bytes_view headers, bytes_view payload, const wire::virtio_net_header& vnet, vectors cpu) noexcept
    : headers_(headers), payload_(payload), vnet_(vnet), cpu_(cpu),
      size_(vnet.gso_type == wire::vnet_gso_none || vnet.gso_size == 0 ? payload.size() : vnet.gso_size)
{
}

std::size_t segmenter::next(octet* into) noexcept
{
    const auto length = step();
    std::memcpy(into, headers_.data(), headers_.size());
    octet* const body = into + headers_.size();
    const auto sum = copy_and_sum(body, payload_.subspan(at_, length), cpu_);
    if (vnet_.gso_type != wire::vnet_gso_none) {
        patch_network(into, length);
        patch_transport(into, length);
    }
    if ((vnet_.flags & wire::vnet_needs_csum) != 0) { // the field holds the sum of the pseudo-header
        const bytes_view covered{into + vnet_.csum_start, headers_.size() - vnet_.csum_start};
        const auto whole = checksum_of(ones_sum(covered) + sum);
        store<be16>(into + vnet_.csum_start + vnet_.csum_offset, whole == 0 ? std::uint16_t{0xffff} : whole); // RFC 768
    }
    at_ += length;
    done_ = at_ == payload_.size();
    return headers_.size() + length;
}

void segmenter::patch_network(octet* frame, std::size_t length) const noexcept
{
    octet* const network = frame + sizeof(wire::ethernet_header);
    const auto behind = headers_.size() - sizeof(wire::ethernet_header) + length;
    if (network[0] >> 4 == 6) {
        const auto payload = behind - sizeof(wire::ipv6_header);
        return store<be16>(network + offsetof(wire::ipv6_header, payload_length), static_cast<std::uint16_t>(payload));
    }
    auto h = load<wire::ipv4_header>(network);
    h.total_length = static_cast<std::uint16_t>(behind);
    if ((h.flags_fragment & wire::ipv4_dont_fragment) == 0) // RFC 6864: those that may be fragmented are told apart
        h.identification = static_cast<std::uint16_t>(h.identification + (at_ == 0 ? 0 : at_ / size_));
    h.checksum = 0;
    store(network, h);
    store<be16>(network + offsetof(wire::ipv4_header, checksum), checksum_of(ones_sum({network, sizeof h})));
}

void segmenter::patch_transport(octet* frame, std::size_t length) const noexcept
{
    octet* const transport = frame + vnet_.csum_start;
    const auto header = headers_.size() - vnet_.csum_start;
    octet* const checksum = transport + vnet_.csum_offset;
    // The pseudo-header's sum has the length of the whole in it: RFC 1624 equation 3, on a sum that is not inverted.
    const auto whole = folded(header + payload_.size()), part = static_cast<std::uint16_t>(header + length);
    store<be16>(checksum, folded(std::uint64_t{load<be16>(checksum)} + static_cast<std::uint16_t>(~whole) + part));
    if (vnet_.gso_type == wire::vnet_gso_udp_l4)
        return store<be16>(transport + offsetof(wire::udp_header, length), part);
    octet* const sequence = transport + offsetof(wire::tcp_header, sequence);
    store<be32>(sequence, load<be32>(sequence) + static_cast<std::uint32_t>(at_));
    if (length != left())
        transport[13] &= static_cast<octet>(~(wire::tcp_fin | wire::tcp_psh));
}

} // namespace tapioca
