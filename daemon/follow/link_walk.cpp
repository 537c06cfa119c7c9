#include "daemon/follow/link_walk.hpp"

#include "daemon/os/look.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tapioca {
namespace {

constexpr int most_links = 40; // as many as the kernel follows

} // namespace

bool path_text::append(std::string_view more) noexcept
{
    if (more.size() >= sizeof text_ - size_)
        return false;
    std::memcpy(text_ + size_, more.data(), more.size());
    cut(size_ + more.size());
    return true;
}

void path_text::cut(std::size_t size) noexcept
{
    size_ = size;
    text_[size] = '\0';
}

link_walk::link_walk(std::string_view path) noexcept
{
    if (rest_.append(path))
        next_name();
    else
        end(ENAMETOOLONG);
}

void link_walk::end(int error) noexcept
{
    ended_ = true;
    error_ = error;
}

/// Without links in it, a path's parent is what stands before its last slash.
void link_walk::next_name() noexcept
{
    for (;;) {
        const std::string_view rest = rest_.view();
        at_ = std::min(rest.find_first_not_of('/', at_), rest.size());
        if (at_ == rest.size())
            return end(0);
        name_ = rest.substr(at_, rest.find('/', at_) - at_);
        at_ += name_.size();
        if (name_ == "..")
            place_.cut(place_.view().empty() ? 0 : place_.view().rfind('/'));
        else if (name_ != ".")
            return;
    }
}

void link_walk::step() noexcept
{
    const std::size_t parent = place_.view().size();
    if (!place_.append("/") || !place_.append(name_))
        return end(ENAMETOOLONG);
    char target[PATH_MAX];
    const auto link = os::read_link(place_.c_str(), target);
    if (link) {
        place_.cut(parent);
        return ++links_ > most_links ? end(ELOOP) : follow(*link);
    }
    if (link.error().value() != EINVAL)
        return end(link.error().value());
    next_name();
}

void link_walk::follow(std::string_view target) noexcept
{
    path_text whole;
    if (!whole.append(target) || !whole.append(rest_.view().substr(at_)))
        return end(ENAMETOOLONG);
    if (target.starts_with('/'))
        place_.cut(0);
    rest_ = whole;
    at_ = 0;
    next_name();
}

} // namespace tapioca
