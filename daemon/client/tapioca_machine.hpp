// What `tapioca doctor` judges by: facts about a machine and the user on it, as they were read. Nothing in here is a judgement.
#pragma once

#include "proto/base/address.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace tapioca::client {

/// Errors are numbers of errno(3), 0 for none.
struct file_facts {
    int error = 0;           ///< of opening or reading it
    std::string link_target; ///< of a symbolic link
    std::string content;
};

/// A program that somebody would start.
struct program_facts {
    std::string path;
    std::string version; ///< what it prints for --version, the first two lines; empty if it could not be run
    std::string label;   ///< SELinux's, empty for none
};

/// Who starts pasta or passt, and what it would find.
struct caller_facts {
    std::string_view caller, program;
    bool is_there = false;             ///< the caller is installed
    std::vector<std::string> searched; ///< directories, in this order
    std::optional<program_facts> found;
};

struct machine {
    uid_t user = 0; ///< effective, like the group
    gid_t group = 0;
    std::vector<gid_t> groups;
    std::string user_name;

    int tun_error = 0; ///< of opening /dev/net/tun
    bool has_user_namespaces = true;
    int namespaces_error = 0;     ///< of making a user namespace, and a network namespace in it
    int inotify_error = 0;        ///< of making an inotify instance
    int temporary_error = 0;      ///< of writing to /tmp
    std::uint64_t open_files = 0; ///< the hard limit

    std::map<std::string, std::string> sysctls; ///< those that there are, by the name that sysctl(8) has for them
    file_facts resolv_conf, subuid, subgid;
    /// newuidmap and newgidmap in $PATH: empty for none. `able`: they are set-user-ID, or have a file capability.
    std::string newuidmap, newgidmap;
    bool newuidmap_able = true, newgidmap_able = true;

    bool apparmor = false;
    bool selinux_enforces = false;
    std::string own_label;                      ///< of this process, by the security module
    std::vector<std::string> apparmor_profiles; ///< loaded ones with their mode, or names of files where those cannot be read

    bool has_ipv6 = true;
    std::string routes4, routes6; ///< /proc/net/route and /proc/net/ipv6_route
    std::vector<ip_address> addresses;

    std::vector<caller_facts> callers;
    std::vector<std::string> silent; ///< running instances that do not answer: who, and why
    std::string own_version;
};

/// Of the machine that we are on. Makes and ends child processes, one of them in namespaces of its own; asks running instances.
[[nodiscard]] machine read_machine();

} // namespace tapioca::client
