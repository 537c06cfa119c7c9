// In programs without shared libraries: none can be loaded.
#include "daemon/os/shared_library.hpp"

namespace tapioca::os {

shared_library shared_library::load(const char*) noexcept { return {}; }

void* shared_library::address_of(const char*) const noexcept { return nullptr; }

void shared_library::unload::operator()(void*) const noexcept {}

} // namespace tapioca::os
