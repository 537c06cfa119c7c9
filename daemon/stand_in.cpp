#include "daemon/stand_in.hpp"

#include "daemon/os/process.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <getopt.h>
#include <net/if.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace tapioca {

options parse_command_line(int argc, char** argv)
{
    options o;
    enum { netns = 256, userns, netns_only, config_net, runas, trace, no_netns_quit, no_pidns, log_size };
    static const option words[] = {{"netns", 1, nullptr, netns},
                                   {"userns", 1, nullptr, userns},
                                   {"netns-only", 0, nullptr, netns_only},
                                   {"config-net", 0, nullptr, config_net},
                                   {"runas", 1, nullptr, runas},
                                   {"trace", 0, nullptr, trace},
                                   {"debug", 0, nullptr, 'd'},
                                   {"quiet", 0, nullptr, 'q'},
                                   {"foreground", 0, nullptr, 'f'},
                                   {"log-file", 1, nullptr, 'l'},
                                   {"pid", 1, nullptr, 'P'},
                                   {"no-netns-quit", 0, nullptr, no_netns_quit},
                                   {"no-pidns", 0, nullptr, no_pidns},
                                   {"log-size", 1, nullptr, log_size},
                                   {"ns-ifname", 1, nullptr, 'I'},
                                   {}};
    for (int c; (c = getopt_long(argc, argv, "+dqfl:P:I:", words, nullptr)) != -1;)
        switch (c) {
        case 'd':
            o.level = log_level::debug;
            break;
        case trace:
            o.level = log_level::trace;
            break;
        case 'q':
            o.level = log_level::quiet;
            break;
        case 'f':
            o.foreground = true;
            break;
        case 'l':
            o.log_file = optarg;
            break;
        case log_size:
            o.log_size = std::strtoul(optarg, nullptr, 10);
            break;
        case 'P':
            o.pid_file = optarg;
            break;
        case 'I':
            o.ns_ifname = optarg;
            break;
        case netns:
            o.target = target_kind::path;
            o.netns_path = std::strchr(optarg, '/') ? optarg : std::string{"/run/netns/"} + optarg;
            break;
        case userns:
            o.userns_path = optarg;
            break;
        case netns_only:
            o.netns_only = true;
            break;
        case config_net:
            o.config_net = true;
            break;
        case no_netns_quit:
            o.netns_quit = false;
            break;
        case no_pidns:
            o.pid_namespace = false;
            break;
        case runas: {
            char* rest = nullptr;
            const unsigned long uid = std::strtoul(optarg, &rest, 10);
            o.run_as = identity{static_cast<uid_t>(uid), static_cast<gid_t>(*rest ? std::strtoul(rest + 1, nullptr, 10) : uid)};
            break;
        }
        default:
            std::exit(1);
        }
    if (o.target == target_kind::path && !o.userns_path)
        o.netns_only = true;
    if (argc == optind + 1 && std::strspn(argv[optind], "0123456789") == std::strlen(argv[optind])) {
        o.target = target_kind::pid;
        o.target_pid = std::atoi(argv[optind]);
    } else {
        o.command.assign(argv + optind, argv + argc);
    }
    return o;
}

namespace netns {
void bring_up_loopback()
{
    const os::unique_fd fd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    ifreq request = {};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    if (::ioctl(fd.get(), SIOCSIFFLAGS, &request) != 0)
        throw std::system_error(errno, std::generic_category(), "Couldn't bring up loopback interface in namespace");
}
} // namespace netns

struct worker_pool::threads {
    std::thread thread;
    os::unique_fd stop{::eventfd(0, EFD_CLOEXEC)};
};

void worker_pool::start()
{
    threads_ = new threads;
    threads_->thread = std::thread{[stop = threads_->stop.get()] {
        os::block_signals();
        std::uint64_t word;
        (void)!::read(stop, &word, sizeof word);
    }};
}

void worker_pool::stop()
{
    const std::uint64_t word = 1;
    (void)!::write(threads_->stop.get(), &word, sizeof word);
    threads_->thread.join();
}

} // namespace tapioca
