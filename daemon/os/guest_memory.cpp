#include "daemon/os/guest_memory.hpp"

#include <array>
#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>

namespace tapioca::os {
namespace {

/// What the handler knows of a mapping. It reads while others write, so an entry is filled before `begin` names it.
struct known_mapping {
    std::atomic<std::uintptr_t> begin = 0; ///< 0: the entry is free
    std::atomic<std::size_t> size = 0, page = 0;
    std::atomic<bool> vanished = false;
};
std::array<known_mapping, guest_memory::most_mappings> known;

/// Puts zeroes over the page that is missing. An address that is in no mapping is a fault of ours, and ends the process.
// syscalls: mmap
void on_missing_page(int, siginfo_t* info, void*)
{
    const int saved = errno;
    const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
    for (auto& m : known) {
        const auto begin = m.begin.load(std::memory_order_acquire);
        if (begin == 0 || address - begin >= m.size.load(std::memory_order_relaxed))
            continue;
        const auto page = m.page.load(std::memory_order_relaxed);
        void* const at = reinterpret_cast<void*>(address / page * page);
        if (::mmap(at, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
            break;
        m.vanished.store(true, std::memory_order_relaxed);
        errno = saved;
        return;
    }
    __builtin_trap();
}

result<std::size_t> remember(void* at, std::size_t size, std::size_t page) noexcept
{
    for (std::size_t i = 0; i < known.size(); ++i) {
        if (known[i].begin.load(std::memory_order_relaxed) != 0)
            continue;
        known[i].size.store(size, std::memory_order_relaxed);
        known[i].page.store(page, std::memory_order_relaxed);
        known[i].vanished.store(false, std::memory_order_relaxed);
        known[i].begin.store(reinterpret_cast<std::uintptr_t>(at), std::memory_order_release);
        return i;
    }
    return boost::system::error_code{EMFILE, boost::system::system_category()};
}

} // namespace

void outlive_vanishing_memory()
{
    struct sigaction action {};
    action.sa_sigaction = on_missing_page;
    action.sa_flags = SA_SIGINFO;
    if (::sigaction(SIGBUS, &action, nullptr) != 0)
        throw std::system_error(errno, std::generic_category(), "Couldn't handle SIGBUS");
}

// syscalls: fstatfs statx mmap munmap
result<guest_memory> guest_memory::map(unique_fd file, std::uint64_t size, std::uint64_t offset) noexcept
{
    const int fd = file.get();
    struct statfs files {};
    struct statx about {};
    if (::fstatfs(fd, &files) != 0 || ::statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &about) != 0)
        return last_error();
    if (!S_ISREG(about.stx_mode) || (files.f_type != TMPFS_MAGIC && files.f_type != HUGETLBFS_MAGIC))
        return boost::system::error_code{ENOTSUP, boost::system::system_category()};
    const auto whole = offset + size;
    if (whole < size || whole > about.stx_size)
        return boost::system::error_code{ERANGE, boost::system::system_category()};
    const auto page = files.f_type == HUGETLBFS_MAGIC ? static_cast<std::size_t>(files.f_bsize) : std::size_t{4096};
    const auto octets = (static_cast<std::size_t>(whole) + page - 1) / page * page;
    void* const at = ::mmap(nullptr, octets, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (at == MAP_FAILED)
        return last_error();
    const auto place = remember(at, octets, page);
    if (!place) {
        ::munmap(at, octets);
        return place.error();
    }
    guest_memory m;
    m.file_ = std::move(file);
    m.mapped_ = {static_cast<octet*>(at), octets};
    m.place_ = *place;
    m.offset_ = static_cast<std::size_t>(offset);
    return m;
}

guest_memory& guest_memory::operator=(guest_memory&& other) noexcept
{
    unmap();
    file_ = std::move(other.file_);
    mapped_ = std::exchange(other.mapped_, {});
    place_ = other.place_;
    offset_ = other.offset_;
    return *this;
}

bool guest_memory::has_vanished() const noexcept
{
    return !mapped_.empty() && known[place_].vanished.load(std::memory_order_relaxed);
}

// syscalls: munmap
void guest_memory::unmap() noexcept
{
    if (mapped_.empty())
        return;
    known[place_].begin.store(0, std::memory_order_relaxed);
    ::munmap(mapped_.data(), mapped_.size());
    mapped_ = {};
    file_.reset();
}

} // namespace tapioca::os
