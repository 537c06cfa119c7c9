// A connection to a running instance, which speaks varlink.
#pragma once

#include "daemon/client/tapioca_instances.hpp"
#include "daemon/os/unique_fd.hpp"
#include "daemon/os/unix_address.hpp"

#include <boost/json.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

namespace tapioca::client {

/// What went wrong, for the user.
struct control_failure : std::runtime_error {
    using runtime_error::runtime_error;
};

/// For which an answer is waited.
inline constexpr std::chrono::seconds usual_patience{10};

class control_connection {
public:
    /// Root connects as the user whose instance it is: the instance may know no other user.
    explicit control_connection(const instance& to, std::chrono::seconds patience = usual_patience);
    explicit control_connection(const std::string& path, std::chrono::seconds patience = usual_patience);

    /// `method` without its interface. Throws control_failure.
    [[nodiscard]] boost::json::object call(const std::string& method, const boost::json::object& parameters = {});
    /// With several replies.
    void call(const std::string& method, const boost::json::object& parameters,
              const std::function<void(const boost::json::object&)>& take);

    void call(const std::string& method, const std::function<void(const boost::json::object&)>& take) { call(method, {}, take); }

    /// Asks, and passes a descriptor along, if there is one. Several replies may come, for which reply() waits; the descriptor is
    /// readable when one does.
    void ask(const std::string& method, const boost::json::object& parameters, int passed = -1);
    [[nodiscard]] boost::json::object reply() { return take_next().parameters; }
    [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }

    /// Or without waiting: when the descriptor is readable, read() reads what is there, and take() says what that was, a reply at
    /// a time.
    struct part {
        boost::json::object parameters;
        bool continues = false; ///< the call has further replies
    };
    void read();
    [[nodiscard]] std::optional<part> take();

private:
    void connect(const os::unix_address& address);
    void send(const std::string& method, const boost::json::object& parameters, bool more, int passed = -1);
    [[nodiscard]] part take_next();
    [[nodiscard]] std::optional<boost::json::object> next_reply();

    std::string who_; ///< it is, for messages
    std::chrono::seconds patience_;
    os::unique_fd socket_;
    std::string octets_;
    std::size_t searched_ = 0; ///< octets without an end
};

} // namespace tapioca::client
