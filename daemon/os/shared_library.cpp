#include "daemon/os/shared_library.hpp"

#include <dlfcn.h>

namespace tapioca::os {

shared_library shared_library::load(const char* name) noexcept
{
    shared_library library;
    library.handle_.reset(::dlopen(name, RTLD_NOW | RTLD_LOCAL));
    return library;
}

void* shared_library::address_of(const char* name) const noexcept { return handle_ ? ::dlsym(handle_.get(), name) : nullptr; }

void shared_library::unload::operator()(void* handle) const noexcept { (void)::dlclose(handle); }

} // namespace tapioca::os
