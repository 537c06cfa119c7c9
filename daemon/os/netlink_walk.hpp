// From one netlink message to the next in what a read returned, and the one that ends an answer.
#pragma once

#include <climits>
#include <cstring>
#include <libmnl/libmnl.h>

namespace tapioca::os {

/// Whether a whole message stands at the front of `left` octets. libmnl compares lengths as signed numbers, to which one beyond
/// INT_MAX is a small one.
[[nodiscard]] inline bool is_whole(const nlmsghdr* m, int left) noexcept
{
    return mnl_nlmsg_ok(m, left) && m->nlmsg_len <= unsigned{INT_MAX};
}

/// What ends an answer: NLMSG_ERROR, and NLMSG_DONE where the kernel has a result to give, carry a negative errno. 0: all is
/// well.
[[nodiscard]] inline int result_of(const nlmsghdr& m) noexcept
{
    int error = 0;
    if (mnl_nlmsg_get_payload_len(&m) >= sizeof error)
        std::memcpy(&error, mnl_nlmsg_get_payload(&m), sizeof error);
    return error < 0 && error != INT_MIN ? -error : error;
}

} // namespace tapioca::os
