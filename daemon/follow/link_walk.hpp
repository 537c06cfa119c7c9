// The way from a path over its symbolic links to a file, component by component, with what may be exchanged on it: each name in
// each directory. Read first: path_resolution(7). It allocates nothing.
#pragma once

#include <climits>
#include <cstddef>
#include <string_view>

namespace tapioca {

/// A path of bounded length, which ends in a NUL.
class path_text {
public:
    [[nodiscard]] std::string_view view() const noexcept { return {text_, size_}; }
    [[nodiscard]] const char* c_str() const noexcept { return text_; }
    /// False, and nothing changed: there is no room.
    [[nodiscard]] bool append(std::string_view more) noexcept;
    void cut(std::size_t size) noexcept;

private:
    char text_[PATH_MAX] = {};
    std::size_t size_ = 0;
};

/// Goes from name to name. Before each step the place is known, so that it can be watched before it is looked at:
///     for (link_walk way{path}; !way.ended(); way.step())
///         watch(way.directory(), way.name());
class link_walk {
public:
    /// `path` is absolute.
    explicit link_walk(std::string_view path) noexcept;

    [[nodiscard]] bool ended() const noexcept { return ended_; }

    /// The directory, by a path without links, and the name in it that is next. It may not be there.
    [[nodiscard]] const char* directory() const noexcept { return place_.view().empty() ? "/" : place_.c_str(); }
    [[nodiscard]] std::string_view name() const noexcept { return name_; }

    /// Looks what the name is.
    void step() noexcept;

    /// At the end: 0, or why it leads nowhere (ENOENT, ENOTDIR, ELOOP, EACCES, ENAMETOOLONG).
    [[nodiscard]] int error() const noexcept { return error_; }
    /// And the file or directory that it leads to, by a path without links.
    [[nodiscard]] const char* file() const noexcept { return directory(); }

private:
    void next_name() noexcept;
    void follow(std::string_view target) noexcept;
    void end(int error) noexcept;

    path_text place_, rest_; ///< what has been gone, without links and without a slash at its end; what is still to go
    std::size_t at_ = 0;     ///< where in the rest
    std::string_view name_;  ///< in the rest
    int links_ = 0, error_ = 0;
    bool ended_ = false;
};

} // namespace tapioca
