#include "daemon/follow/text_sender.hpp"

#include "daemon/os/file.hpp"

#include <algorithm>
#include <cstring>

namespace tapioca {

bool text_sender::write(const watch_piece& piece) const noexcept
{
    return os::write_all(to_daemon_.get(), {reinterpret_cast<const char*>(&piece), sizeof piece}).has_value();
}

bool text_sender::send(std::string_view text) noexcept
{
    if (error_ == 0 && text == std::string_view{texts_[last_], size_})
        return true;
    error_ = 0;
    size_ = text.size();
    last_ = 1 - last_;
    std::size_t sent = 0;
    do {
        watch_piece piece{static_cast<std::uint32_t>(size_), static_cast<std::uint32_t>(sent), 0, {}};
        const auto part = text.substr(sent, sizeof piece.text);
        std::memcpy(piece.text, part.data(), part.size());
        if (!write(piece))
            return false;
        sent += part.size();
    } while (sent < size_);
    return true;
}

bool text_sender::send_error(int error) noexcept { return std::exchange(error_, error) == error || write({0, 0, error, {}}); }

} // namespace tapioca
