// Until command line, network discovery, interface set-up and data plane are there: as little of each as the stages need to run.
#pragma once

#include "daemon/config/host_network.hpp"
#include "daemon/config/options.hpp"
#include "daemon/tap/open_tap.hpp"

#include <string>
#include <utility>
#include <vector>

namespace tapioca {

options parse_command_line(int argc, char** argv);

namespace netns {
void bring_up_loopback();
}

struct plane_resources {
    tap::opened_tap tap;
    os::unique_fd pcap;
};

class worker_pool {
public:
    worker_pool(const options&, plane_resources&& resources) : resources_(std::move(resources)) {}
    void start();
    void stop();

private:
    plane_resources resources_;
    struct threads;
    threads* threads_ = nullptr;
};

} // namespace tapioca
