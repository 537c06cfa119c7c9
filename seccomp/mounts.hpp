// An empty, read-only root directory instead of the host's filesystem; read pivot_root(2) first.
#pragma once

namespace tapioca::mounts {

/// What to do where pivot_root(2) is refused because the root is an initramfs: give up, or move the empty directory over the
/// root.
enum class if_refused { fail, chroot };

/// To be called in a mount namespace of one's own. Throws std::system_error.
void detach_root(if_refused otherwise);

} // namespace tapioca::mounts
