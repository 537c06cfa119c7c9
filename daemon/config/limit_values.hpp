// The limits as options: numbers, where 0 means none.
#pragma once

#include "daemon/config/number_text.hpp"
#include "daemon/config/parsed_options.hpp"

#include <limits>

namespace tapioca::values {

/// For all of them alike.
template <auto Member>
void limit(parsed_options& d, std::string_view text)
{
    using number = std::remove_reference_t<decltype(d.opts.limits.*Member)>;
    const auto value = parse_number(text, std::numeric_limits<number>::max());
    if (!value)
        refuse("Invalid limit: ", text, "a number is needed, 0 for none");
    d.opts.limits.*Member = static_cast<number>(*value);
}

} // namespace tapioca::values
