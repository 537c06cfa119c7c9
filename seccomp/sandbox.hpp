// The stages in which the process gives up what it had when it was started. Credentials, bounding set and no-new-privs belong to
// a thread, a user namespace can only be changed by a lone thread, and entering one refills the bounding set, so the order
// matters:
//   enter               capabilities that start-up never needs, inherited descriptors, broken stdio
//   become              the identity; what is permitted stays so until drop()
//   create or join      the user namespace
//   detach_filesystem   own IPC, mount, UTS (and PID) namespaces, empty read-only root
//   drop                bounding set and all capabilities, files (Landlock); threads started from here on inherit that
//   seal                no core, no tracing, no new privileges, system calls of the profile, in every thread; TCP (Landlock) in
//   the
//                       calling one. The threads started between drop and seal confine themselves.
// Read capabilities(7), user_namespaces(7), landlock(7) and seccomp(2) first. A stage that fails throws std::system_error; what
// start-up can live with becomes a warning for the log.
#pragma once

#include "seccomp/filter.hpp"
#include "seccomp/mounts.hpp"

#include <string>
#include <sys/types.h>
#include <vector>

namespace tapioca {

class sandbox {
public:
    /// Whether the process forks once more after detach_filesystem: only then can it have a PID namespace of its own, because the
    /// caller of unshare(2) stays in the old one and cannot make threads any more.
    enum class fork_follows { no, yes };

    /// Of the descriptors that are open it keeps 0, 1 and 2 (opened on /dev/null where the caller had closed them) and `kept`,
    /// -1 among them for none.
    [[nodiscard]] static sandbox enter(std::vector<int> kept);

    /// Switches to the ids and drops supplementary groups.
    void become(uid_t uid, gid_t gid);

    /// A user namespace in which the present ids are 0. Without the right to write the maps it goes on with the overflow ids.
    void create_user_namespace();

    /// The user namespace behind the descriptor; the own one is left as it is.
    void join_user_namespace(int fd);

    void detach_filesystem(fork_follows fork, mounts::if_refused otherwise);
    void drop();
    void seal(seccomp::profile which);

    /// What the stages so far had to say; empties the list.
    [[nodiscard]] std::vector<std::string> take_warnings();

private:
    sandbox() = default;
    std::vector<std::string> warnings_;
};

/// True where uid 0 is the machine's root and not only that of a user namespace.
[[nodiscard]] bool in_initial_user_namespace();

} // namespace tapioca
