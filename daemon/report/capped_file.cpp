#include "daemon/report/capped_file.hpp"

#include "daemon/os/file.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace tapioca::report {
namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t cut_percent = 30;
constexpr std::size_t longest_line = 4096;

} // namespace

capped_file::capped_file(os::unique_fd file, std::size_t cap, std::string header)
    : file_(std::move(file)), cap_(cap), header_(std::move(header))
{
    line_.reserve(longest_line); // nothing is allocated later
    line_.assign(header_).push_back('\n');
    append(line_);
}

void capped_file::append(std::string_view text) noexcept
{
    if (os::write_at(file_.get(), text, size_))
        size_ += text.size();
}

void capped_file::write(std::string_view line, std::string_view now) noexcept
{
    line_.assign(line.substr(0, longest_line - 1)).push_back('\n');
    if (size_ + line_.size() > cap_)
        cut(now);
    append(line_);
}

/// The younger part moves to the front, behind a header that tells of it. Source and target never meet: the target is always in
/// front.
void capped_file::cut(std::string_view now) noexcept
{
    std::array<char, page> buffer;
    std::size_t from = std::min(size_, (cap_ * cut_percent / 100 + page - 1) / page * page);
    for (bool line_ended = false; !line_ended && from < size_;) { // on to the start of a whole line
        const auto got = os::read_at(file_.get(), buffer, from);
        if (!got || got->empty())
            return;
        const auto end = std::find(got->begin(), got->end(), '\n');
        line_ended = end != got->end();
        from += static_cast<std::size_t>(end - got->begin()) + (line_ended ? 1 : 0);
    }
    std::array<char, longest_line> first;
    const std::string_view note = " - log truncated at ";
    char* out = first.data();
    for (const std::string_view part : {std::string_view{header_}.substr(0, longest_line / 2), note, now, std::string_view{"\n"}})
        out = std::copy(part.begin(), part.end(), out);
    if (!os::write_at(file_.get(), {first.data(), static_cast<std::size_t>(out - first.data())}, 0))
        return;
    std::size_t to = static_cast<std::size_t>(out - first.data());
    while (from < size_) {
        const auto got = os::read_at(file_.get(), buffer, from);
        if (!got || got->empty() || !os::write_at(file_.get(), {got->data(), got->size()}, to))
            return;
        from += got->size();
        to += got->size();
    }
    if (os::truncate(file_.get(), to))
        size_ = to;
}

} // namespace tapioca::report
