// Records behind what there is of a state.
#pragma once

#include "proto/base/bytes.hpp"

#include <vector>

namespace tapioca::migrate {

/// So many octets, which `put(writer&)` writes.
template <class Put>
void append(std::vector<octet>& to, std::size_t octets, const Put& put)
{
    const auto before = to.size();
    to.resize(before + octets);
    writer out{bytes_span{to}.subspan(before)};
    put(out);
}

} // namespace tapioca::migrate
