// A guest whose memory we share by vhost-user: the front-end's connection, and the rings that it hands out. The device of worker
// 0 talks to the front-end; the others have their rings from it.
//
// Messages are dealt with at the end of a turn. One that cannot be understood, or a ring that breaks down, costs the connection;
// flows stay for the next one.
#pragma once

#include "daemon/tap/stream_device.hpp"
#include "daemon/tap/vhost_link.hpp"

namespace tapioca {

/// The same as of a stream; empty for the workers that have no part in it.
struct vhost_descriptor {
    stream_descriptor sockets;
};

class vhost_device final : public tap_device {
public:
    vhost_device(vhost_descriptor opened, const device_place& place);

    [[nodiscard]] tap_queue& queue() noexcept override { return queue_; }
    void start() override;
    void begin_turn() noexcept override;
    void take(const os::event& e, instant now) noexcept override;
    [[nodiscard]] bool has_more() const noexcept override { return queue_.has_more(); }
    void read(instant now) noexcept override;
    void end_turn(instant now) noexcept override;
    [[nodiscard]] bool has_carrier() const noexcept override { return link_->runs(); }
    [[nodiscard]] bool reaches_guest() noexcept override { return place_.worker == 0 || queue_.can_send(); }
    [[nodiscard]] bool guest_steers() const noexcept override { return true; }
    [[nodiscard]] link_in_use give() override;
    [[nodiscard]] std::string_view go_on(const migrate::link_state& from, std::span<os::unique_fd> passed) override;
    void stop_listening() noexcept override { sockets_.listener.reset(); }

private:
    static constexpr int batches_a_turn = 4;
    static constexpr int messages_a_turn = 32;
    /// What the tokens of the front-end's events are about.
    enum class talk : std::uint32_t { listener, client, alarm, state };

    void talk_to_front_end(instant now) noexcept;
    void attach(os::unique_fd client, instant now) noexcept;
    void take_messages(instant now) noexcept;
    [[nodiscard]] bool receive_message() noexcept;
    void take_message(instant now) noexcept;
    [[nodiscard]] bool answer(const vhost::message& m, const vhost::outcome& o) noexcept;
    void check_state() noexcept;
    [[nodiscard]] bool watch_client() noexcept;
    [[nodiscard]] std::string_view hear_again(reader said, std::span<os::unique_fd>& passed);
    void misunderstood(const char* why, instant now) noexcept;
    void let_front_end_go(instant now) noexcept;

    std::shared_ptr<vhost_link> link_;
    vhost_queue queue_;
    stream_descriptor sockets_;
    bool client_waits_ = false, messages_wait_ = false;
    bool state_has_news_ = false;
    bool checks_state_ = false; ///< the front-end waits for the outcome, and says nothing meanwhile
    bool over_ = false;         ///< the connection is to be closed
    bool told_of_legacy_ = false;
    unsigned greeted_ = 0; ///< vhost_link::starts() for which a guest was greeted

    vhost::message_header header_;
    std::array<octet, sizeof(vhost::message_header) + vhost::longest_payload> received_;
    std::size_t received_count_ = 0;
    os::passed_fds passed_;
};

} // namespace tapioca
