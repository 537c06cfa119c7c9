// Requests to the kernel's routing netlink by libmnl: a message under construction, a socket, a dump, a request that is
// acknowledged. Read first: netlink(7), rtnetlink(7). What the messages mean is rtnetlink's matter.
#pragma once

#include "daemon/os/error.hpp"
#include "proto/base/address.hpp"
#include "proto/base/bytes.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

struct nlmsghdr;
struct mnl_socket;

namespace tapioca::os {

/// A netlink message that owns its octets and grows as attributes are appended.
class netlink_message {
public:
    netlink_message(std::uint16_t type, std::uint16_t flags);
    /// A copy of a message that the kernel sent, attributes included.
    explicit netlink_message(const nlmsghdr& received);

    /// Appends zeroed octets of a fixed header such as ifinfomsg and returns where they are; the pointer lives until the next
    /// append.
    template <class Header>
    Header& header()
    {
        return *static_cast<Header*>(extend(sizeof(Header)));
    }
    void attribute(std::uint16_t type, const void* value, std::size_t length);
    void attribute(std::uint16_t type, std::uint32_t value) { attribute(type, &value, sizeof value); }
    void attribute(std::uint16_t type, std::string_view text); ///< with the terminating zero that the kernel expects
    /// 4 or 16 octets, by the family of the address.
    void attribute(std::uint16_t type, const ip_address& address);

    [[nodiscard]] nlmsghdr& raw() noexcept;
    [[nodiscard]] const nlmsghdr& raw() const noexcept;

private:
    void* extend(std::size_t length);

    std::vector<octet> octets_; ///< operator new aligns them well enough for any header
};

// syscalls: socket bind getsockname setsockopt sendto recvmsg close
class netlink_socket {
public:
    /// A NETLINK_ROUTE socket of the calling thread's network namespace.
    [[nodiscard]] static result<netlink_socket> open();

    /// Sends a request with NLM_F_DUMP and hands every message of the answer to `each`; a table that changed meanwhile is EINTR.
    [[nodiscard]] result<void> dump(netlink_message& request, const std::function<void(const nlmsghdr&)>& each);
    /// Sends a request with NLM_F_ACK and returns what the kernel made of it.
    [[nodiscard]] result<void> request(netlink_message& message);

    /// Hears of what happens in a group (RTNLGRP_...) from now on; such a socket is for listen() alone.
    [[nodiscard]] result<void> join(unsigned group);
    /// Hands every notification to `each` until it says that it has heard enough. Else ENOBUFS, if there were more than the
    /// kernel keeps and some were lost, or EAGAIN at the end of the time.
    [[nodiscard]] result<void> listen(std::chrono::steady_clock::time_point end,
                                      const std::function<bool(const nlmsghdr&)>& each);

private:
    struct closer {
        void operator()(mnl_socket* socket) const noexcept;
    };
    explicit netlink_socket(mnl_socket* socket);
    [[nodiscard]] result<void> transact(netlink_message& message, std::uint16_t flags,
                                        const std::function<void(const nlmsghdr&)>& each);

    std::unique_ptr<mnl_socket, closer> socket_;
    std::vector<octet> buffer_; ///< for what the kernel sends
    std::uint32_t sequence_ = 0;
};

} // namespace tapioca::os
