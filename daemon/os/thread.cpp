#include "daemon/os/thread.hpp"

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace tapioca::os {
namespace {

const char* remedy(int error)
{
    switch (error) {
    case EPERM:
    case ENOSYS:
        return "; a filter of system calls, perhaps a container's, must allow clone(2) with CLONE_THREAD";
    case EAGAIN:
        return "; raise the limit of processes (ulimit -u, LimitNPROC=) or of the cgroup's tasks (pids.max, TasksMax=)";
    default:
        return "";
    }
}

} // namespace

std::thread start_thread(std::function<void()> work)
{
    try {
        return std::thread{std::move(work)};
    } catch (const std::system_error& refused) {
        throw std::runtime_error("Couldn't start a thread: " + refused.code().message() + remedy(refused.code().value()));
    }
}

} // namespace tapioca::os
