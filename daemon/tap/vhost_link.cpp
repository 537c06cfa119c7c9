#include "daemon/tap/vhost_link.hpp"

#include "daemon/report/event_source.hpp"

#include <algorithm>

namespace tapioca {

using vhost::action;
using vhost::split_queue;

namespace {

constexpr std::string_view no_eventfd = "a descriptor that is no eventfd";

std::string_view text_of(const boost::system::error_code& error) noexcept
{
    switch (error.value()) {
    case ENOTSUP:
        return "a descriptor that is no file of memory";
    case ERANGE:
        return "a file that is shorter than its region";
    default:
        return "memory that cannot be mapped";
    }
}

/// Why it could not be mapped; empty: it is in `into`.
std::string_view map_memory(os::unique_fd file, std::uint64_t size, std::uint64_t offset, os::guest_memory& into) noexcept
{
    auto mapped = os::guest_memory::map(std::move(file), size, offset);
    if (!mapped)
        return text_of(mapped.error());
    into = std::move(*mapped);
    return {};
}

/// Likewise a region, which is added to a map then.
std::string_view add_region(vhost::memory_map& map, const vhost::region& r, os::unique_fd file, os::guest_memory& into) noexcept
{
    if (const auto wrong = map.check(r); wrong != vhost::region_fault::none)
        return vhost::text_of(wrong);
    const auto why = map_memory(std::move(file), r.size, r.offset, into);
    if (why.empty())
        map.add({r, into.octets().data()});
    return why;
}

} // namespace

/// While it exists no worker but worker 0, who makes it, is in a turn.
class vhost_link::everybody_waits {
public:
    explicit everybody_waits(std::deque<seat>& seats) noexcept : seats_(seats)
    {
        for (std::size_t i = 1; i < seats_.size(); ++i)
            seats_[i].turn.lock();
    }
    ~everybody_waits()
    {
        for (std::size_t i = 1; i < seats_.size(); ++i)
            seats_[i].turn.unlock();
    }
    everybody_waits(const everybody_waits&) = delete;
    everybody_waits& operator=(const everybody_waits&) = delete;

private:
    std::deque<seat>& seats_;
};

vhost_link::vhost_link(std::size_t workers) : seats_(workers), alarm_(os::make_event_fd()) {}

void vhost_link::join(unsigned worker, vhost_queue& queue, os::poller& poller) noexcept
{
    seats_[worker].queue = &queue;
    seats_[worker].poller = &poller;
}

void vhost_link::report(std::uint32_t ring, vhost::ring_fault why) noexcept
{
    std::uint32_t nobody = 0;
    if (broken_.compare_exchange_strong(nobody, ring << 8 | static_cast<std::uint32_t>(why), std::memory_order_relaxed))
        os::signal(alarm_.get());
}

std::optional<vhost_link::broken_ring> vhost_link::broken() const noexcept
{
    const auto b = broken_.load(std::memory_order_relaxed);
    if (b == 0)
        return std::nullopt;
    return broken_ring{b >> 8, static_cast<vhost::ring_fault>(b & 0xff)};
}

bool vhost_link::has_lost_memory() const noexcept
{
    const auto lost = [](const os::guest_memory& m) { return m.has_vanished(); };
    return lost(log_memory_) ||
           std::any_of(memory_.begin(), memory_.begin() + static_cast<std::ptrdiff_t>(map_.regions().size()), lost);
}

vhost::outcome vhost_link::take(const vhost::message& m, os::passed_fds& passed) noexcept
{
    auto o = session_.take(m);
    if (o.what == action::nothing)
        return o;
    const everybody_waits between_turns{seats_};
    if (const auto why = carry_out(o, passed); !why.empty()) {
        session_.undo(o);
        o.number = 1;
        o.why = why;
    }
    look_at_log();
    look_at_rings();
    return o;
}

std::string_view vhost_link::carry_out(const vhost::outcome& o, os::passed_fds& passed) noexcept
{
    auto& first = passed.fds.front();
    switch (o.what) {
    case action::map_table:
        return map_table(passed);
    case action::map_region:
        return map_region(session_.regions().front(), std::move(first));
    case action::unmap_region:
        return unmap_region(session_.regions().front());
    case action::set_kick:
        return set_kick(o.ring, std::move(first));
    case action::set_call:
        return set_call(o.ring, std::move(first));
    case action::set_error:
        fds_[o.ring].error = first && os::make_signal_fd(first.get()) ? std::move(first) : os::unique_fd{};
        return {};
    case action::set_log:
        return map_memory(std::move(first), session_.log().size, session_.log().offset, log_memory_);
    case action::stop_ring:
        drop_kick(o.ring);
        return {};
    case action::save_state:
        state_.begin(state_direction::save, std::move(first));
        return {};
    case action::load_state:
        state_.begin(state_direction::load, std::move(first));
        return {};
    case action::look_at_rings:
    case action::check_state:
    case action::nothing:
        break;
    }
    return {};
}

/// Either all regions are exchanged, or none.
std::string_view vhost_link::map_table(os::passed_fds& passed) noexcept
{
    const auto regions = session_.regions();
    std::array<os::guest_memory, vhost::most_table_regions> memory;
    vhost::memory_map map;
    for (std::size_t i = 0; i < regions.size(); ++i)
        if (const auto why = add_region(map, regions[i], std::move(passed.fds[i]), memory[i]); !why.empty())
            return why;
    map_ = map;
    for (std::size_t i = 0; i < memory_.size(); ++i)
        memory_[i] = i < memory.size() ? std::move(memory[i]) : os::guest_memory{};
    return {};
}

std::string_view vhost_link::map_region(const vhost::region& r, os::unique_fd file) noexcept
{
    if (map_.share(r))
        return {};
    os::guest_memory memory;
    const auto place = map_.regions().size();
    const auto why = add_region(map_, r, std::move(file), memory);
    if (why.empty())
        memory_[place] = std::move(memory);
    return why;
}

std::string_view vhost_link::unmap_region(const vhost::region& r) noexcept
{
    if (map_.unshare(r))
        return {};
    const auto at = map_.remove(r);
    if (!at)
        return "a region that there is not";
    std::move(memory_.begin() + static_cast<std::ptrdiff_t>(*at) + 1, memory_.end(),
              memory_.begin() + static_cast<std::ptrdiff_t>(*at));
    memory_.back() = {};
    return {};
}

std::string_view vhost_link::set_kick(std::uint32_t ring, os::unique_fd fd) noexcept
{
    if (!os::make_signal_fd(fd.get()))
        return no_eventfd;
    if (!seat_of(ring).poller->add(fd.get(), token_of(source::tap, ring), os::trigger::edge))
        return "a descriptor that cannot be watched";
    drop_kick(ring);
    fds_[ring].kick = std::move(fd);
    return {};
}

std::string_view vhost_link::set_call(std::uint32_t ring, os::unique_fd fd) noexcept
{
    if (fd && !os::make_signal_fd(fd.get()))
        return no_eventfd;
    seat_of(ring).queue->set_call(ring, fd.get());
    fds_[ring].call = std::move(fd);
    // Front-ends may send it behind the kick: what was signalled since then went to the one before.
    if (fds_[ring].call && seat_of(ring).queue->runs(ring))
        os::signal(fds_[ring].call.get());
    return {};
}

void vhost_link::look_at_log() noexcept
{
    const auto bits = log_memory_.octets();
    const bool wanted = session_.has(vhost::log_all) && !bits.empty();
    log_ = wanted ? vhost::dirty_log{bits.first(std::min<std::size_t>(bits.size(), session_.log().size))} : vhost::dirty_log{};
}

void vhost_link::drop_kick(std::uint32_t ring) noexcept
{
    auto& kick = fds_[ring].kick;
    if (kick)
        seat_of(ring).poller->remove(kick.get());
    kick.reset();
}

/// Where a ring lies in our memory; nothing: not in any region, or not aligned there.
std::optional<split_queue::memory> vhost_link::place_of(std::uint32_t ring) const noexcept
{
    const auto& r = session_.at(ring);
    split_queue::memory at;
    at.descriptors = map_.at_user(r.address.descriptors, split_queue::descriptor_octets(r.size));
    at.available = map_.at_user(r.address.available, split_queue::available_octets(r.size));
    at.used = map_.at_user(r.address.used, split_queue::used_octets(r.size));
    at.used_guest = r.address.log;
    if (at.descriptors == nullptr || at.available == nullptr || at.used == nullptr || !at.is_aligned())
        return std::nullopt;
    return at;
}

/// Starts what can run, stops what cannot, and tells the others where they lie.
void vhost_link::look_at_rings() noexcept
{
    for (auto& s : seats_)
        s.queue->set_features(session_.features());
    const bool held = state_.holds_rings();
    bool wanted = false;
    for (std::uint32_t ring = 0; ring < vhost::most_rings; ++ring) {
        auto& queue = *seat_of(ring).queue;
        wanted = wanted || session_.can_run(ring);
        const auto at = session_.can_run(ring) && !held ? place_of(ring) : std::nullopt;
        if (queue.runs(ring) && at && queue.size_of(ring) == session_.at(ring).size) {
            queue.move(ring, *at);
            continue;
        }
        if (queue.runs(ring))
            stop(ring);
        if (at)
            start(ring, *at);
    }
    if (held && wanted)
        state_.note_wanted();
}

void vhost_link::look_again() noexcept
{
    const everybody_waits between_turns{seats_};
    look_at_rings();
}

/// Whatever happened while we were not there has not been signalled to us, nor to the driver.
void vhost_link::start(std::uint32_t ring, const split_queue::memory& at) noexcept
{
    const auto& r = session_.at(ring);
    const bool to_guest = vhost::is_to_guest(ring);
    seat_of(ring).queue->start(ring,
                               {.at = at,
                                .size = static_cast<std::uint16_t>(r.size),
                                .next = r.base,
                                .event_index = session_.has(vhost::event_idx),
                                .indirect = session_.has(vhost::indirect_desc),
                                .way = to_guest ? split_queue::direction::to_guest : split_queue::direction::from_guest},
                               fds_[ring].call.get());
    if (to_guest && running_to_guest_++ == 0)
        ++starts_;
    os::signal(fds_[ring].kick.get());
    if (fds_[ring].call)
        os::signal(fds_[ring].call.get());
}

void vhost_link::stop(std::uint32_t ring) noexcept
{
    running_to_guest_ -= vhost::is_to_guest(ring);
    session_.stopped(ring, seat_of(ring).queue->stop(ring));
}

void vhost_link::disconnect() noexcept
{
    const everybody_waits between_turns{seats_};
    for (std::uint32_t ring = 0; ring < vhost::most_rings; ++ring) {
        if (seat_of(ring).queue->runs(ring))
            stop(ring);
        if (broken() && fds_[ring].error)
            os::signal(fds_[ring].error.get());
        drop_kick(ring);
        seat_of(ring).queue->set_call(ring, -1);
        fds_[ring] = {};
    }
    session_ = {};
    map_.clear();
    for (auto& m : memory_)
        m = {};
    log_memory_ = {};
    log_ = {};
    broken_.store(0, std::memory_order_relaxed);
    state_.note_gone();
}

} // namespace tapioca
