// The guest leaves: its connections come to rest, are described into the front-end's pipe, and stay as they are until it is known
// whether it has arrived. Filters come first, as repair mode does not stop reception; whatever fails, all goes on as if nothing
// had been.
#pragma once

#include "daemon/migrate/repair_channel.hpp"
#include "daemon/migrate/tasks.hpp"

#include <memory>

namespace tapioca {

/// What departures and arrivals need; all of it outlives them.
struct migration_means {
    reactor& loop;
    worker_pool& workers;
    repair_channel& repair;
};

class guest_departure {
public:
    explicit guest_departure(migration_means means) noexcept : means_(means) {}
    ~guest_departure();

    /// Writes the state into the pipe and closes it. `then`: whether all was written.
    void begin(os::unique_fd into, std::function<void(bool)> then);
    /// The front-end does not take it any more: `then` is called.
    void abandon();

    /// The guest has been told that its state is complete: handshakes end.
    void complete();
    /// The guest goes on here.
    void resume(std::function<void()> then);
    /// The guest is elsewhere: what it had is closed here, and all rests on.
    void drop(std::function<void()> then);
    /// Another guest is here, and what the one before had is forgotten.
    void forget(std::function<void()> then);

    [[nodiscard]] bool is_writing() const noexcept { return static_cast<bool>(then_); }
    [[nodiscard]] std::size_t count() const noexcept { return repaired_ ? flows_.size() - failed_ : 0; }

private:
    struct leaving {
        std::size_t worker = 0;
        departing_flow flow;
    };

    void settle_down(int rounds);
    void collect();
    void describe();
    void write();
    void add_socket(const leaving& f);
    void finish(bool done);
    void repair_off(int tries, std::function<void(bool)> then);
    [[nodiscard]] std::vector<int> sockets() const;

    migration_means means_;
    os::unique_fd into_;
    std::function<void(bool)> then_;
    std::vector<leaving> flows_;
    bool frozen_ = false;
    bool repaired_ = false; ///< or some of them may be
    std::vector<octet> buffer_;
    std::size_t written_ = 0; ///< of the buffer
    std::size_t described_ = 0, failed_ = 0;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

} // namespace tapioca
