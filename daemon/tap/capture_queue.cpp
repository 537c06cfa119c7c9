#include "daemon/tap/capture_queue.hpp"

#include "daemon/os/cpu.hpp"
#include "proto/frame/segmentation.hpp"
#include "proto/wire/ethernet.hpp"

#include <algorithm>

namespace tapioca {
namespace {

/// Calls `see` with the frame's octets, in pieces.
template <class See>
void with_octets(const rx_frame& frame, See see) noexcept
{
    std::array<bytes_view, most_pieces_of_frame> pieces{frame.octets};
    std::size_t count = 1;
    frame.body.each(0, frame.body.octets, [&](bytes_view part) { pieces[count++] = part; });
    see(scattered_view{std::span{pieces}.first(count), frame.length()});
}

} // namespace

capture_queue::capture_queue(tap_queue& inner) noexcept : inner_(inner), cpu_(os::cpu_vectors()) {}

bool capture_queue::add(std::shared_ptr<frame_sink> sink) noexcept
{
    if (count_ == sinks_.size())
        return false;
    sinks_[count_++] = std::move(sink);
    return true;
}

void capture_queue::remove(const frame_sink& sink) noexcept
{
    const auto end = sinks_.begin() + static_cast<std::ptrdiff_t>(count_);
    const auto found = std::find_if(sinks_.begin(), end, [&](const auto& each) { return each.get() == &sink; });
    if (found == end)
        return;
    std::move(found + 1, end, found);
    sinks_[--count_].reset();
}

std::span<const rx_frame> capture_queue::receive(std::size_t most) noexcept
{
    const auto frames = inner_.receive(most);
    record(frames);
    return frames;
}

void capture_queue::record(std::span<const rx_frame> frames) noexcept
{
    if (count_ == 0)
        return;
    for (const auto& frame : frames)
        with_octets(frame, [this](const scattered_view& octets) { show({.octets = octets}); });
}

void capture_queue::record_drop(const rx_frame& frame, drop_reason why, std::size_t among) noexcept
{
    with_octets(frame, [&](const scattered_view& octets) { show({.octets = octets, .dropped = why, .among = among}); });
}

bool capture_queue::record_drop_of_sent(drop_reason why) noexcept
{
    if (sent_ == nullptr)
        return false;
    show({.way = sent_->way, .octets = sent_->octets, .dropped = why});
    return true;
}

void capture_queue::end_turn() noexcept
{
    for (const auto& sink : std::span{sinks_}.first(count_))
        sink->end_turn();
}

void capture_queue::show(const seen_frame& frame) noexcept
{
    for (const auto& sink : std::span{sinks_}.first(count_))
        sink->take(frame);
}

bool capture_queue::commit(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept
{
    return send(vnet, inner_.acquire().data(), headers, payload);
}

bool capture_queue::commit_body(const wire::virtio_net_header& vnet, std::size_t headers, std::size_t payload) noexcept
{
    const octet* const slot = inner_.acquire().data();
    if (body_.size() == 1 && body_.front().data() == slot)
        return commit(vnet, headers, payload);
    std::array<bytes_view, most_pieces_of_frame> pieces{bytes_view{slot - headers, headers}};
    std::size_t count = 1;
    for (auto left = payload; left != 0 && count < pieces.size() && count <= body_.size(); ++count) {
        pieces[count] = body_[count - 1].first(std::min(left, body_[count - 1].size()));
        left -= pieces[count].size();
    }
    const seen_frame frame{.way = pcapng::direction::out, .octets = {std::span{pieces}.first(count), headers + payload}};
    show(frame);
    sent_ = &frame;
    const bool sent = inner_.commit_body(vnet, headers, payload);
    sent_ = nullptr;
    return sent;
}

bool capture_queue::send(const wire::virtio_net_header& vnet, octet* payload, std::size_t headers, std::size_t length) noexcept
{
    constexpr std::size_t longest = sizeof(wire::ethernet_header) + 65535;
    const bytes_view whole{payload - headers, headers + length};
    const seen_frame frame{.way = pcapng::direction::out, .octets = {{&whole, 1}, whole.size()}};
    const bool is_cut = whole.size() > longest && vnet.gso_type != wire::vnet_gso_none;
    if (is_cut)
        show_cut(whole.first(headers), whole.subspan(headers), vnet);
    else
        show(frame);
    sent_ = is_cut ? nullptr : &frame;
    const bool sent = inner_.send(vnet, payload, headers, length);
    sent_ = nullptr;
    return sent;
}

void capture_queue::show_cut(bytes_view headers, bytes_view payload, const wire::virtio_net_header& vnet) noexcept
{
    segmenter segments{headers, payload, vnet, cpu_};
    while (!segments.done() && segments.next_length() <= cut_.size()) {
        const bytes_view one{cut_.data(), segments.next(cut_.data())};
        show({.way = pcapng::direction::out, .octets = {{&one, 1}, one.size()}});
    }
}

} // namespace tapioca
