#include "daemon/os/random.hpp"

#include <cerrno>
#include <sys/random.h>
#include <system_error>

namespace tapioca::os {

siphash_key random_key()
{
    siphash_key key;
    if (::getrandom(&key, sizeof key, 0) != static_cast<ssize_t>(sizeof key))
        throw std::system_error(errno, std::generic_category(), "Couldn't get random octets");
    return key;
}

} // namespace tapioca::os
