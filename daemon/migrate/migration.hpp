// A guest that shares its memory migrates: what its front-end asks of our state, and what becomes of its connections then.
//
// As the source, the state is written, and all rests until the front-end has heard that it is complete. Then the guest is
// elsewhere, unless its rings start again here. As the target, the state is read, and the connections wait for the rings.
#pragma once

#include "daemon/migrate/arrival.hpp"

#include <optional>

namespace tapioca {

class migration final : public control_service {
public:
    struct options {
        bool exits = false;  ///< --migrate-exit: the end once the guest has left
        bool lingers = true; ///< without --migrate-no-linger: what has left stays silent; else its sockets are closed at once
    };
    /// `repair` listens for helpers, if there are to be any.
    migration(worker_pool& workers, os::unique_fd repair, options how) noexcept;

    void start(reactor& loop) override;

    /// A guest has left for good once, as its front-end says.
    [[nodiscard]] bool has_ever_left() const noexcept { return has_ever_left_; }
    [[nodiscard]] bool wants_end() const noexcept { return is_dropped_ && how_.exits; }

private:
    void take_news();
    void begin(device_state::request asked);
    void begin_again(device_state::request asked);
    void note_left();
    void front_end_gone();
    void rings_wanted();
    void resume();
    void run_rings();

    worker_pool& workers_;
    device_state& state_;
    repair_channel repair_;
    const options how_;
    reactor* loop_ = nullptr;
    std::optional<guest_departure> leaving_;
    std::optional<guest_arrival> coming_;
    std::uint64_t number_ = 0; ///< of the last state
    bool is_written_ = false, has_left_ = false, has_ever_left_ = false;
    bool is_changing_ = false;    ///< what is frozen is being thawed
    bool is_dropped_ = false;     ///< what has left was closed
    bool front_end_left_ = false; ///< since the guest has
};

} // namespace tapioca
