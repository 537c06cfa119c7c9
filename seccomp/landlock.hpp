// Landlock: what the calling thread, and the threads that it starts from then on, may no longer do with files, TCP ports, and
// processes outside; read landlock(7) first. It stands behind the empty root and the filter of system calls, and says what the
// filter cannot: which thread may bind or connect TCP sockets. Layers add up; none can be taken back.
#pragma once

#include <cstdint>

namespace tapioca::landlock {

/// Which ports TCP sockets may be bound to. A rule is a single port, so between none and all there is only 0, which leaves the
/// choice to the kernel.
enum class bind_to : std::uint8_t { nothing, port_of_the_kernels_choice, any_port };

enum class connect_to : std::uint8_t { nobody, anybody };

/// What a kernel's Landlock can restrict, as the bits of landlock_create_ruleset(2).
struct handled {
    std::uint64_t files = 0, tcp = 0, scopes = 0;
};

/// By the number that the kernel calls its ABI; later ones than those known here can do what the last known one can.
[[nodiscard]] handled handled_by(int abi) noexcept;

/// The kernel's; 0 where it has no Landlock, or does not let us use it.
[[nodiscard]] int kernel_abi() noexcept;

/// Leaves of TCP what the arguments say; files and devices can be opened by nobody, and those that are open stay so. Sets
/// no-new-privs, which the kernel asks for. False where nothing else has changed because the kernel cannot or would not.
bool confine(bind_to bind, connect_to connect) noexcept;

/// Leaves files and directories to be read, whichever they are, and nothing else of files, TCP and processes outside. False, as
/// above.
bool confine_to_reading() noexcept;

} // namespace tapioca::landlock
