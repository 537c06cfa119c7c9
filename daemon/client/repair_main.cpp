// passt-repair: sets TCP_REPAIR, which takes CAP_NET_ADMIN, on the sockets of a passt that has no such right, while its guest
// migrates. It has one argument: the path of passt's socket for that, or the directory where it will be.
#include "daemon/client/repair_search.hpp"
#include "daemon/client/repair_service.hpp"
#include "seccomp/repair_cage.hpp"

#include <exception>
#include <sys/stat.h>

namespace tapioca::client {
namespace {

repair_status serve_directory(const char* path)
{
    auto search = repair_search::begin(path);
    if (!search)
        return report(repair_status::failed, "Couldn't watch", path, search.error().value());
    seccomp::confine_repair();
    const auto server = search->finish();
    if (!server)
        return report(repair_status::failed, "Couldn't connect to a socket in", path, server.error().value());
    seccomp::give_up_files();
    return serve_repair(server->get());
}

repair_status serve_socket(const char* path)
{
    seccomp::confine_repair();
    const auto server = connect_to_repair_socket(path);
    if (!server)
        return report(repair_status::failed, "Couldn't connect to", path, server.error().value());
    seccomp::give_up_files();
    return serve_repair(server->get());
}

repair_status serve_at(const char* path)
{
    if (std::strlen(path) > longest_repair_path)
        return report(repair_status::misused, "Couldn't use", path, ENAMETOOLONG);
    struct stat found {};
    if (::stat(path, &found) != 0)
        return report(repair_status::failed, "Couldn't find", path, errno);
    if (S_ISDIR(found.st_mode))
        return serve_directory(path);
    if (S_ISSOCK(found.st_mode))
        return serve_socket(path);
    return report(repair_status::misused, "Couldn't use", path, ENOTSOCK);
}

} // namespace
} // namespace tapioca::client

int main(int argc, char** argv)
{
    using tapioca::client::repair_status;
    if (argc != 2) {
        std::fprintf(stderr, "Usage: passt-repair PATH\n");
        return static_cast<int>(repair_status::misused);
    }
    try {
        return static_cast<int>(tapioca::client::serve_at(argv[1]));
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "passt-repair: %s\n", failure.what());
    }
    return static_cast<int>(repair_status::failed);
}
