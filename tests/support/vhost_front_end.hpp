// A vhost-user front-end over a socket pair, and the memory that it shares: a device with its owner on the other side.
#pragma once

#include "daemon/tap/vhost_device.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/device_stage.hpp"
#include "tests/support/front_end_words.hpp"
#include "tests/support/ring_driver.hpp"

#include <deque>
#include <sys/eventfd.h>
#include <sys/mman.h>

namespace tapioca::test {

/// A file of memory, as it is mapped by the front-end.
class shared_file {
public:
    explicit shared_file(std::size_t size) : fd(::memfd_create("guest", MFD_CLOEXEC))
    {
        REQUIRE(::ftruncate(fd.get(), static_cast<off_t>(size)) == 0);
        auto* const at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
        REQUIRE(at != MAP_FAILED);
        memory = {static_cast<octet*>(at), size};
    }
    ~shared_file() { ::munmap(memory.data(), memory.size()); }
    shared_file(const shared_file&) = delete;
    shared_file& operator=(const shared_file&) = delete;

    os::unique_fd fd;
    bytes_span memory;
};

/// A worker: an owner, a poller, and turns.
class vhost_worker : public device_stage {
public:
    using device_stage::device_stage;

    /// As a worker does it.
    void turn()
    {
        const auto now = os::now();
        const auto events = poller.wait(now, now);
        device->begin_turn();
        const bool left = device->has_more();
        for (const auto& e : events)
            device->take(e, now);
        if (left)
            device->read(now);
        device->queue().flush();
        device->end_turn(now);
    }
    std::optional<vhost_device> device;
};

struct front_end_reply {
    vhost::message_header header;
    octets payload;
    [[nodiscard]] std::uint64_t number() const
    {
        std::uint64_t n = ~std::uint64_t{0};
        std::memcpy(&n, payload.data(), std::min(payload.size(), sizeof n));
        return n;
    }
};

class vhost_front_end {
public:
    explicit vhost_front_end(std::size_t workers = 1) : first(workers)
    {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
        socket = os::unique_fd{ends[0]};
        first.device.emplace(vhost_descriptor{{{}, os::unique_fd{ends[1]}}}, first.place());
        first.device->start();
        for (unsigned i = 1; i < workers; ++i) {
            auto& w = others.emplace_back();
            const auto own = w.place(i);
            w.device.emplace(vhost_descriptor{}, device_place{own.poller, own.owner, own.counters, first.group, i});
            w.device->start();
        }
    }

    /// Shares one more region, whose addresses follow those of the last.
    shared_file& share(std::size_t size)
    {
        auto& f = files.emplace_back(size);
        ram.add(f.memory);
        return f;
    }
    [[nodiscard]] vhost::region region_of(std::size_t i) const { return ram.map().regions()[i].what; }

    void says(const front_end_word& w, std::initializer_list<int> fds = {}) const
    {
        octets all = raw(w.header) + w.payload;
        alignas(cmsghdr) std::array<char, CMSG_SPACE(32 * sizeof(int))> control{};
        iovec where{all.data(), all.size()};
        msghdr m{};
        m.msg_iov = &where;
        m.msg_iovlen = 1;
        if (fds.size() != 0) {
            m.msg_control = control.data();
            m.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
            auto* const c = CMSG_FIRSTHDR(&m);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
            std::memcpy(CMSG_DATA(c), fds.begin(), fds.size() * sizeof(int));
        }
        REQUIRE(::sendmsg(socket.get(), &m, MSG_NOSIGNAL) == static_cast<ssize_t>(all.size()));
    }
    /// Says it with NEED_REPLY, and gives what is acknowledged: 0 is success.
    std::uint64_t asks(front_end_word w, std::initializer_list<int> fds = {})
    {
        w.header.flags |= vhost::flag_need_reply;
        says(w, fds);
        first.turn();
        const auto r = reply();
        REQUIRE(r);
        REQUIRE(r->header.what == w.header.what);
        return r->number();
    }
    [[nodiscard]] std::optional<front_end_reply> reply() const
    {
        front_end_reply r;
        if (::recv(socket.get(), &r.header, sizeof r.header, 0) != sizeof r.header)
            return std::nullopt;
        r.payload.resize(r.header.size);
        if (r.header.size != 0 && ::recv(socket.get(), r.payload.data(), r.header.size, 0) != static_cast<ssize_t>(r.header.size))
            return std::nullopt;
        return r;
    }
    [[nodiscard]] bool is_closed() const
    {
        octet o{};
        return ::recv(socket.get(), &o, 1, 0) == 0;
    }

    void negotiates(vhost::feature_set features = vhost::version_1 | vhost::protocol_features | vhost::mrg_rxbuf)
    {
        using vhost::request;
        says(number_word(request::set_protocol_features, vhost::offered_protocol_features));
        says(number_word(request::set_features, features));
        first.turn();
    }
    /// Maps all regions that are shared.
    std::uint64_t tells_memory()
    {
        std::uint64_t wrong = 0;
        for (std::size_t i = 0; i < files.size(); ++i)
            wrong += asks(region_word(vhost::request::add_mem_reg, region_of(i), 1), {files[i].fd.get()});
        return wrong;
    }
    [[nodiscard]] static vhost::ring_address address_of(const ring_driver& d, std::uint32_t ring, std::uint32_t flags = 0)
    {
        return {ring, flags, guest_ram::user(d.descriptors), guest_ram::user(d.used), guest_ram::user(d.available), d.used};
    }
    ring_driver& driver_of(std::uint32_t ring, driver_options o = {.size = 64})
    {
        o.way = ring % 2 == 0 ? vhost::split_queue::direction::to_guest : vhost::split_queue::direction::from_guest;
        return drivers[ring].emplace(ram, o);
    }
    /// All that a ring needs.
    void starts(std::uint32_t ring, std::uint32_t size = 64)
    {
        using vhost::request;
        kicks[ring] = os::make_event_fd();
        calls[ring] = os::make_event_fd();
        REQUIRE(asks(state_word(request::set_vring_num, ring, size)) == 0);
        REQUIRE(asks(state_word(request::set_vring_base, ring, 0)) == 0);
        REQUIRE(asks(address_word(address_of(*drivers[ring], ring))) == 0);
        REQUIRE(asks(number_word(request::set_vring_call, ring, 1), {calls[ring].get()}) == 0);
        REQUIRE(asks(number_word(request::set_vring_kick, ring, 1), {kicks[ring].get()}) == 0);
        REQUIRE(asks(state_word(request::set_vring_enable, ring, 1)) == 0);
    }
    /// Where GET_VRING_BASE says that a ring stood.
    std::uint32_t stops(std::uint32_t ring)
    {
        says(state_word(vhost::request::get_vring_base, ring, 0));
        first.turn();
        const auto r = reply();
        REQUIRE(r);
        vhost::ring_state s;
        REQUIRE(r->payload.size() == sizeof s);
        std::memcpy(static_cast<void*>(&s), r->payload.data(), sizeof s);
        CHECK(s.index == ring);
        return s.number;
    }
    /// A frame of the guest of so many octets, at that address.
    void sends(std::uint32_t ring, std::uint64_t at, std::uint32_t length)
    {
        drivers[ring]->place({{at, 12 + length}});
        drivers[ring]->show();
        if (drivers[ring]->must_kick())
            os::signal(kicks[ring].get());
    }

    guest_ram ram;
    std::deque<shared_file> files;
    os::unique_fd socket;
    std::array<std::optional<ring_driver>, 8> drivers;
    std::array<os::unique_fd, 8> kicks, calls;
    vhost_worker first;
    std::deque<vhost_worker> others;
};

} // namespace tapioca::test
