#include "daemon/os/user_map.hpp"

#include <cstdint>
#include <fstream>
#include <unistd.h>

namespace tapioca::os {

uid_t uid_on_host(uid_t user)
{
    std::ifstream map{"/proc/self/uid_map"};
    std::uint64_t inside = 0, outside = 0, count = 0;
    while (map >> inside >> outside >> count)
        if (user >= inside && user - inside < count)
            return static_cast<uid_t>(user - inside + outside);
    return user;
}

uid_t own_uid_on_host() { return uid_on_host(::geteuid()); }

} // namespace tapioca::os
