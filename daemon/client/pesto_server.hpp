// The connection to the server: what it tells, what it is told, and whether it took that.
#pragma once

#include "daemon/os/unique_fd.hpp"
#include "proto/control/pesto.hpp"

#include <string>

namespace tapioca::client {

class pesto_server {
public:
    /// Connects to the socket at `path`. Here and below, what fails throws early_exit with one line.
    explicit pesto_server(const std::string& path);

    /// Fills `pifs` with the interfaces and rules of the server.
    void receive(pesto::pif_list& pifs);

    /// Sends all tables, and waits until the server has done what it does with them. It says nothing of it: it closes the
    /// connection. Where it has refused the tables, octets of ours are left unread, so that the connection is reset; a server
    /// of ours also says why, in a line.
    void send(const pesto::pif_list& pifs);

private:
    [[nodiscard]] int write_all(bytes_view octets) noexcept; ///< 0, or the errno
    [[nodiscard]] std::string await_end(int& error);

    os::unique_fd socket_;
};

} // namespace tapioca::client
