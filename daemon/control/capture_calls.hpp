// The call that captures. Its client passes a socket, which the workers send to (daemon/tap/frame_capture.hpp); the call lasts
// until the client says something, goes, or closes the other end of that socket.
#pragma once

#include "daemon/control/flow_calls.hpp"
#include "daemon/tap/frame_capture.hpp"

#include <boost/json.hpp>

#include <memory>
#include <string>
#include <vector>

namespace tapioca {

/// The captures that there are.
class capture_list {
public:
    static constexpr std::size_t most = 4;

    [[nodiscard]] bool has_room()
    {
        std::erase_if(sessions_, [](const auto& s) { return s->users() == 0; });
        return sessions_.size() < most;
    }
    void add(std::shared_ptr<capture_session> session) { sessions_.push_back(std::move(session)); }

private:
    std::vector<std::shared_ptr<capture_session>> sessions_;
};

/// What a client asks for, or the name of the parameter that makes no sense.
struct capture_request {
    capture_session::wishes wishes;
    std::string wrong;
};
[[nodiscard]] capture_request parse_capture(const boost::json::object& parameters);

/// `socket`: of AF_UNIX. `interface`: what the guest's link is called in the capture.
[[nodiscard]] std::unique_ptr<running_call> begin_capturing(worker_pool& workers, capture_list& all, os::unique_fd socket,
                                                            capture_session::wishes wishes, const std::string& interface);

} // namespace tapioca
