#include "daemon/follow/resolver_watcher.hpp"

#include "daemon/follow/resolver_watch_loop.hpp"
#include "daemon/follow/watch_message.hpp"
#include "daemon/os/file.hpp"
#include "daemon/os/helper_process.hpp"

#include <algorithm>
#include <string_view>

namespace tapioca {

os::result<resolver_watcher> resolver_watcher::start(const char* path)
{
    auto ends = os::make_report_pipe();
    if (!ends)
        return ends.error();
    const auto child = os::split();
    if (!child)
        return child.error();
    if (*child == 0) {
        ends->to_read.reset(); // or the daemon's end would go unnoticed
        guard_watcher(std::move(ends->to_write), path);
    }
    return resolver_watcher{std::move(ends->to_read), os::end_of(*child)};
}

std::optional<resolver_watcher::report> resolver_watcher::take()
{
    constexpr std::size_t most_pieces = longest_text / sizeof(watch_piece::text) + 1;
    for (std::size_t i = 0; i < most_pieces; ++i) {
        watch_piece piece;
        const auto got = os::read_some(from_watcher_.get(), {reinterpret_cast<char*>(&piece), sizeof piece});
        if (!got)
            return std::nullopt;
        if (*got == 0)
            return report{report::kind::ended, {}};
        if (*got != sizeof piece || piece.size > longest_text)
            continue;
        if (piece.offset == 0)
            text_.clear(); // whatever the one before left undone
        if (piece.error != 0)
            return report{report::kind::unreadable, {}, piece.error};
        if (piece.offset != text_.size() || piece.offset > piece.size)
            continue;
        text_.append(piece.text, std::min<std::size_t>(piece.size - piece.offset, sizeof piece.text));
        if (text_.size() == piece.size)
            return report{report::kind::text, std::exchange(text_, {})};
    }
    return std::nullopt;
}

} // namespace tapioca
