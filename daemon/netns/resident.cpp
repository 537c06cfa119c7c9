#include "daemon/netns/resident.hpp"

#include "daemon/os/batch_io.hpp"
#include "daemon/os/event_fd.hpp"
#include "daemon/os/namespaces.hpp"
#include "daemon/os/process.hpp"
#include "daemon/os/socket.hpp"
#include "daemon/os/thread.hpp"
#include "proto/wire/protocol.hpp"
#include "seccomp/capabilities.hpp"
#include "seccomp/landlock.hpp"

#include <algorithm>
#include <linux/capability.h>
#include <sys/socket.h>
#include <system_error>

namespace tapioca::netns {
namespace {

os::result<os::unique_fd> make(namespace_sockets::kind k) noexcept
{
    using kind = namespace_sockets::kind;
    const auto family = k == kind::tcp4 || k == kind::udp4 ? ip_family::ipv4 : ip_family::ipv6;
    return k == kind::tcp4 || k == kind::tcp6 ? os::tcp_socket(family) : os::udp_socket(family);
}

constexpr unsigned bit(namespace_sockets::kind k) noexcept { return 1U << static_cast<unsigned>(k); }

} // namespace

socket_store::~socket_store()
{
    for (auto& r : rings_)
        for (auto i = r.taken.load(); i != r.made.load(); ++i)
            os::close(r.fds[i % most]);
}

os::unique_fd socket_store::take(kind k) noexcept
{
    auto& r = rings_[static_cast<std::size_t>(k)];
    const auto at = r.taken.load(std::memory_order_relaxed);
    const auto left = r.made.load(std::memory_order_acquire) - at;
    if (left == 0)
        starved_.fetch_or(bit(k), std::memory_order_seq_cst);
    if (left == 0 || left == depth_ / 2)
        os::signal(bell_);
    if (left == 0)
        return {};
    os::unique_fd taken{r.fds[at % most]};
    r.taken.store(at + 1, std::memory_order_release);
    return taken;
}

bool socket_store::is_scarce(kind k) noexcept
{
    const auto& r = rings_[static_cast<std::size_t>(k)];
    const auto left = r.made.load(std::memory_order_acquire) - r.taken.load(std::memory_order_relaxed);
    if (left >= std::min<std::uint32_t>(2 * os::few_received, depth_))
        return false;
    os::signal(bell_);
    return (refused_.load(std::memory_order_relaxed) & bit(k)) == 0;
}

bool socket_store::refill() noexcept
{
    const auto starved = starved_.exchange(0, std::memory_order_seq_cst);
    unsigned refused = 0;
    bool news = false;
    for (unsigned i = 0; i < kinds; ++i) {
        const auto k = static_cast<kind>(i);
        auto& r = rings_[i];
        auto at = r.made.load(std::memory_order_relaxed);
        for (; at - r.taken.load(std::memory_order_acquire) < depth_; ++at) {
            auto fd = make(k);
            if (!fd) {
                refused |= bit(k);
                break;
            }
            r.fds[at % most] = fd->release();
            r.made.store(at + 1, std::memory_order_release);
        }
        // A worker that waits is woken only if a socket could be made.
        news |= (starved & bit(k)) != 0 && at != r.taken.load(std::memory_order_acquire);
    }
    refused_.store(refused, std::memory_order_relaxed);
    return news;
}

resident::resident(os::unique_fd network_namespace, std::size_t workers, duties after_start)
    : namespace_(std::move(network_namespace)), bell_(os::make_event_fd(os::unsignalled::waits)), duties_(after_start),
      worker_bells_(workers, -1)
{
    const auto share = os::descriptor_limit() / 32 / namespace_sockets::kinds / std::max<std::size_t>(workers, 1);
    const auto depth = static_cast<std::uint32_t>(std::clamp<std::size_t>(share, 1, socket_store::most));
    for (std::size_t i = 0; i < workers; ++i)
        stores_.emplace_back(bell_.get(), depth);
}

resident::~resident() { stop(); }

void resident::enter()
{
    os::join_network_namespace(namespace_.get());
    namespace_.reset();
    (void)capabilities::drop_bounding();
    if (duties_.administers) { // the kernel asks for the right of who opened it, too
        auto opened = os::netlink_socket::open();
        if (!opened)
            throw std::system_error(opened.error(), "Couldn't open a netlink socket in namespace");
        netlink_ = std::move(*opened);
    }
    const bool listens = duties_.later != listening::nowhere;
    capabilities::limit_to((duties_.later == listening::at_any_port ? capabilities::bit(CAP_NET_BIND_SERVICE) : 0) |
                           (duties_.administers ? capabilities::bit(CAP_NET_ADMIN) : 0));
    landlock::confine(listens ? landlock::bind_to::any_port : landlock::bind_to::nothing, landlock::connect_to::nobody);
    for (auto& store : stores_)
        (void)store.refill();
}

void resident::start()
{
    thread_ = os::start_thread([this] {
        os::block_signals();
        try {
            enter();
        } catch (...) {
            failure_ = std::current_exception();
        }
        answered_.release();
        if (!failure_)
            run();
    });
    answered_.acquire();
    if (failure_)
        std::rethrow_exception(failure_);
}

void resident::stop() noexcept
{
    if (!thread_.joinable())
        return;
    stopping_.store(true, std::memory_order_relaxed);
    os::signal(bell_.get());
    thread_.join();
}

void resident::run() noexcept
{
    while (!stopping_.load(std::memory_order_relaxed)) {
        os::clear(bell_.get()); // waits
        serve();
    }
}

void resident::serve() noexcept
{
    if (auto* asked = asked_.exchange(nullptr, std::memory_order_acquire)) {
        asked->made = asked->protocol == wire::protocol_tcp ? os::listen_tcp(asked->at) : os::listen_udp(asked->at);
        answered_.release();
    }
    if (const auto* ordered = ordered_.exchange(nullptr, std::memory_order_acquire)) {
        (*ordered)(*netlink_);
        answered_.release();
    }
    for (std::size_t i = 0; i < stores_.size(); ++i)
        if (stores_[i].refill() && worker_bells_[i] >= 0)
            os::signal(worker_bells_[i]);
}

os::result<os::unique_fd> resident::listen(octet protocol, const os::listen_at& at)
{
    request asked{protocol, at, os::unique_fd{}};
    asked_.store(&asked, std::memory_order_release);
    os::signal(bell_.get());
    answered_.acquire();
    return std::move(asked.made);
}

void resident::administer(const administration& work)
{
    ordered_.store(&work, std::memory_order_release);
    os::signal(bell_.get());
    answered_.acquire();
}

} // namespace tapioca::netns
