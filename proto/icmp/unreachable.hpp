// Destination unreachable (RFC 792, RFC 4443 section 3.1) from the guest about a segment that we sent it: nobody there listens,
// or something on its side turns the segment away.
#pragma once

#include "proto/base/sequence.hpp"
#include "proto/frame/classify.hpp"
#include "proto/frame/flow_key.hpp"

namespace tapioca {

/// The segment that the message quotes.
struct unreachable_segment {
    flow_key key;
    seq_number seq;
};

/// The quoted packet must be a first or only fragment of TCP with its ports and sequence number, sent by whom the message goes
/// to. Other messages and other protocols are `bad_type`; "fragmentation needed", which refuses nothing, is among them.
[[nodiscard]] parsed<unreachable_segment> parse_unreachable(const packet& p) noexcept;

} // namespace tapioca
