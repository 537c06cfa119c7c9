#include "daemon/follow/watch_set.hpp"

#include <algorithm>
#include <cerrno>

namespace tapioca {
namespace {

/// FNV-1a; never 0.
std::uint32_t hash(std::string_view name) noexcept
{
    std::uint32_t h = 2166136261U;
    for (const char c : name)
        h = (h ^ static_cast<unsigned char>(c)) * 16777619U;
    return h | 1;
}

/// The name before it in the way tells when this one comes.
bool is_absent(const boost::system::error_code& error) noexcept { return error.value() == ENOENT || error.value() == ENOTDIR; }

} // namespace

watch_set::watch_set() noexcept
{
    if (auto opened = os::inotify::open())
        changes_ = std::move(*opened);
}

void watch_set::begin() noexcept
{
    before_ = entries_;
    count_before_ = std::exchange(count_, 0);
    complete_ = changes_.has_value();
}

void watch_set::add(const os::result<int>& watch, std::uint32_t name) noexcept
{
    if (watch && count_ < most)
        entries_[count_++] = {*watch, name};
    else if (watch || !is_absent(watch.error()))
        complete_ = false;
}

void watch_set::watch_name(const char* directory, std::string_view name) noexcept
{
    if (changes_)
        add(changes_->watch_directory(directory), hash(name));
}

void watch_set::watch_file(const char* path) noexcept
{
    if (changes_)
        add(changes_->watch_file(path), 0);
}

void watch_set::end() noexcept
{
    for (std::size_t i = 0; i < count_before_; ++i) {
        const auto same = [old = before_[i].watch](const entry& e) { return e.watch == old; };
        if (std::none_of(entries().begin(), entries().end(), same))
            changes_->forget(before_[i].watch);
    }
    count_before_ = 0;
}

bool watch_set::concerns(const os::inotify::change& change) const noexcept
{
    if (change.watch < 0) // some were lost
        return true;
    return std::any_of(entries().begin(), entries().end(), [&](const entry& e) {
        return e.watch == change.watch && (change.name.empty() || e.name == hash(change.name));
    });
}

bool watch_set::take_changes() noexcept
{
    bool any = false;
    if (changes_)
        changes_->each_change([&](const os::inotify::change& change) { any = any || concerns(change); });
    return any;
}

} // namespace tapioca
