#include "daemon/tap/open_tap.hpp"

#include "daemon/os/start_failure.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <system_error>

namespace tapioca {
namespace {

constexpr int virtio_header_size = 12;       // with num_buffers, as in virtio 1.0
constexpr unsigned uso4 = 0x20, uso6 = 0x40; // TUN_F_USO4 and TUN_F_USO6, since Linux 6.2; only together

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

os::unique_fd open_device()
{
    os::unique_fd fd{::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)};
    if (fd)
        return fd;
    const int error = errno;
    std::string hint;
    if (error == ENOENT || error == ENODEV)
        hint = "load the module (modprobe tun), or give the container the device";
    if (error == EACCES || error == EPERM)
        hint = os::name_of_user_and_remedy() + " must be allowed to read and write it";
    throw os::start_failure("Failed to open() /dev/net/tun", error, hint);
}

[[noreturn]] void refuse_name(const std::string& name)
{
    const int error = errno;
    std::string hint;
    if (error == EINVAL || error == EEXIST)
        hint = "the namespace has another interface " + name + ": choose a name by --ns-ifname";
    if (error == EBUSY)
        hint = "another program serves the interface " + name + " there: choose a name by --ns-ifname";
    throw os::start_failure("TUNSETIFF ioctl on /dev/net/tun failed", error, hint);
}

bool attach(int fd, const std::string& name, unsigned flags)
{
    ifreq request = {};
    std::strncpy(request.ifr_name, name.c_str(), sizeof request.ifr_name - 1);
    request.ifr_flags = static_cast<short>(flags);
    return ::ioctl(fd, TUNSETIFF, &request) == 0;
}

/// Each feature is asked for on top of what was granted, so that one which the kernel lacks costs only itself.
offloads negotiate(int fd)
{
    int size = virtio_header_size;
    if (::ioctl(fd, TUNSETVNETHDRSZ, &size) != 0)
        fail("Couldn't set the size of the tap's virtio header");
    unsigned granted = 0;
    const auto add = [&](unsigned feature) {
        if (::ioctl(fd, TUNSETOFFLOAD, static_cast<unsigned long>(granted | feature)) != 0)
            return false;
        granted |= feature;
        return true;
    };
    offloads got;
    got.checksum = add(TUN_F_CSUM);
    if (!got.checksum)
        return got;
    got.tso = add(TUN_F_TSO4 | TUN_F_TSO6);
    if (got.tso)
        (void)add(TUN_F_TSO_ECN); // without it the kernel segments what carries CWR before we see it
    got.uso = add(uso4 | uso6);
    return got;
}

} // namespace

std::vector<tun_descriptor> open_tap(const std::string& name, unsigned queues)
{
    constexpr unsigned plain = IFF_TAP | IFF_NO_PI;
    const unsigned several = queues > 1 ? IFF_MULTI_QUEUE : 0;
    std::vector<tun_descriptor> tap;
    tap.push_back({open_device(), true, {}});
    const int first = tap.front().fd.get();
    unsigned flags = 0;
    bool attached = false;
    for (const unsigned tried : {plain | IFF_VNET_HDR | several, plain | IFF_VNET_HDR, plain | several, plain}) {
        flags = tried;
        attached = attach(first, name, flags);
        if (attached || errno != EINVAL) // it has no such headers, or was made with another number of queues
            break;
    }
    if (!attached)
        refuse_name(name);
    tap.front().vnet_header = (flags & IFF_VNET_HDR) != 0;
    if (tap.front().vnet_header)
        tap.front().offload = negotiate(first);
    while ((flags & IFF_MULTI_QUEUE) != 0 && tap.size() < queues) {
        tap.push_back({open_device(), tap.front().vnet_header, tap.front().offload});
        if (!attach(tap.back().fd.get(), name, flags))
            refuse_name(name);
    }
    return tap;
}

std::string interface_of(int tap)
{
    ifreq request = {};
    if (::ioctl(tap, TUNGETIFF, &request) != 0 || (request.ifr_flags & IFF_TAP) == 0)
        return {};
    return {request.ifr_name, ::strnlen(request.ifr_name, sizeof request.ifr_name)};
}

// syscalls: ioctl
void leave_to_namespace(int queue) noexcept { ::ioctl(queue, TUNSETPERSIST, 1); }

// syscalls: ioctl
void set_carrier(int queue, bool there) noexcept
{
    int on = there ? 1 : 0;
    ::ioctl(queue, TUNSETCARRIER, &on);
}

} // namespace tapioca
