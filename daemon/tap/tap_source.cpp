#include "daemon/tap/tap_source.hpp"

#include "daemon/os/arena.hpp"
#include "proto/frame/emit.hpp"

namespace tapioca {
namespace {

class silent_queue final : public tap_queue {
public:
    [[nodiscard]] offloads offload() const noexcept override { return {}; }
    [[nodiscard]] int descriptor() const noexcept override { return -1; }
    [[nodiscard]] std::span<const rx_frame> receive(std::size_t) noexcept override { return {}; }
    [[nodiscard]] tx_slot acquire() noexcept override { return memory_.as<octet>().subspan(tap_headroom, largest_body); }
    bool commit(const wire::virtio_net_header&, std::size_t, std::size_t) noexcept override { return false; }
    bool send(const wire::virtio_net_header&, octet*, std::size_t, std::size_t) noexcept override { return false; }
    void flush() noexcept override {}

private:
    os::arena memory_{tap_headroom + largest_body};
};

/// Of a guest without a link: nothing comes, nothing leaves.
class silent_device final : public tap_device {
public:
    using tap_device::tap_device;
    [[nodiscard]] tap_queue& queue() noexcept override { return queue_; }

private:
    silent_queue queue_;
};

} // namespace

std::unique_ptr<tap_device> make_device(tap_source source, const device_place& place)
{
    if (auto* tun = std::get_if<tun_descriptor>(&source))
        return std::make_unique<tun_device>(std::move(*tun), place);
    if (auto* stream = std::get_if<stream_descriptor>(&source))
        return std::make_unique<stream_device>(std::move(*stream), place);
    if (auto* vhost = std::get_if<vhost_descriptor>(&source))
        return std::make_unique<vhost_device>(std::move(*vhost), place);
    return std::make_unique<silent_device>(place);
}

} // namespace tapioca
