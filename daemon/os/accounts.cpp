#include "daemon/os/accounts.hpp"

#include <cstdio>
#include <grp.h>
#include <memory>
#include <pwd.h>

namespace tapioca::os {
namespace {

#ifdef TAPIOCA_STATIC
struct closer {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using database = std::unique_ptr<std::FILE, closer>;

const passwd* look_up_login(const std::string& name)
{
    const database file{std::fopen("/etc/passwd", "re")};
    const passwd* entry = nullptr;
    while (file && (entry = ::fgetpwent(file.get())) != nullptr && name != entry->pw_name) {
    }
    return entry;
}

const group* look_up_group(const std::string& name)
{
    const database file{std::fopen("/etc/group", "re")};
    const group* entry = nullptr;
    while (file && (entry = ::fgetgrent(file.get())) != nullptr && name != entry->gr_name) {
    }
    return entry;
}
#else
const passwd* look_up_login(const std::string& name) { return ::getpwnam(name.c_str()); }
const group* look_up_group(const std::string& name) { return ::getgrnam(name.c_str()); }
#endif

} // namespace

std::optional<account> find_login(const std::string& name)
{
    const passwd* const entry = look_up_login(name);
    return entry ? std::optional{account{entry->pw_uid, entry->pw_gid}} : std::nullopt;
}

std::optional<gid_t> find_group(const std::string& name)
{
    const group* const entry = look_up_group(name);
    return entry ? std::optional{entry->gr_gid} : std::nullopt;
}

} // namespace tapioca::os
