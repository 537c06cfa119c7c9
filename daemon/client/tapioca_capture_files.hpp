// Where a capture goes: a file, a ring of them, or a descriptor.
#pragma once

#include "daemon/os/unique_fd.hpp"
#include "proto/base/bytes.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tapioca::client {

class capture_files {
public:
    /// `path`: "-" is standard output. `octets`: of one file; 0: of any size. `count`: files of the ring, 0: no ring. Nothing is
    /// opened before the beginning is there.
    capture_files(std::string path, std::uint64_t octets, std::uint32_t count);

    /// The blocks that each file begins with. Throws control_failure, as do the others.
    void begin(bytes_view beginning);
    /// A whole block, which begins the next file where this one has no room. False: nobody reads any more.
    [[nodiscard]] bool write(bytes_view block);

private:
    void open_next();
    [[nodiscard]] std::string name_of_next() const;

    std::string path_;
    std::uint64_t limit_, written_ = 0;
    std::uint32_t count_, next_ = 0;
    std::vector<octet> beginning_;
    os::unique_fd file_;
};

} // namespace tapioca::client
