// Paths behind the guest that carry less than its link: segments become smaller (RFC 1191 section 6.5).

#include "daemon/translate/tcp_translator.hpp"
#include "proto/udp/segment_run.hpp"

#include <algorithm>

namespace tapioca {

namespace {

constexpr std::size_t headers_of(const flow_key& key) noexcept { return key.guest.is_v4() ? 40 : 60; }

} // namespace

bool tcp_translator::is_on_its_way(const flow_key& key, seq_number seq) noexcept
{
    const auto* f = flows_.find(key);
    return f != nullptr && f->c.snd_una <= seq && seq < f->c.snd_max;
}

void tcp_translator::on_narrow_path(const flow_key& key, instant now) noexcept
{
    if (auto* f = flows_.find(key))
        (void)apply(*f, {f->c.on_narrow_path(mss_of_path(*f))}, now);
}

/// What the guest's end accepts, or what is known to reach it if that is less.
std::uint16_t tcp_translator::mss_of_path(const tcp_flow& f) const noexcept
{
    const auto headers = headers_of(f.key);
    const auto fits = ctx_.guest.paths.mtu_of(f.key.guest, f.c.mss + headers) - headers;
    return static_cast<std::uint16_t>(std::min<std::size_t>(f.c.mss, fits));
}

/// Segments may be fragmented only if there is no other way: TCP finds out what gets through.
std::optional<std::uint16_t> tcp_translator::identification(const tcp_flow& f, std::size_t octets) noexcept
{
    if (!f.key.guest.is_v4() || f.c.mss + headers_of(f.key) > guest_paths::least_ipv4)
        return std::nullopt;
    return static_cast<std::uint16_t>(ctx_.guest.datagrams.take(f.key, datagrams_in(octets, f.c.mss)));
}

} // namespace tapioca
