#include "daemon/client/tapioca_findings.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <sstream>

namespace tapioca::client {
namespace {

struct look {
    std::string_view name, colour;
};
constexpr look looks[] = {{"good", "\x1b[32m"}, {"hint", "\x1b[33m"}, {"fault", "\x1b[31m"}}; // by grade
constexpr std::size_t column = 7, usual_width = 80, narrowest = 40;

const look& look_of(grade how) { return looks[static_cast<std::size_t>(how)]; }

/// Words in lines, all but the first behind blanks.
std::string wrapped(const std::string& text, std::size_t width)
{
    std::istringstream words{text};
    std::string lines, word;
    std::size_t used = column;
    while (words >> word) {
        for (auto& c : word) // a terminal obeys some of what others may have written
            if (static_cast<unsigned char>(c) < ' ' || c == '\x7f')
                c = '?';
        if (used > column && used + 1 + word.size() > width) {
            lines += '\n' + std::string(column, ' ');
            used = column;
        } else if (used > column) {
            lines += ' ';
            ++used;
        }
        lines += word;
        used += word.size();
    }
    return lines + '\n';
}

} // namespace

std::string findings_as_json(const findings& all)
{
    std::string lines;
    for (const auto& one : all) {
        boost::json::object line{{"grade", look_of(one.how).name}, {"about", one.about}, {"what", one.what}};
        if (!one.remedy.empty())
            line["remedy"] = one.remedy;
        lines += boost::json::serialize(line) + '\n';
    }
    return lines;
}

std::string findings_as_text(const findings& all, std::size_t width, bool coloured)
{
    width = width == 0 ? usual_width : std::max(width, narrowest);
    auto sorted = all;
    std::ranges::stable_sort(sorted, std::ranges::greater{}, &finding::how);
    std::string text;
    for (const auto& one : sorted) {
        const auto& shown = look_of(one.how);
        const std::string name{shown.name};
        text += coloured ? std::string{shown.colour} + name + "\x1b[0m" : name;
        text += std::string(column - name.size(), ' ') + wrapped(one.what, width);
        if (!one.remedy.empty())
            text += std::string(column, ' ') + wrapped("Remedy: " + one.remedy, width);
    }
    return text;
}

} // namespace tapioca::client
