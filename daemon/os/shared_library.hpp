// A library that is there for few users, and costs the others nothing: it is looked for when it is needed, before sealing.
#pragma once

#include <memory>

namespace tapioca::os {

class shared_library {
public:
    /// `name` as the linker would record it: "libidn2.so.0". Empty if it is not installed, and in static programs.
    [[nodiscard]] static shared_library load(const char* name) noexcept;

    [[nodiscard]] explicit operator bool() const noexcept { return handle_ != nullptr; }

    /// A function by the type that its header declares: get<decltype(&idn2_free)>("idn2_free"). Null if there is none.
    template <class Function>
    [[nodiscard]] Function get(const char* name) const noexcept
    {
        return reinterpret_cast<Function>(address_of(name));
    }

private:
    struct unload {
        void operator()(void* handle) const noexcept;
    };
    [[nodiscard]] void* address_of(const char* name) const noexcept;

    std::unique_ptr<void, unload> handle_;
};

} // namespace tapioca::os
