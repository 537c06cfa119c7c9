#include "daemon/client/tapioca_capture_blocks.hpp"

#include "daemon/client/tapioca_connection.hpp"
#include "daemon/config/address_text.hpp"
#include "proto/frame/classify.hpp"

#include <array>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace tapioca::client {
namespace {

constexpr std::size_t least_block = 12, fields_of_frame = 28;
constexpr std::uint16_t comment = 1, flags = 2, dropcount = 4;

[[noreturn]] void fail() { throw control_failure("the instance sends what is no pcapng"); }

template <class Number>
Number number_at(bytes_view from, std::size_t at)
{
    if (at > from.size() || from.size() - at < sizeof(Number))
        fail();
    Number n;
    std::memcpy(&n, from.data() + at, sizeof n);
    return n;
}

std::size_t padded(std::size_t length) { return (length + 3) / 4 * 4; }

void take_option(captured_frame& frame, std::uint16_t code, bytes_view value)
{
    if (code == comment)
        frame.comment.assign(reinterpret_cast<const char*>(value.data()), value.size());
    else if (code == flags)
        frame.to_guest = (number_at<std::uint32_t>(value, 0) & 3) == 2;
    else if (code == dropcount)
        frame.lost = number_at<std::uint64_t>(value, 0);
}

const char* name_of(packet_kind kind)
{
    switch (kind) {
    case packet_kind::tcp:
        return "tcp";
    case packet_kind::udp:
        return "udp";
    case packet_kind::icmp:
        return "icmp";
    case packet_kind::icmpv6:
        return "icmp6";
    case packet_kind::arp:
        return "arp";
    case packet_kind::fragment:
        return "fragment";
    }
    return "";
}

std::string endpoint_text(const ip_address& address, std::uint16_t port, bool has_port)
{
    if (!has_port)
        return to_text(address);
    const auto text = to_text(address);
    return (address.is_v4() ? text : '[' + text + ']') + ':' + std::to_string(port);
}

/// Who speaks to whom, if the octets say so.
std::string contents_of(bytes_view octets)
{
    const auto p = classify(octets);
    if (!p)
        return octets.size() < 14 ? "" : "ethertype 0x" + [&] {
            std::array<char, 5> digits{};
            std::snprintf(digits.data(), digits.size(), "%02x%02x", octets[12], octets[13]);
            return std::string{digits.data()};
        }();
    std::string text = name_of(p->kind);
    if (p->kind == packet_kind::arp)
        return text;
    const bool ports = p->kind == packet_kind::tcp || p->kind == packet_kind::udp;
    return text + ' ' + endpoint_text(p->source, p->source_port, ports) + " > " +
           endpoint_text(p->destination, p->destination_port, ports);
}

} // namespace

void each_block(bytes_view message, const std::function<bool(std::uint32_t, bytes_view)>& take)
{
    while (!message.empty()) {
        const auto length = number_at<std::uint32_t>(message, 4);
        if (length < least_block || length % 4 != 0 || length > message.size())
            fail();
        if (!take(number_at<std::uint32_t>(message, 0), message.first(length)))
            return;
        message = message.subspan(length);
    }
}

captured_frame read_frame(bytes_view block)
{
    captured_frame frame;
    const auto kept = number_at<std::uint32_t>(block, 20);
    const std::uint64_t high = number_at<std::uint32_t>(block, 12), low = number_at<std::uint32_t>(block, 16);
    frame.since_1970 = std::chrono::nanoseconds{static_cast<std::int64_t>(high << 32 | low)};
    frame.length = number_at<std::uint32_t>(block, 24);
    if (block.size() < fields_of_frame + 4 || kept > block.size() - fields_of_frame - 4)
        fail();
    frame.octets = block.subspan(fields_of_frame, kept);
    for (auto rest = block.subspan(fields_of_frame, block.size() - fields_of_frame - 4)
                         .subspan(std::min(padded(kept), block.size() - fields_of_frame - 4));
         rest.size() >= 4;) {
        const auto code = number_at<std::uint16_t>(rest, 0), length = number_at<std::uint16_t>(rest, 2);
        if (code == 0)
            break;
        if (padded(length) > rest.size() - 4)
            fail();
        take_option(frame, code, rest.subspan(4, length));
        rest = rest.subspan(4 + padded(length));
    }
    return frame;
}

std::string line_of(const captured_frame& frame)
{
    const auto seconds = std::chrono::floor<std::chrono::seconds>(frame.since_1970);
    const std::time_t time = seconds.count();
    std::tm local{};
    ::localtime_r(&time, &local);
    std::array<char, 64> head{};
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(frame.since_1970 - seconds).count();
    std::snprintf(head.data(), head.size(), "%02d:%02d:%02d.%06d %-3s %5zu ", local.tm_hour, local.tm_min, local.tm_sec,
                  static_cast<int>(us), frame.to_guest ? "out" : "in", frame.length);
    auto line = head.data() + contents_of(frame.octets);
    if (!frame.comment.empty())
        line += "  " + frame.comment;
    if (frame.lost != 0)
        line += "  (" + std::to_string(frame.lost) + " lost in front of it)";
    return line + '\n';
}

} // namespace tapioca::client
