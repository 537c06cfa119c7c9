#include "daemon/config/run_as.hpp"

#include "daemon/config/number_text.hpp"
#include "daemon/os/accounts.hpp"

#include <string>

namespace tapioca {

std::variant<identity, std::string> parse_identity(std::string_view text)
{
    constexpr std::uint64_t most = 0xffff'fffe; // the highest number means "unchanged" to setresuid(2)
    const auto colon = text.find(':');
    const std::string user{text.substr(0, colon)};
    const std::string group{colon == std::string_view::npos ? "" : text.substr(colon + 1)};
    if (const auto uid = parse_number(user, most)) {
        const auto gid = colon == std::string_view::npos ? uid : parse_number(group, most);
        if (!gid)
            return "behind a numeric user the group is a number, too, at most " + std::to_string(most);
        return identity{static_cast<uid_t>(*uid), static_cast<gid_t>(*gid)};
    }
    const auto login = os::find_login(user);
    if (!login)
        return "there is no user " + user;
    if (login->uid == 0)
        return "root must be asked for by number: --runas 0";
    if (colon == std::string_view::npos)
        return identity{login->uid, login->gid};
    if (const auto gid = os::find_group(group))
        return identity{login->uid, *gid};
    return "there is no group " + group;
}

} // namespace tapioca
