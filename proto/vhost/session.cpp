#include "proto/vhost/session.hpp"

#include "proto/vhost/split_queue.hpp"

#include <utility>

namespace tapioca::vhost {
namespace {

outcome refused(std::string_view why) noexcept { return {.number = 1, .why = why}; }

constexpr outcome done{};
constexpr outcome rings_changed{.what = action::look_at_rings};

outcome answered(std::uint64_t number) noexcept { return {.reply = reply_kind::number, .number = number}; }

/// Of a request that has an answer of its own also when it is refused.
outcome refused_with(std::uint64_t answer, std::string_view why) noexcept
{
    return {.reply = reply_kind::number, .number = answer, .why = why};
}

/// How many descriptors a message needs; it may not have others.
bool takes_descriptors(request r) noexcept
{
    switch (r) {
    case request::set_mem_table:
    case request::add_mem_reg:
    case request::rem_mem_reg: // old front-ends send one, which is closed
    case request::set_log_base:
    case request::set_log_fd:
    case request::set_vring_kick:
    case request::set_vring_call:
    case request::set_vring_err:
    case request::set_device_state_fd:
        return true;
    default:
        return false;
    }
}

} // namespace

outcome session::take(const message& m) noexcept
{
    if (m.descriptors != 0 && !takes_descriptors(m.header.what))
        return refused("a descriptor with a request that takes none");
    switch (m.header.what) {
    case request::get_features:
        return answered(offered_features);
    case request::get_protocol_features:
        return answered(offered_protocol_features);
    case request::get_queue_num:
        return answered(most_pairs); // an answer that is too small makes QEMU ask for ever
    case request::get_max_mem_slots:
        return answered(memory_map::most_regions);
    case request::set_owner:
    case request::reset_owner: // deprecated: front-ends meant different things by it
    case request::send_rarp:
        return done;
    case request::set_log_fd:
        return {.what = action::nothing}; // nobody waits for it: the log is read whenever the front-end likes
    case request::set_features:
    case request::set_protocol_features:
    case request::net_set_mtu:
        return take_features(m);
    case request::set_mem_table:
    case request::add_mem_reg:
    case request::rem_mem_reg:
        return take_memory(m);
    case request::set_log_base:
        return take_log(m);
    case request::set_vring_num:
    case request::set_vring_base:
    case request::get_vring_base:
    case request::set_vring_enable:
        return take_ring(m);
    case request::set_vring_addr:
        return take_address(m);
    case request::set_vring_kick:
        return take_descriptor(m, action::set_kick);
    case request::set_vring_call:
        return take_descriptor(m, action::set_call);
    case request::set_vring_err:
        return take_descriptor(m, action::set_error);
    case request::set_device_state_fd:
        return take_state(m);
    case request::check_device_state:
        if (!has_state_)
            return refused_with(1, "no state that could be checked");
        return {.what = action::check_state, .reply = reply_kind::number};
    }
    return refused("an unknown request");
}

outcome session::take_features(const message& m) noexcept
{
    const auto number = m.as<std::uint64_t>();
    if (!number)
        return refused("a payload of the wrong size");
    if (m.header.what == request::net_set_mtu) {
        if (*number < 68 || *number > 65535)
            return refused("an MTU out of range");
        mtu_ = static_cast<std::uint16_t>(*number);
        return done;
    }
    const bool of_protocol = m.header.what == request::set_protocol_features;
    if ((*number & ~(of_protocol ? offered_protocol_features : offered_features)) != 0)
        return refused("features that were not offered");
    if (of_protocol) {
        protocol_ = *number;
        return done;
    }
    // Without the protocol's own features there is no SET_VRING_ENABLE.
    if ((*number & protocol_features) == 0)
        for (auto& r : rings_)
            r.enabled = true;
    features_ = *number;
    features_set_ = true;
    return rings_changed;
}

outcome session::take_memory(const message& m) noexcept
{
    if (m.header.what == request::set_mem_table)
        return take_table(m);
    struct one_region {
        std::uint64_t padding;
        region what;
    };
    const auto one = m.as<one_region>();
    if (!one)
        return refused("a payload of the wrong size");
    const bool adds = m.header.what == request::add_mem_reg;
    if (adds && m.descriptors != 1)
        return refused("a region without its descriptor");
    regions_.clear();
    regions_.push_back(one->what);
    return {.what = adds ? action::map_region : action::unmap_region};
}

outcome session::take_table(const message& m) noexcept
{
    struct {
        std::uint32_t count = 0, padding = 0;
    } head;
    if (m.payload.size() < sizeof head)
        return refused("a payload of the wrong size");
    std::memcpy(&head, m.payload.data(), sizeof head);
    if (head.count > most_table_regions || m.payload.size() < sizeof head + head.count * sizeof(region))
        return refused("more regions than the table has");
    if (m.descriptors != head.count)
        return refused("another number of descriptors than of regions");
    regions_.clear();
    for (std::size_t i = 0; i < head.count; ++i) {
        region r;
        std::memcpy(static_cast<void*>(&r), m.payload.data() + sizeof head + i * sizeof r, sizeof r);
        regions_.push_back(r);
    }
    return {.what = action::map_table};
}

/// Answered with LOG_SHMFD by an empty message, when it is done.
outcome session::take_log(const message& m) noexcept
{
    const auto area = m.as<log_area>();
    if (!area)
        return refused("a payload of the wrong size");
    if (m.descriptors != 1 || area->size == 0 || area->offset + area->size < area->offset)
        return refused("a log without memory");
    log_before_ = std::exchange(log_, *area);
    return {.what = action::set_log, .reply = (protocol_ & with::log_shmfd) != 0 ? reply_kind::empty : reply_kind::none};
}

outcome session::take_ring(const message& m) noexcept
{
    const auto state = m.as<ring_state>();
    if (!state)
        return refused("a payload of the wrong size");
    if (state->index >= most_rings)
        return refused("a ring that there is not");
    auto& r = rings_[state->index];
    switch (m.header.what) {
    case request::set_vring_num:
        if (state->number == 0 || state->number > largest_ring || (state->number & (state->number - 1)) != 0)
            return refused("a ring's size that is no power of two up to 1024");
        r.size = state->number;
        break;
    case request::set_vring_base:
        if (state->number > 0xffff)
            return refused("a place in a ring beyond 65535");
        r.base = static_cast<std::uint16_t>(state->number);
        break;
    case request::set_vring_enable:
        if (state->number > 1)
            return refused("neither on nor off");
        r.enabled = state->number == 1;
        break;
    default:
        r.kick = false;
        return {.what = action::stop_ring, .reply = reply_kind::state, .ring = state->index};
    }
    return {.what = action::look_at_rings, .ring = state->index};
}

outcome session::take_address(const message& m) noexcept
{
    const auto a = m.as<ring_address>();
    if (!a)
        return refused("a payload of the wrong size");
    if (a->index >= most_rings)
        return refused("a ring that there is not");
    if (a->descriptors % 16 != 0 || a->available % 2 != 0 || a->used % 4 != 0)
        return refused("a ring that is not aligned");
    auto& r = rings_[a->index];
    r.address = *a;
    r.has_address = true;
    return {.what = action::look_at_rings, .ring = a->index};
}

/// A device whose rings run has no state that could travel.
outcome session::take_state(const message& m) noexcept
{
    constexpr auto error = no_descriptor | 1;
    const auto transfer = m.as<state_transfer>();
    if (!transfer)
        return refused_with(error, "a payload of the wrong size");
    if (transfer->direction > 1 || transfer->phase != 0)
        return refused_with(error, "a state in a direction or phase that there is not");
    if (m.descriptors != 1)
        return refused_with(error, "a state without a descriptor");
    for (std::uint32_t i = 0; i < most_rings; ++i)
        if (can_run(i))
            return refused_with(error, "the state of a device that runs");
    has_state_ = true;
    return {.what = transfer->direction == 0 ? action::save_state : action::load_state,
            .reply = reply_kind::number,
            .number = no_descriptor};
}

outcome session::take_descriptor(const message& m, action what) noexcept
{
    const auto number = m.as<std::uint64_t>();
    if (!number)
        return refused("a payload of the wrong size");
    const auto index = static_cast<std::uint32_t>(*number & 0xff);
    if (index >= most_rings)
        return refused("a ring that there is not");
    const bool none = (*number & no_descriptor) != 0;
    if (m.descriptors != (none ? 0 : 1))
        return refused("another number of descriptors than announced");
    if (what == action::set_kick) {
        if (none)
            return refused("a ring that is to be polled");
        had_kick_ = std::exchange(rings_[index].kick, true);
    }
    return {.what = what, .ring = index};
}

void session::undo(const outcome& o) noexcept
{
    if (o.what == action::set_kick)
        rings_[o.ring].kick = had_kick_;
    if (o.what == action::set_log)
        log_ = log_before_;
    if (o.what == action::map_table || o.what == action::map_region)
        regions_.clear();
}

bool session::can_run(std::uint32_t index) const noexcept
{
    const auto& r = rings_[index];
    return features_set_ && has(version_1) && r.size != 0 && r.has_address && r.kick && r.enabled;
}

} // namespace tapioca::vhost
