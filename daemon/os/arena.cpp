#include "daemon/os/arena.hpp"

#include <cerrno>
#include <sys/mman.h>
#include <system_error>
#include <utility>

namespace tapioca::os {

// Only before sealing: the calls are not in any profile.
arena::arena(std::size_t size)
{
    if (size == 0)
        return;
    void* place = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (place == MAP_FAILED)
        throw std::system_error(errno, std::generic_category(), "Couldn't reserve memory");
    bytes_ = {static_cast<std::byte*>(place), size};
}

arena::arena(arena&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

arena& arena::operator=(arena&& other) noexcept
{
    std::swap(bytes_, other.bytes_);
    return *this;
}

arena::~arena()
{
    if (!bytes_.empty())
        ::munmap(bytes_.data(), bytes_.size());
}

} // namespace tapioca::os
