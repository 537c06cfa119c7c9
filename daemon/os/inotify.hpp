// Changes of names in directories and of files, told by the kernel; read first: inotify(7).
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"

#include <string_view>

namespace tapioca::os {

class inotify {
public:
    /// One event: the watch that it is for, -1 where events were lost, and the name in the directory, empty for the watched
    /// object itself.
    struct change {
        int watch;
        std::string_view name;
    };

    /// Does not block. Fails where the user's share of instances is used up.
    [[nodiscard]] static result<inotify> open() noexcept;

    [[nodiscard]] int descriptor() const noexcept { return fd_.get(); }

    /// Names that come, go, or are exchanged in this directory, and its own end. The number of the watch; the same for each watch
    /// of one directory.
    [[nodiscard]] result<int> watch_directory(const char* path) const noexcept;

    /// What is written to this file, its length, its mode, and its end.
    [[nodiscard]] result<int> watch_file(const char* path) const noexcept;

    void forget(int watch) const noexcept;

    /// Calls `take` with each event that is there; with very many the rest is left for the next call.
    template <class F>
    void each_change(F&& take) const
    {
        constexpr int most_buffers = 64;
        batch events{*this};
        for (int i = 0; i < most_buffers && events.fill(); ++i)
            while (!events.empty())
                take(events.next());
    }

private:
    class batch {
    public:
        explicit batch(const inotify& from) noexcept : fd_(from.descriptor()) {}
        [[nodiscard]] bool fill() noexcept;
        [[nodiscard]] bool empty() const noexcept { return at_ >= size_; }
        [[nodiscard]] change next() noexcept;

    private:
        int fd_;
        std::size_t at_ = 0, size_ = 0;
        alignas(8) char events_[4096];
    };

    explicit inotify(unique_fd fd) noexcept : fd_(std::move(fd)) {}

    unique_fd fd_;
};

} // namespace tapioca::os
