#include "daemon/os/tcp_figures.hpp"

#include <algorithm>
#include <linux/tcp.h> // more of tcp_info than netinet/tcp.h has
#include <netinet/in.h>
#include <sys/socket.h>

namespace tapioca::os {

// syscalls: getsockopt
result<tcp_figures> figures_of_tcp(int fd) noexcept
{
    constexpr std::uint8_t syn_sent = 2, close_wait = 8, last_ack = 9, closing = 11;
    tcp_info info{};
    socklen_t length = sizeof info; // of an old kernel's, less is filled
    if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return last_error();
    const bool stands = info.tcpi_state != syn_sent;
    const bool has_ended = info.tcpi_state == close_wait || info.tcpi_state == last_ack || info.tcpi_state == closing;
    return tcp_figures{.state = info.tcpi_state,
                       .round_trip_us = info.tcpi_rtt,
                       .round_trip_variation_us = info.tcpi_rttvar,
                       .congestion_window = info.tcpi_snd_cwnd,
                       .largest_segment = info.tcpi_snd_mss,
                       .retransmissions = info.tcpi_total_retrans,
                       .acknowledged = stands ? info.tcpi_bytes_acked : 0,
                       .sent = info.tcpi_bytes_sent - std::min(info.tcpi_bytes_sent, info.tcpi_bytes_retrans),
                       .received = info.tcpi_bytes_received - (has_ended ? 1 : 0)}; // the kernel counts the FIN
}

} // namespace tapioca::os
