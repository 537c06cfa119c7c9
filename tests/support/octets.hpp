// Octets written as hexadecimal text, as captures show them: lower case, white space is free.
#pragma once

#include "proto/base/bytes.hpp"

#include <string_view>
#include <vector>

namespace tapioca::test {

using octets = std::vector<octet>;

inline octets hex(std::string_view text)
{
    octets result;
    int high = -1;
    for (const char c : text) {
        if (c == ' ' || c == '\n')
            continue;
        const int digit = c <= '9' ? c - '0' : c - 'a' + 10;
        if (high < 0) {
            high = digit;
        } else {
            result.push_back(static_cast<octet>(high * 16 + digit));
            high = -1;
        }
    }
    return result;
}

inline octets text(std::string_view characters) { return {characters.begin(), characters.end()}; }

inline octets operator+(octets left, const octets& right)
{
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

inline octets copy(bytes_view view) { return {view.begin(), view.end()}; }

} // namespace tapioca::test
