// Chance that can be repeated: splitmix64, seeded by the run's seed and what is thrown for.
#pragma once

#include <cmath>
#include <cstdint>

namespace tapioca::adversary {

class dice {
public:
    dice(std::uint64_t seed, std::uint64_t purpose) : state_(seed * 0x9e3779b97f4a7c15U + purpose * 0xd1342543de82ef95U)
    {
        next();
    }

    std::uint64_t next()
    {
        auto z = state_ += 0x9e3779b97f4a7c15U;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31);
    }
    /// From 0 to `end` - 1.
    std::uint64_t below(std::uint64_t end) { return end == 0 ? 0 : next() % end; }
    std::uint64_t between(std::uint64_t least, std::uint64_t most) { return least + below(most - least + 1); }
    bool permille(unsigned p) { return below(1000) < p; }
    bool percent(unsigned p) { return below(100) < p; }
    /// Small values as often as large ones: each doubling is as likely.
    std::uint64_t any_magnitude(std::uint64_t least, std::uint64_t most)
    {
        const double share = static_cast<double>(next() >> 11) * 0x1p-53;
        const auto value = std::exp(std::log(static_cast<double>(least)) +
                                    share * std::log((static_cast<double>(most) + 1) / static_cast<double>(least)));
        const auto whole = static_cast<std::uint64_t>(value);
        return whole < least ? least : whole > most ? most : whole;
    }

private:
    std::uint64_t state_;
};

} // namespace tapioca::adversary
