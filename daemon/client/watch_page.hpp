// What a running instance does, as a page of a terminal: lines made from values, without a terminal.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace tapioca::client {

/// What the page shows.
struct watch_model {
    static constexpr std::size_t most_history = 512, most_events = 256;

    std::string title;                                  ///< which instance
    std::deque<double> received, sent, opened, dropped; ///< by the guest, a second each, the newest last: octets, flows, packets
    std::uint64_t flow_count = 0;

    struct flow {
        std::string protocol, state, guest, remote;
        double received = 0, sent = 0; ///< octets in a second, by the guest
        std::uint64_t round_trip_us = 0, retransmissions = 0;
    };
    std::vector<flow> flows;    ///< the busiest first
    bool not_all_flows = false; ///< there are too many to look at all of them
    struct drop {
        std::string words;
        std::uint64_t total = 0;
        double rate = 0; ///< packets in a second
    };
    std::vector<drop> drops;        ///< the most of late first
    std::deque<std::string> events; ///< the newest last
    std::uint64_t lost = 0;         ///< events that came too fast
};

struct page_style {
    bool colour = true, unicode = true;
};

/// Exactly `height` lines of at most `width` columns, without line ends. Fewer than 20 columns or 4 lines are taken as so many.
[[nodiscard]] std::vector<std::string> page_of(const watch_model& model, std::size_t width, std::size_t height, page_style style);

/// The last `width` values, each as high as its share of the largest; from the left, with blanks in front.
[[nodiscard]] std::string sparkline(const std::deque<double>& values, std::size_t width, bool unicode);
/// Four digits and a unit: "12.3 MB", "512 B".
[[nodiscard]] std::string quantity(double octets);
/// Without what a terminal would obey; others have written it.
[[nodiscard]] std::string printable(std::string_view text);

} // namespace tapioca::client
