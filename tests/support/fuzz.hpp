// What fuzz targets share: the entry point that libFuzzer and tests/support/replay_main.cpp call, a check that no build switches
// off, and a reader that never runs dry, so that every input means something.
#pragma once

#include "proto/base/bytes.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

#define FUZZ_CHECK(condition)                                                                                                    \
    do {                                                                                                                         \
        if (!(condition)) {                                                                                                      \
            std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                                   \
            std::abort();                                                                                                        \
        }                                                                                                                        \
    } while (false)

namespace tapioca {

class fuzz_input {
public:
    explicit fuzz_input(bytes_view octets) noexcept : in_(octets) {}

    /// A field of the input, continued with zeros behind its end.
    template <wire_header T>
    T take() noexcept
    {
        T value{};
        const auto there = take(sizeof(T));
        std::copy(there.begin(), there.end(), reinterpret_cast<octet*>(&value));
        return value;
    }
    /// At most `count` octets.
    bytes_view take(std::size_t count) noexcept { return *in_.take(std::min(count, in_.size())); }
    [[nodiscard]] bytes_view rest() const noexcept { return in_.rest(); }
    [[nodiscard]] bool empty() const noexcept { return in_.empty(); }

private:
    reader in_;
};

/// Whether `part` lies inside `whole`.
inline bool inside(bytes_view part, bytes_view whole) noexcept
{
    return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

} // namespace tapioca
