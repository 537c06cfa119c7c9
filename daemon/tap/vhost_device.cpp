#include "daemon/tap/vhost_device.hpp"

#include "daemon/os/socket.hpp"
#include "daemon/tap/accept_client.hpp"

#include <algorithm>
#include <utility>

namespace tapioca {

using report::event_kind;
using vhost::reply_kind;

namespace {

/// The first device makes what they share.
std::shared_ptr<vhost_link> link_in(device_group& group)
{
    if (!group.vhost)
        group.vhost = std::make_shared<vhost_link>(group.queues.size());
    return group.vhost;
}

constexpr std::size_t header_octets = sizeof(vhost::message_header);

} // namespace

vhost_device::vhost_device(vhost_descriptor opened, const device_place& place)
    : tap_device(place), link_(link_in(place.group)), queue_(link_->map(), link_->log(), place.counters),
      sockets_(std::move(opened.sockets))
{
    link_->join(place.worker, queue_, place.poller);
}

void vhost_device::start()
{
    if (place_.worker != 0)
        return;
    const auto watch = [this](int fd, talk what, os::trigger t) {
        return place_.poller.add(fd, token_of(source::clients, static_cast<std::uint32_t>(what)), t);
    };
    os::require(watch(link_->alarm(), talk::alarm, os::trigger::edge), "Couldn't watch the other workers");
    os::require(watch(link_->state().answers(), talk::state, os::trigger::edge), "Couldn't watch the control plane");
    if (sockets_.client)
        return os::require(watch(sockets_.client.get(), talk::client, os::trigger::level), "Couldn't watch the front-end");
    os::require(watch(sockets_.listener.get(), talk::listener, os::trigger::level), "Couldn't watch the front-end's socket");
    place_.owner.keep_spare_fd();
}

void vhost_device::begin_turn() noexcept
{
    if (place_.worker != 0)
        link_->begin_turn(place_.worker);
}

void vhost_device::take(const os::event& e, instant now) noexcept
{
    if (static_cast<source>(e.what.kind) == source::clients) {
        client_waits_ = client_waits_ || e.what.id == static_cast<std::uint32_t>(talk::listener);
        messages_wait_ = messages_wait_ || e.what.id == static_cast<std::uint32_t>(talk::client);
        state_has_news_ = state_has_news_ || e.what.id == static_cast<std::uint32_t>(talk::state);
        return;
    }
    queue_.on_kick(e.what.id);
    if (queue_.has_more())
        read(now);
}

/// A few batches a turn, so that flows whose sockets are ready get their turn as well.
void vhost_device::read(instant now) noexcept
{
    for (int batches = 0; batches < batches_a_turn && queue_.has_more(); ++batches)
        place_.owner.take_frames(queue_.receive(tap_queue::most_frames), now);
}

void vhost_device::end_turn(instant now) noexcept
{
    if (const auto fault = queue_.fault())
        link_->report(fault->first, fault->second);
    else if (link_->has_lost_memory())
        link_->report(0, vhost::ring_fault::memory_gone);
    if (place_.worker != 0)
        return link_->end_turn(place_.worker);
    talk_to_front_end(now);
    if (greeted_ != link_->starts() && queue_.can_send()) {
        greeted_ = link_->starts();
        place_.owner.greet_guest();
    }
}

/// Frames of this turn have been given back, and no worker refers to the guest's memory.
void vhost_device::talk_to_front_end(instant now) noexcept
{
    if (const auto broken = link_->broken()) {
        place_.owner.tell(event_kind::vhost_ring_broken, static_cast<int>(broken->ring), now,
                          vhost::ring_fault_names[static_cast<std::size_t>(broken->why)].data());
        let_front_end_go(now);
    }
    if (std::exchange(state_has_news_, false)) {
        link_->state().clear_answer();
        link_->look_again();
        if (checks_state_ && sockets_.client)
            check_state();
    }
    if (std::exchange(messages_wait_, false) && sockets_.client)
        take_messages(now);
    if (std::exchange(client_waits_, false))
        if (auto client = accept_client(sockets_.listener.get(), static_cast<bool>(sockets_.client), place_.owner, now))
            attach(std::move(client), now);
}

void vhost_device::attach(os::unique_fd client, instant now) noexcept
{
    sockets_.client = std::move(client);
    if (!watch_client())
        let_front_end_go(now);
}

bool vhost_device::watch_client() noexcept
{
    const auto watched = place_.poller.add(
        sockets_.client.get(), token_of(source::clients, static_cast<std::uint32_t>(talk::client)), os::trigger::level);
    return watched.has_value();
}

void vhost_device::take_messages(instant now) noexcept
{
    for (int i = 0; i < messages_a_turn && sockets_.client && !checks_state_ && !over_ && receive_message(); ++i)
        take_message(now);
    if (over_)
        let_front_end_go(now);
}

/// Reads what is missing of a message, header and payload each with what came beside them. Whether it is whole.
bool vhost_device::receive_message() noexcept
{
    for (;;) {
        auto wanted = header_octets;
        if (received_count_ >= header_octets) {
            std::memcpy(static_cast<void*>(&header_), received_.data(), header_octets);
            if (header_.size > vhost::longest_payload)
                return true; // which is refused
            wanted += header_.size;
            if (received_count_ == wanted)
                return true;
        }
        const auto got =
            os::receive(sockets_.client.get(), bytes_span{received_}.subspan(received_count_, wanted - received_count_), passed_);
        if (!got || *got == 0) {
            over_ = got || (got.error().value() != EAGAIN && got.error().value() != EINTR);
            return false;
        }
        received_count_ += *got;
    }
}

void vhost_device::take_message(instant now) noexcept
{
    if (header_.size > vhost::longest_payload)
        return misunderstood("a payload that is too long", now);
    if ((header_.flags & vhost::version_mask) != vhost::version)
        return misunderstood("another version of the protocol", now);
    if ((header_.flags & vhost::flag_reply) != 0)
        return misunderstood("an answer to no question", now);
    if (passed_.too_many)
        return misunderstood("too many descriptors", now);
    const vhost::message m{header_, bytes_view{received_}.subspan(header_octets, header_.size), passed_.count};
    const auto o = link_->take(m, passed_);
    passed_.clear();
    received_count_ = 0;
    if (!o.why.empty()) {
        place_.counters.add(report::counter::vhost_requests_refused);
        place_.owner.tell(event_kind::vhost_request_refused, static_cast<int>(header_.what), now, o.why.data());
    }
    if (link_->session().is_legacy() && header_.what == vhost::request::set_vring_kick && !std::exchange(told_of_legacy_, true))
        place_.owner.tell(event_kind::vhost_legacy, 0, now);
    // A front-end that waits for an answer of its own kind would do so for ever.
    if (o.what == vhost::action::check_state)
        return check_state();
    const bool waits = header_.what == vhost::request::get_vring_base || header_.what == vhost::request::set_log_base;
    const bool told = m.wants_reply() && link_->session().acknowledges();
    if (!answer(m, o) || (waits && !o.why.empty() && !told))
        over_ = true;
}

/// False if the front-end does not take it.
bool vhost_device::answer(const vhost::message& m, const vhost::outcome& o) noexcept
{
    struct {
        vhost::message_header header;
        std::array<octet, 40> payload;
    } reply{};
    const auto put = [&reply](const auto& value) {
        reply.header.size = sizeof value;
        std::memcpy(reply.payload.data(), &value, sizeof value);
    };
    reply.header.what = m.header.what;
    reply.header.flags = vhost::version | vhost::flag_reply;
    const bool answers = o.why.empty() || o.reply == reply_kind::number;
    switch (answers ? o.reply : reply_kind::none) {
    case reply_kind::number:
        put(o.number);
        break;
    case reply_kind::state:
        put(vhost::ring_state{o.ring, link_->base_of(o.ring)});
        break;
    case reply_kind::empty:
        break;
    case reply_kind::none:
        if (!m.wants_reply() || !link_->session().acknowledges())
            return true;
        put(o.number);
        break;
    }
    const auto octets = header_octets + reply.header.size;
    const auto sent = os::send(sockets_.client.get(), bytes_view{reinterpret_cast<const octet*>(&reply), octets});
    return sent && *sent == octets;
}

/// Answers once there is an outcome; until then the front-end has nothing to say.
void vhost_device::check_state() noexcept
{
    auto& state = link_->state();
    const auto done = state.outcome();
    if (!done) {
        if (!std::exchange(checks_state_, true))
            place_.poller.remove(sockets_.client.get());
        return;
    }
    if (std::exchange(checks_state_, false) && !watch_client())
        over_ = true;
    const vhost::message_header header{.what = vhost::request::check_device_state, .flags = vhost::version, .size = 0};
    const vhost::message asked{.header = header, .payload = {}};
    if (!answer(asked, {.reply = reply_kind::number, .number = *done ? 0U : 1U}))
        over_ = true;
    else if (*done)
        state.note_checked();
}

/// Its guest is on the way to another host, or has left for one.
link_in_use vhost_device::give()
{
    link_in_use link;
    if (checks_state_ || link_->state().holds_rings()) {
        link.why = "its guest migrates";
        return link;
    }
    retelling said;
    bytes_view rest;
    if (sockets_.client) {
        link_->retell(said);
        rest = bytes_view{received_}.first(received_count_);
        link.descriptors.push_back(sockets_.client.get());
        link.descriptors.insert(link.descriptors.end(), said.descriptors().begin(), said.descriptors().end());
        for (const auto& fd : std::span{passed_.fds}.first(passed_.count))
            link.descriptors.push_back(fd.get());
    }
    put_link(link.octets, migrate::link_kind::vhost_user, static_cast<bool>(sockets_.client), said.octets(), rest, {});
    return link;
}

/// Descriptors of messages come in front of those of the message that has come in part.
std::string_view vhost_device::go_on(const migrate::link_state& from, std::span<os::unique_fd> passed)
{
    constexpr std::string_view nonsense = "what is under way with its guest makes no sense";
    if (from.link != migrate::link_kind::vhost_user || !from.to_guest.empty() || from.from_guest.size() > received_.size() ||
        passed.empty() == from.has_client)
        return nonsense;
    if (!from.has_client)
        return {};
    if (!os::is_unix_socket(passed.front().get()))
        return "its guest's descriptor is no socket";
    auto rest = passed.subspan(1);
    if (const auto why = hear_again(reader{from.said}, rest); !why.empty())
        return why;
    if (rest.size() > os::passed_fds::most)
        return nonsense;
    std::ranges::move(rest, passed_.fds.begin());
    passed_.count = rest.size();
    std::ranges::copy(from.from_guest, received_.begin());
    received_count_ = from.from_guest.size();
    sockets_.client = std::move(passed.front());
    greeted_ = link_->starts();
    return watch_client() ? "" : "its guest can't be watched";
}

std::string_view vhost_device::hear_again(reader said, std::span<os::unique_fd>& passed)
{
    while (!said.empty()) {
        const auto m = migrate::take_said(said);
        if (!m || m->descriptors > passed.size())
            return "what its guest has said makes no sense";
        os::passed_fds own;
        std::ranges::move(passed.first(m->descriptors), own.fds.begin());
        own.count = m->descriptors;
        passed = passed.subspan(m->descriptors);
        if (const auto o = link_->take(*m, own); !o.why.empty())
            return o.why;
    }
    return {};
}

void vhost_device::misunderstood(const char* why, instant now) noexcept
{
    place_.owner.tell(event_kind::vhost_misunderstood, 0, now, why);
    over_ = true;
}

void vhost_device::let_front_end_go(instant now) noexcept
{
    link_->disconnect();
    sockets_.client.reset(); // epoll forgets the descriptor with it
    passed_.clear();
    received_count_ = 0;
    over_ = told_of_legacy_ = messages_wait_ = checks_state_ = false;
    place_.owner.tell(event_kind::client_gone, 0, now);
}

} // namespace tapioca
