// Memory that another process shares with us by a descriptor: a guest's. Its owner may cut the file off at any time; a handler
// for SIGBUS puts a page of zeroes wherever something is missing then, so that whoever reads or writes there goes on, and the
// mapping remembers.
#pragma once

#include "daemon/os/error.hpp"
#include "daemon/os/unique_fd.hpp"
#include "proto/base/bytes.hpp"

#include <cstdint>
#include <utility>

namespace tapioca::os {

/// For the whole process, before the first mapping and before sealing. Throws std::system_error.
void outlive_vanishing_memory();

class guest_memory {
public:
    static constexpr std::size_t most_mappings = 80;

    guest_memory() noexcept = default;
    /// Maps the file up to `offset + size`, from its beginning on, and keeps it: files of huge pages are mapped in whole pages
    /// only. ENOTSUP: it is no file of memory (memfd, tmpfs, hugetlbfs), and reading it might take for ever; ERANGE: it is
    /// shorter; EMFILE: there are too many mappings.
    [[nodiscard]] static result<guest_memory> map(unique_fd file, std::uint64_t size, std::uint64_t offset) noexcept;
    guest_memory(guest_memory&& other) noexcept
        : file_(std::move(other.file_)), mapped_(std::exchange(other.mapped_, {})), place_(other.place_), offset_(other.offset_)
    {
    }
    guest_memory& operator=(guest_memory&& other) noexcept;
    guest_memory(const guest_memory&) = delete;
    guest_memory& operator=(const guest_memory&) = delete;
    ~guest_memory() { unmap(); }

    /// From `offset` on.
    [[nodiscard]] bytes_span octets() const noexcept { return mapped_.subspan(offset_); }
    /// The file, as long as it is mapped.
    [[nodiscard]] int file() const noexcept { return file_.get(); }
    /// Part of it is not the owner's any more.
    [[nodiscard]] bool has_vanished() const noexcept;

private:
    void unmap() noexcept;

    unique_fd file_;
    bytes_span mapped_;
    std::size_t place_ = 0; ///< in the handler's table
    std::size_t offset_ = 0;
};

} // namespace tapioca::os
