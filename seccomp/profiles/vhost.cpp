// What a guest that shares its memory needs besides: its memory comes and goes while we run, by descriptors of the front-end.
// None of it can be executed, nor put in a place of the front-end's choice; the one mapping with a fixed place is of zeroes, over
// memory that the front-end has cut off.
#include "seccomp/filter.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

namespace tapioca::seccomp {
namespace {

constexpr std::uint32_t data = PROT_READ | PROT_WRITE;

constexpr argument_test shared_memory[] = {{2, data}, {3, MAP_SHARED | MAP_NORESERVE}};
constexpr argument_test zeroes[] = {{2, data}, {3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED}, {4, ~0U}};
constexpr argument_test read_flags[] = {{1, F_GETFL}};
constexpr argument_test write_flags[] = {{1, F_SETFL}};
constexpr argument_test read_half[] = {{1, SHUT_RD}};
constexpr argument_test of_descriptor[] = {{2, AT_EMPTY_PATH}};

constexpr allowed_call calls[] = {
    {"fcntl", "passed_fds", "a write to the front-end's eventfd never waits", task::vhost, read_flags},
    {"fcntl", "passed_fds", "a write to the front-end's eventfd never waits", task::vhost, write_flags},
    {"fstatfs", "guest_memory, passed_fds", "is it memory, is it an eventfd, or what might make us wait", task::vhost},
    {"mmap", "guest_memory", "the guest's memory", task::vhost, shared_memory},
    {"mmap", "guest_memory", "zeroes where the front-end has taken memory away", task::vhost, zeroes},
    {"munmap", "guest_memory", "the guest's memory goes", task::vhost},
    {"shutdown", "tcp_repair", "a connection comes whose peer has finished", task::vhost, read_half},
    {"statx", "guest_memory", "is the file as long as its region", task::vhost, of_descriptor},
};

} // namespace

std::span<const allowed_call> vhost_calls() noexcept { return calls; }

} // namespace tapioca::seccomp
