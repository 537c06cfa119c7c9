// What the watcher has asked the kernel to be told of: the names on the way to the file, and the file.
#pragma once

#include "daemon/os/inotify.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tapioca {

class watch_set {
public:
    /// Without an instance of inotify there is a set that tells nothing.
    watch_set() noexcept;

    /// The way is gone anew: what is not watched before end() is watched no more.
    void begin() noexcept;
    void watch_name(const char* directory, std::string_view name) noexcept;
    void watch_file(const char* path) noexcept;
    void end() noexcept;

    /// Whether the kernel tells of everything that was to be watched.
    [[nodiscard]] bool complete() const noexcept { return complete_; }

    /// Readable: something has changed. -1: nothing ever tells.
    [[nodiscard]] int descriptor() const noexcept { return changes_ ? changes_->descriptor() : -1; }

    /// Takes what has changed, and whether any of it concerns us: directories have other names, too.
    [[nodiscard]] bool take_changes() noexcept;

private:
    struct entry {
        int watch;
        std::uint32_t name; ///< its hash: of two names that share one, either is looked at; 0 for the file
    };
    static constexpr std::size_t most = 128; ///< forty links with three names each, and the file

    void add(const os::result<int>& watch, std::uint32_t name) noexcept;
    [[nodiscard]] bool concerns(const os::inotify::change& change) const noexcept;
    [[nodiscard]] std::span<const entry> entries() const noexcept { return {entries_.data(), count_}; }

    std::optional<os::inotify> changes_;
    std::array<entry, most> entries_, before_;
    std::size_t count_ = 0, count_before_ = 0;
    bool complete_ = false;
};

} // namespace tapioca
