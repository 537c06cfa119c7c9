#include "daemon/control/varlink_server.hpp"

#include "daemon/control/varlink_message.hpp"
#include "daemon/os/clock.hpp"
#include "daemon/os/passed_fds.hpp"
#include "daemon/os/socket.hpp"
#include "daemon/os/stream_listener.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace tapioca {

namespace {

constexpr std::size_t most_clients = 8;
constexpr std::size_t most_unread = 1024 * 1024;
constexpr std::size_t octets_at_once = 4096;
constexpr int answers_at_once = 4;                      ///< to one client, before others have their turn
constexpr duration look = std::chrono::milliseconds{1}; ///< at a call that goes on
constexpr int pauses_per_work = 4;                      ///< then longer, so that a long list leaves the processor to the workers
constexpr duration gather = std::chrono::milliseconds{20};               ///< what happens, into one reply
constexpr duration without_descriptors = std::chrono::milliseconds{500}; ///< until we try again to accept

} // namespace

void varlink_server::start(reactor& loop)
{
    loop_ = &loop;
    if (parts_.seeing)
        listen(parts_.seeing.get(), client_may::see);
    if (parts_.changing)
        listen(parts_.changing.get(), client_may::change);
}

void varlink_server::listen(int listener, client_may what)
{
    (void)loop_->watch(listener, readiness_for::reading, [this, listener, what] { accept(listener, what); });
}

void varlink_server::accept(int listener, client_may what)
{
    auto came = os::accept_stream(listener);
    if (!came) {
        if (os::is_exhausted(came.error())) { // or we would be called at once again
            loop_->forget(listener);
            loop_->call_in(without_descriptors, [this, listener, what] { listen(listener, what); });
        }
        return;
    }
    // Whoever can open the socket at a path was let in by its directory.
    const bool known = came->uid == parts_.own_user || (parts_.hears_root && came->uid == 0);
    if (what == client_may::see && !known)
        return;
    make_room();
    const auto number = next_++;
    auto& c = clients_[number];
    c.fd = std::move(came->fd);
    c.what = what;
    c.is_own_user = came->uid == parts_.own_user;
    c.heard = ++now_;
    wait(number, c, readiness_for::reading);
}

/// Another one is more likely to want something than the one that has been silent for longest; who watches is silent by right.
void varlink_server::make_room()
{
    if (clients_.size() < most_clients)
        return;
    // Who waits for what it has asked for is silent, but not idle.
    const auto before = [](const client& a, const client& b) {
        return std::pair{a.call != nullptr, a.heard} < std::pair{b.call != nullptr, b.heard};
    };
    auto oldest = clients_.begin();
    for (auto c = clients_.begin(); c != clients_.end(); ++c)
        if (before(c->second, oldest->second))
            oldest = c;
    drop(oldest->first);
}

void varlink_server::drop(std::uint64_t number)
{
    const auto found = clients_.find(number);
    if (found == clients_.end())
        return;
    loop_->forget(found->second.fd.get());
    clients_.erase(found);
}

void varlink_server::wait(std::uint64_t number, client& c, readiness_for what)
{
    const auto then = [this, number, what] { what == readiness_for::reading ? receive(number) : serve(number); };
    if (!loop_->watch(c.fd.get(), what, then))
        drop(number);
}

void varlink_server::receive(std::uint64_t number)
{
    const auto found = clients_.find(number);
    if (found == clients_.end())
        return;
    auto& c = found->second;
    std::array<octet, octets_at_once> octets;
    os::passed_fds passed; // those that nobody has use for are closed again
    const auto n = os::receive(c.fd.get(), octets, passed);
    if (!n && n.error().value() == EAGAIN)
        return;
    if (!n || *n == 0)
        return drop(number);
    c.heard = ++now_;
    c.in.append(reinterpret_cast<const char*>(octets.data()), *n);
    if (passed.count != 0 && c.what == client_may::change)
        c.passed = std::move(passed.fds.front());
    if (!c.call)
        return serve(number);
    c.call->interrupt(); // and is looked at in time
    if (c.in.size() > varlink::longest_call)
        drop(number);
}

/// Sends, goes on, answers: until it has to wait for something.
void varlink_server::serve(std::uint64_t number)
{
    const auto found = clients_.find(number);
    if (found == clients_.end())
        return;
    auto& c = found->second;
    const auto begun = os::thread_time();
    for (int answers = 0;;) {
        const auto sent = send(c);
        if (sent == sending::failed)
            return drop(number);
        if (sent == sending::waits)
            return wait(number, c, readiness_for::writing);
        const auto state = c.call ? c.call->look(c.out) : running_call::state::done;
        if (state == running_call::state::done)
            c.call.reset();
        if (!c.out.empty())
            continue;
        if (state == running_call::state::waits)
            return wait_for_call(number, c);
        if (c.call || answers == answers_at_once)
            return look_again(number, c, std::max<duration>(look, pauses_per_work * (os::thread_time() - begun)));
        if (c.in.find('\0') == std::string::npos)
            return c.in.size() > varlink::longest_call ? drop(number) : wait(number, c, readiness_for::reading);
        ++answers;
        if (!answer_next(number, c))
            return drop(number);
    }
}

/// A client that has sent more than one call has its turn again; a call that goes on is looked at in a while. Only while it lasts
/// is the client heard.
void varlink_server::look_again(std::uint64_t number, client& c, duration pause)
{
    const auto lasts = c.call ? c.call->lasts() : std::nullopt;
    loop_->call_in(lasts.value_or(pause), [this, number] { serve(number); });
    if (!lasts)
        return loop_->forget(c.fd.get());
    if (!c.in.empty())
        c.call->interrupt();
    wait(number, c, readiness_for::reading);
}

/// A call that waits begins again from inside of whatever has something for it: not there.
void varlink_server::wake(std::uint64_t number)
{
    const auto found = clients_.find(number);
    if (found == clients_.end() || std::exchange(found->second.woken, true))
        return;
    loop_->call_in(gather, [this, number] {
        const auto there = clients_.find(number);
        if (there == clients_.end())
            return;
        there->second.woken = false;
        serve(number);
    });
}

/// Meanwhile it is seen when the client goes; what it says waits.
void varlink_server::wait_for_call(std::uint64_t number, client& c)
{
    if (c.in.size() > varlink::longest_call)
        return drop(number);
    wait(number, c, readiness_for::reading);
}

bool varlink_server::answer_next(std::uint64_t number, client& c)
{
    const auto end = c.in.find('\0');
    auto answer = parts_.methods.take(std::string_view{c.in}.substr(0, end), c.what, std::exchange(c.passed, {}), c.out);
    c.in.erase(0, end + 1);
    if (c.in.empty())
        c.in.shrink_to_fit();
    if (answer.hands_over && c.is_own_user && parts_.hand_over) {
        give_away(number, c);
        return false;
    }
    if (answer.hands_over) {
        c.out.clear();
        varlink::put_error(c.out, "io.github.tapioca.Control.PermissionDenied",
                           {{"why", "another user's place, or none that can be taken"}});
    }
    c.call = std::move(answer.goes_on);
    if (c.call)
        c.call->when_ready([this, number] { wake(number); });
    return answer.understood && c.out.size() <= most_unread;
}

/// The client is none of ours any more; a reply that does not fit into its socket is its own fault.
void varlink_server::give_away(std::uint64_t number, client& c)
{
    const bool told = send(c) == sending::done;
    loop_->forget(c.fd.get());
    auto connection = std::move(c.fd);
    clients_.erase(number);
    if (told)
        parts_.hand_over(std::move(connection));
}

varlink_server::sending varlink_server::send(client& c)
{
    while (c.sent < c.out.size()) {
        const bytes_view rest{reinterpret_cast<const octet*>(c.out.data()) + c.sent, c.out.size() - c.sent};
        const auto n = os::send(c.fd.get(), rest);
        if (!n)
            return n.error().value() == EAGAIN ? sending::waits : sending::failed;
        c.sent += *n;
        c.heard = ++now_;
    }
    c.out.clear();
    c.sent = 0;
    return sending::done;
}

} // namespace tapioca
