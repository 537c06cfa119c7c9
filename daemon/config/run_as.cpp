#include "daemon/config/run_as.hpp"

#include "daemon/config/number_text.hpp"

#include <grp.h>
#include <pwd.h>
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
    const passwd* login = ::getpwnam(std::string{user}.c_str());
    if (login == nullptr || login->pw_uid == 0)
        return std::nullopt;
    identity who{login->pw_uid, login->pw_gid};
    if (colon != std::string_view::npos) {
        const group* named = ::getgrnam(std::string{text.substr(colon + 1)}.c_str());
        if (named == nullptr)
            return std::nullopt;
        who.gid = named->gr_gid;
    }
    return who;
}

} // namespace tapioca
