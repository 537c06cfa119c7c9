#include "daemon/client/tapioca_instances.hpp"

#include "daemon/os/user_map.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <unistd.h>

namespace tapioca::client {
namespace {

constexpr std::string_view prefix = "@tapioca/";
constexpr std::string_view listening = " 00010000 "; // __SO_ACCEPTCON; connections have the name of their listener

template <class Number>
std::optional<Number> number_in(std::string_view text)
{
    Number number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional{number} : std::nullopt;
}

std::optional<instance> instance_in(std::string_view line)
{
    const auto at = line.find(prefix);
    if (at == std::string_view::npos || at == 0 || line[at - 1] != ' ' ||
        line.substr(0, at).find(listening) == std::string_view::npos)
        return std::nullopt;
    const auto name = line.substr(at + prefix.size());
    const auto slash = name.find('/');
    if (slash == std::string_view::npos)
        return std::nullopt;
    const auto user = number_in<uid_t>(name.substr(0, slash));
    const auto pid = number_in<pid_t>(name.substr(slash + 1));
    return user && pid && *pid > 0 ? std::optional{instance{*user, *pid}} : std::nullopt;
}

} // namespace

std::vector<instance> instances_in(std::string_view table)
{
    std::vector<instance> found;
    while (!table.empty()) {
        const auto line = table.substr(0, table.find('\n'));
        table.remove_prefix(std::min(line.size() + 1, table.size()));
        if (const auto one = instance_in(line))
            found.push_back(*one);
    }
    std::ranges::sort(found);
    const auto twice = std::ranges::unique(found);
    found.erase(twice.begin(), twice.end());
    return found;
}

std::vector<instance> find_instances()
{
    std::ifstream file{"/proc/net/unix"};
    auto found = instances_in(std::string{std::istreambuf_iterator<char>{file}, {}});
    if (::geteuid() != 0 || os::own_uid_on_host() != 0)
        std::erase_if(found, [own = os::own_uid_on_host()](const instance& i) { return i.user != own; });
    return found;
}

} // namespace tapioca::client
