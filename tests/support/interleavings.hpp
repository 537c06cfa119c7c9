// Two programs of a few steps each, in every order in which their steps can follow each other.
#pragma once

#include <array>
#include <functional>
#include <vector>

namespace tapioca::test {

/// What a program did when it was its turn. One that waits has changed nothing, and may be asked again.
enum class step : unsigned char { goes_on, waits, done };
using stepping = std::function<step()>;

class interleavings {
public:
    /// One order, in which the programs run until neither goes on. False: it is one that there was already.
    bool run(std::array<stepping, 2> programs)
    {
        std::array<bool, 2> over{};
        for (std::size_t at = 0; !(over[0] && over[1]); ++at) {
            if (at == choice_.size())
                choice_.push_back(0);
            const bool forced = over[0] || over[1];
            const auto first = forced ? std::size_t{over[0]} : choice_[at];
            auto which = first;
            auto did = programs[which]();
            if (did == step::waits && !forced && first == 1)
                return false; // the other one's turn: an order that began with 0 here
            if (did == step::waits && !forced) {
                which = 1;
                did = programs[which]();
            }
            if (forced || which != first)
                choice_[at] = 1; // nothing else is possible here
            if (did == step::waits)
                return true;
            over[which] = did == step::done;
        }
        return true;
    }

    /// The next order; false if there is none.
    bool next()
    {
        while (!choice_.empty() && choice_.back() == 1)
            choice_.pop_back();
        if (choice_.empty())
            return false;
        choice_.back() = 1;
        return true;
    }

private:
    std::vector<std::size_t> choice_; ///< at each step: whose turn it is
};

} // namespace tapioca::test
