#include "daemon/migrate/hand_over.hpp"

#include "daemon/migrate/state_writer.hpp"
#include "daemon/os/clock.hpp"
#include "daemon/os/file.hpp"
#include "daemon/os/process.hpp"
#include "daemon/report/log.hpp"
#include "proto/forward/rule_text.hpp"

#include <algorithm>
#include <cstdlib>

namespace tapioca::migrate {
namespace {

constexpr duration longest_stop = std::chrono::seconds{2}; ///< then we go on

/// A policy may have come while we ran.
std::string_view refusal_of(const options& opts, const plane_config& config)
{
    if (opts.can_hand_over() && !config.egress)
        return "";
    return "only a pasta that serves PID or --netns with an interface, or a passt that listens for its guest, without egress "
           "policy and audit, can be taken over";
}

/// Empty: there is none.
os::unique_fd in_memory(bytes_view octets)
{
    auto file = os::make_memory_file();
    if (!file || !os::write_all(file->get(), {reinterpret_cast<const char*>(octets.data()), octets.size()}) ||
        !os::seal(file->get()))
        return {};
    return std::move(*file);
}

} // namespace

int hand_over::end_helpers() noexcept
{
    over_ = true;
    if (client_)
        refuse("the running instance is about to end");
    return -1;
}

void hand_over::begin(os::unique_fd client)
{
    if (frozen_ || over_)
        return; // it sees the end of its connection
    if (client_)
        refuse("another process asks for the same");
    client_ = std::move(client);
    in_.clear();
    batches_.clear();
    expected_ = message_kind::hello;
    ++attempt_;
    if (!loop_->watch(client_.get(), readiness_for::reading, [this] { receive(); }))
        client_.reset();
}

bool hand_over::send(message_kind kind, std::uint32_t value, bytes_view octets, std::span<const int> fds)
{
    const message_header header{static_cast<std::uint16_t>(kind), 0, value, static_cast<std::uint32_t>(octets.size())};
    std::vector<octet> message(sizeof header + octets.size());
    writer to{message};
    to.put(header);
    to.put(octets);
    return os::send_with_fds(client_.get(), message, fds).has_value();
}

void hand_over::refuse(std::string_view why)
{
    (void)send(message_kind::refused, 0, {reinterpret_cast<const octet*>(why.data()), why.size()});
    log::info("No process takes our place: " + std::string{why});
    go_on();
}

/// As if nothing had been.
void hand_over::go_on()
{
    if (client_)
        loop_->forget(client_.get());
    client_.reset();
    state_.reset();
    link_state_.reset();
    batches_.clear();
    if (std::exchange(frozen_, false))
        means_.workers.thaw();
}

void hand_over::receive()
{
    std::array<octet, 256> octets;
    std::vector<os::unique_fd> passed; // of which we want none
    const auto n = os::receive_with_fds(client_.get(), octets, passed, os::waiting::no);
    if (!n && n.error().value() == EAGAIN)
        return;
    if (!n || *n == 0) {
        log::info("The process that was to take our place has gone");
        return go_on();
    }
    in_.insert(in_.end(), octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(*n));
    while (client_ && in_.size() >= sizeof(message_header)) {
        reader from{in_};
        const auto header = read_message(from);
        if (!header || header->octets != 0)
            return refuse("that is no message of a process that takes our place");
        in_.erase(in_.begin(), in_.begin() + sizeof(message_header));
        take(static_cast<message_kind>(static_cast<std::uint16_t>(header->kind)), header->value);
    }
}

void hand_over::take(message_kind kind, std::uint32_t value)
{
    if (kind != expected_)
        return refuse("that message has no place here");
    switch (kind) {
    case message_kind::hello:
        if (value != format_version)
            return refuse("version " + std::to_string(value) + " of the exchange is unknown, this is version " +
                          std::to_string(format_version));
        if (const auto why = refusal_of(means_.opts, means_.workers.config()); !why.empty() || means_.link.descriptors.empty())
            return refuse(why.empty() ? "there is no interface" : why);
        if (means_.rules_change())
            return refuse("its rules are changing: try again");
        return send_parts();
    case message_kind::acknowledged:
        return send_next();
    case message_kind::move:
        return stop_and_send(value);
    case message_kind::ready:
        expected_ = message_kind::serves;
        if (!send(message_kind::yours, 0))
            refuse("its messages are not read");
        return;
    case message_kind::serves:
        log::info("Process " + std::to_string(process_) + " goes on in our place");
        os::end_process(EXIT_SUCCESS);
    default:
        return refuse("that message has no place here");
    }
}

void hand_over::send_parts()
{
    const auto& config = means_.workers.config();
    const auto& link = means_.link;
    std::vector<octet> octets(longest_message);
    writer to{octets};
    to.put(parts_header{format_version, means_.opts.mode == mode::pasta, static_cast<octet>(link.kind),
                        static_cast<std::uint16_t>(means_.workers.size()), link.vnet_header, link.offload.checksum,
                        link.offload.tso, link.offload.uso, config.secret.k0, config.secret.k1, config.net.duid_time,
                        link.control >= 0, link.configuration >= 0, link.repair >= 0,
                        static_cast<std::uint16_t>(config.host_rules.size()),
                        static_cast<std::uint16_t>(config.guest_rules.size())});
    for (const auto* rules : {&config.host_rules, &config.guest_rules})
        for (const auto& rule : *rules)
            put_text(to, text_of(rule).view());
    auto fds = link.descriptors;
    if (link.kind != link_kind::tap)
        put_text(to, link.path);
    const auto repair = means_.opts.repair_path.value_or(link.path + ".repair");
    for (const auto& [fd, path] : {std::pair{link.control, means_.opts.control_path.value_or("")},
                                   {link.configuration, means_.opts.conf_path.value_or("")},
                                   {link.repair, repair}})
        if (fd >= 0) {
            fds.push_back(fd);
            put_text(to, path);
        }
    plan_listeners();
    expected_ = message_kind::acknowledged;
    if (to.full() || !send(message_kind::parts, 0, to.written(), fds))
        refuse("it has too many rules");
}

/// Those of rules that follow the other side come and go: the new process makes its own.
void hand_over::plan_listeners()
{
    means_.workers.freeze();
    const auto* table = means_.workers.frozen_plane(0).common().listeners;
    batch next;
    for (auto i = table->first_used(); i < table->end_of_used(); ++i) {
        const auto* l = table->find(i);
        if (l == nullptr)
            continue;
        const listener_record record{static_cast<octet>(l->name.side), l->name.rule, l->name.protocol, l->name.port};
        next.octets.insert(next.octets.end(), octets_of(record).begin(), octets_of(record).end());
        next.fds.push_back(l->fd());
        if (next.fds.size() == os::most_passed_fds)
            batches_.push_back(std::exchange(next, {}));
    }
    means_.workers.thaw();
    if (!next.fds.empty())
        batches_.push_back(std::move(next));
}

void hand_over::send_next()
{
    if (!batches_.empty()) {
        const auto next = std::move(batches_.back());
        batches_.pop_back();
        if (!send(next.kind, next.value, next.octets, next.fds))
            refuse("its messages are not read");
        return;
    }
    if (!frozen_) {
        expected_ = message_kind::move;
        if (!send(message_kind::parts_end, 0))
            refuse("its messages are not read");
        return;
    }
    expected_ = message_kind::ready;
    const int file = state_.get();
    if (!send(message_kind::state, state_octets_, {}, std::span{&file, 1}))
        refuse("its messages are not read");
}

/// From here on the guest waits.
void hand_over::stop_and_send(std::uint32_t process)
{
    if (means_.rules_change())
        return refuse("its rules are changing: try again");
    process_ = process;
    frozen_ = true;
    means_.workers.freeze();
    loop_->call_in(longest_stop, [this, attempt = attempt_] {
        if (frozen_ && attempt == attempt_)
            refuse("it takes too long");
    });
    expected_ = message_kind::acknowledged;
    plan_flows();
}

void hand_over::plan_flows()
{
    state_writer state{means_.workers.guest()};
    const auto now = os::now();
    for (std::size_t i = 0; i < means_.workers.size(); ++i)
        state.add(means_.workers.frozen_plane(i), i, now);
    const auto octets = state.finish();
    state_ = in_memory(octets);
    if (!state_)
        return refuse("there is no memory for its state");
    state_octets_ = static_cast<std::uint32_t>(octets.size());
    const auto& fds = state.descriptors();
    const auto batches = (fds.size() + os::most_passed_fds - 1) / os::most_passed_fds;
    for (std::size_t i = batches; i-- > 0;) { // the last one is sent first
        const auto from = i * os::most_passed_fds, count = std::min(os::most_passed_fds, fds.size() - from);
        const auto first = fds.begin() + static_cast<std::ptrdiff_t>(from);
        batches_.push_back({message_kind::flows, {}, {first, first + static_cast<std::ptrdiff_t>(count)}});
    }
    plan_link();
}

/// Of a tap there is nothing that its descriptors are not.
void hand_over::plan_link()
{
    auto link = means_.workers.frozen_link().give();
    if (!link.why.empty())
        return refuse(link.why);
    if (!link.octets.empty()) {
        link_state_ = in_memory(link.octets);
        if (!link_state_)
            return refuse("there is no memory for its state");
        link.descriptors.insert(link.descriptors.begin(), link_state_.get());
        batches_.push_back({message_kind::link, {}, std::move(link.descriptors), static_cast<std::uint32_t>(link.octets.size())});
    }
    send_next();
}

} // namespace tapioca::migrate
