#include "daemon/netns/enter.hpp"

#include "daemon/os/namespaces.hpp"
#include "daemon/os/thread.hpp"

#include <exception>

namespace tapioca::netns {

void enter(int net_ns, const std::function<void()>& work)
{
    std::exception_ptr failure;
    os::start_thread([&] {
        try {
            os::join_network_namespace(net_ns);
            work();
        } catch (...) {
            failure = std::current_exception();
        }
    }).join();
    if (failure)
        std::rethrow_exception(failure);
}

} // namespace tapioca::netns
