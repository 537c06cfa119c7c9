// What is still to be delivered on TCP connections when the process ends, and how they end then.
//
// A stream is complete if its sender has ended it, and all that was acknowledged to it has been passed to the socket of the
// other side, with the FIN: from there on the kernel delivers, even after the process has ended. Any other stream is reset, so
// that a receiver does not take a truncated one for complete. It ends here, as the guest's addresses go with the tap, which the
// end of the process may close first.

#include "daemon/translate/tcp_splice.hpp"
#include "daemon/translate/tcp_translator.hpp"

#include <utility>

namespace tapioca {

leftovers tcp_translator::left_over(bool guest_is_there) noexcept
{
    leftovers left;
    flows_.for_each([&](const tcp_flow& f) {
        if (f.broken || !(f.c.synchronized() || f.lingering))
            return;
        const bool finished = f.c.guest_finished();
        left.open = left.open || !finished;
        if (!finished && !guest_is_there)
            return;
        // Closing a socket that was not read to its end resets it, and takes back what it has not sent.
        const bool unread = finished && (f.readable || f.c.in_flight() != 0);
        left.octets =
            left.octets || (f.store.length() != 0 && !f.store.held) || ((unread || f.aborted) && os::unacknowledged(f.fd) != 0);
    });
    return left;
}

std::uint32_t tcp_translator::reset_incomplete() noexcept
{
    std::uint32_t count = 0;
    flows_.for_each([&](tcp_flow& f) {
        // Closing a socket with unread data resets it; data that was moved to our store does not have that effect.
        const bool delivered = f.store.length() == 0 && sent_.length(flows_.slot_of(f)) == 0;
        if (f.fd < 0 || (f.c.guest_finished() && delivered && !f.aborted && !f.broken))
            return;
        os::reset_on_close(f.fd);
        os::close(std::exchange(f.fd, -1));
        ++count;
    });
    return count;
}

bool tcp_splice::is_owing() noexcept
{
    bool owes = false;
    flows_.for_each([&](const tcp_splice_flow& f) {
        for (unsigned side = 0; side < 2; ++side) {
            const auto &from = f.ends[side], &to = f.ends[1 - side];
            const bool more = f.ending || from.has_something();
            // The kernel cannot deliver to the guest's own address when the tap is gone.
            owes = owes || (to.fd >= 0 && !to.failed && (more || (side == 0 && from.ended && os::unacknowledged(to.fd) != 0)));
        }
    });
    return owes;
}

std::uint32_t tcp_splice::reset_incomplete() noexcept
{
    std::uint32_t count = 0;
    flows_.for_each([&](tcp_splice_flow& f) {
        bool complete = true;
        for (unsigned side = 0; side < 2; ++side) {
            const auto& from = f.ends[side];
            const int to = std::exchange(f.ends[1 - side].fd, -1);
            if (!from.passed_on || from.failed) {
                complete = false;
                os::reset_on_close(to);
            }
            os::close(to);
        }
        count += !complete;
    });
    return count;
}

} // namespace tapioca
