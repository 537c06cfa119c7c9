// A guest's memory for tests: regions whose addresses follow each other for the guest, but lie in different places here, so that
// a buffer may span them. Each region is an allocation of its own, that a sanitizer sees the end of.
#pragma once

#include "proto/vhost/memory_map.hpp"

#include <cstdlib>
#include <memory>
#include <vector>

namespace tapioca::test {

class guest_ram {
public:
    static constexpr std::uint64_t guest_begin = 0x4000'0000, user_begin = 0x7f00'0000'0000;

    guest_ram() = default;
    /// Regions of these sizes, multiples of 4096.
    explicit guest_ram(std::initializer_list<std::size_t> sizes)
    {
        for (const auto size : sizes) {
            auto* const at = static_cast<octet*>(std::aligned_alloc(4096, size));
            std::fill_n(at, size, octet{0});
            owned_.emplace_back(at);
            add({at, size});
        }
    }
    /// A region that lies in memory of the caller.
    void add(bytes_span memory)
    {
        map_.add({{guest_begin + size_, memory.size(), user_begin + size_, 0}, memory.data()});
        size_ += memory.size();
    }

    [[nodiscard]] const vhost::memory_map& map() const { return map_; }
    [[nodiscard]] static std::uint64_t user(std::uint64_t guest) { return guest - guest_begin + user_begin; }

    /// So many octets in a row for somebody, at a guest's address.
    [[nodiscard]] std::uint64_t allocate(std::uint64_t size, std::uint64_t alignment = 16)
    {
        next_ = (next_ + alignment - 1) / alignment * alignment;
        return std::exchange(next_, next_ + size);
    }
    /// The next allocation begins there.
    void go_on_at(std::uint64_t guest) { next_ = guest; }

    [[nodiscard]] octet* at(std::uint64_t guest) const { return map_.at_guest(guest, 1).data(); }

    void write(std::uint64_t guest, bytes_view what) const
    {
        for (std::size_t done = 0; done < what.size();) {
            const auto part = map_.at_guest(guest + done, what.size() - done);
            std::memcpy(part.data(), what.data() + done, part.size());
            done += part.size();
        }
    }
    [[nodiscard]] std::vector<octet> read(std::uint64_t guest, std::size_t count) const
    {
        std::vector<octet> all;
        while (all.size() < count) {
            const auto part = map_.at_guest(guest + all.size(), count - all.size());
            all.insert(all.end(), part.begin(), part.end());
        }
        return all;
    }

private:
    struct release {
        void operator()(octet* at) const { std::free(at); }
    };
    std::vector<std::unique_ptr<octet, release>> owned_;
    vhost::memory_map map_;
    std::uint64_t size_ = 0, next_ = guest_begin;
};

} // namespace tapioca::test
