#include "daemon/netns/target.hpp"

#include "daemon/netns/enter.hpp"
#include "daemon/os/namespaces.hpp"
#include "seccomp/clone_answer.hpp"

#include <utility>

namespace tapioca::netns {
namespace {

constexpr const char* no_user_namespace = "Couldn't open user namespace";
constexpr const char* no_network_namespace = "Couldn't open network namespace";

} // namespace

named_namespaces open_named(const options& opts)
{
    named_namespaces named;
    if (opts.mode == mode::passt)
        return named;
    const std::string of_process = "/proc/" + std::to_string(opts.target_pid) + "/ns/";
    const bool by_pid = opts.target == target_kind::pid;
    if (opts.userns_path)
        named.user = os::open_namespace(*opts.userns_path, no_user_namespace);
    else if (by_pid && !opts.netns_only)
        named.user = os::open_namespace(of_process + "user", no_user_namespace);
    if (opts.target == target_kind::command)
        return named;
    named.network_path = by_pid ? of_process + "net" : opts.netns_path;
    named.network = os::open_namespace(named.network_path, no_network_namespace);
    return named;
}

target attach(const options& opts, named_namespaces named, sandbox& box)
{
    target found;
    if (opts.mode == mode::passt) { // of namespaces it needs only the right to hide the filesystem
        box.create_user_namespace();
        seccomp::let_threads_start();
        return found;
    }
    if (named.user)
        box.join_user_namespace(named.user.get());
    else if (opts.target == target_kind::command && !opts.netns_only)
        box.create_user_namespace();

    if (opts.target == target_kind::command) {
        found.command = command::spawn(opts);
        found.network = os::open_namespace(found.command->net_ns_path(), no_network_namespace);
    } else {
        found.network = std::move(named.network);
        if (opts.netns_quit)
            found.watch.emplace(named.network_path);
    }
    seccomp::let_threads_start();      // not before there is the command, which would inherit it
    enter(found.network.get(), [] {}); // whatever is refused, is refused here and not in the middle
    return found;
}

} // namespace tapioca::netns
