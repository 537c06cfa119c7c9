// JSON as text, member by member, where there are too many objects to build each of them first.
#pragma once

#include <boost/json.hpp>

#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace tapioca {

/// An object behind what `out` has, until end().
class json_text_writer {
public:
    explicit json_text_writer(std::string& out) : out_(out) { out_ += '{'; }

    /// There is nothing in `text` that has to be escaped.
    void put(std::string_view name, std::string_view text)
    {
        begin(name);
        out_.append(1, '"').append(text).append(1, '"');
    }
    void put(std::string_view name, std::uint64_t number)
    {
        begin(name);
        std::array<char, 20> digits;
        out_.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
    }
    /// Whatever there is in it.
    void put_any(std::string_view name, std::string_view text)
    {
        begin(name);
        out_ += boost::json::serialize(boost::json::string_view{text.data(), text.size()});
    }
    void put_truth(std::string_view name, bool value)
    {
        begin(name);
        out_ += value ? "true" : "false";
    }
    template <class Fill>
    void put_object(std::string_view name, Fill fill)
    {
        begin(name);
        json_text_writer inner{out_};
        fill(inner);
        inner.end();
    }
    /// Members that were made before: `"a":1,"b":2`.
    void put_members(std::string_view members) { out_.append(out_.back() == '{' ? "" : ",").append(members); }
    void end() { out_ += '}'; }

private:
    void begin(std::string_view name) { out_.append(out_.back() == '{' ? "\"" : ",\"").append(name).append("\":"); }

    std::string& out_;
};

} // namespace tapioca
