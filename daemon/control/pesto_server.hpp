// The server of --conf-path: pesto's protocol (proto/control/pesto.hpp). One client is served at a time, as the protocol has it;
// others wait in the backlog. A client that says nothing has as long as it likes until another one comes, and then half a second.
#pragma once

#include "daemon/control/rules_in_force.hpp"
#include "daemon/os/unique_fd.hpp"
#include "proto/control/pesto.hpp"

#include <string>
#include <vector>

namespace tapioca {

class pesto_server final : public control_service {
public:
    struct parts {
        os::unique_fd listener;
        rules_in_force& rules;
    };
    explicit pesto_server(parts p);

    void start(reactor& loop) override;

private:
    void accept();
    void greet();
    void send_greeting();
    void receive();
    void take_tables();
    void refuse(const std::string& why);
    void let_go();
    void end(std::uint64_t client);
    [[nodiscard]] pesto::pif_list interfaces(const both_rules& rules) const;

    parts parts_;
    reactor* loop_ = nullptr;
    os::unique_fd client_;
    std::uint64_t client_number_ = 0;
    bool heard_ = false, applying_ = false;
    std::vector<octet> greeting_;
    std::size_t sent_ = 0;
    both_rules greeted_; ///< that the client was shown
    pesto::pif_list tables_;
    std::optional<pesto::decoder> decoder_;
};

} // namespace tapioca
