#include "daemon/config/run_as.hpp"

#include "daemon/config/number_text.hpp"
#include "daemon/os/accounts.hpp"

#include <string>

namespace tapioca {

std::optional<identity> parse_identity(std::string_view text)
{
    constexpr std::uint64_t most = 0xffff'fffe; // the highest number means "unchanged" to setresuid(2)
    const auto colon = text.find(':');
    const auto user = text.substr(0, colon);
    if (const auto uid = parse_number(user, most)) {
        const auto gid = colon == std::string_view::npos ? uid : parse_number(text.substr(colon + 1), most);
        if (!gid)
            return std::nullopt;
        return identity{static_cast<uid_t>(*uid), static_cast<gid_t>(*gid)};
    }
    const auto login = os::find_login(std::string{user});
    if (!login || login->uid == 0)
        return std::nullopt;
    if (colon == std::string_view::npos)
        return identity{login->uid, login->gid};
    const auto group = os::find_group(std::string{text.substr(colon + 1)});
    return group ? std::optional{identity{login->uid, *group}} : std::nullopt;
}

} // namespace tapioca
