// What the watcher writes into its pipe: pieces of one size, each of which the kernel takes whole or not at all, so that a
// watcher that is killed in the middle of a text leaves no half of a piece to the one that comes after it.
#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>

namespace tapioca {

/// Of the file; what is behind it is ignored.
constexpr std::size_t longest_text = 65536;

struct watch_piece {
    std::uint32_t size;   ///< of the whole text
    std::uint32_t offset; ///< of this piece in it; a text begins with 0
    std::int32_t error;   ///< not 0: there is no text, because of that error
    char text[PIPE_BUF - 12];
};
static_assert(sizeof(watch_piece) == PIPE_BUF);

} // namespace tapioca
