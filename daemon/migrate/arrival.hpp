// A guest arrives with its connections: out of the front-end's pipe come their records, sockets are made and put in repair mode,
// and each becomes the connection that it was, as its record comes. Only when the stream has ended as it should do they live;
// before that nothing of them is seen on the wire, and the source has them still.
#pragma once

#include "daemon/migrate/departure.hpp"
#include "proto/migrate/stream.hpp"

namespace tapioca {

class guest_arrival {
public:
    explicit guest_arrival(migration_means means);
    ~guest_arrival();

    /// Reads to the end. `then`: whether it was a state.
    void begin(os::unique_fd from, std::function<void(bool)> then);
    void abandon();
    /// The guest's rings run: connections that could not come are ended.
    void complete();

    [[nodiscard]] bool is_reading() const noexcept { return static_cast<bool>(then_); }
    [[nodiscard]] std::size_t count() const noexcept { return settled_; }
    [[nodiscard]] std::size_t refused() const noexcept { return refused_.size(); }

private:
    struct coming {
        migrate::flow_record record;
        bool makes_sense = false;
        os::unique_fd fd; ///< none: it cannot be restored
        std::size_t have = 0;
        std::vector<octet> unsent;
        migrate::socket_record socket;
        bool is_restored = false;
        const char* why = "it makes no sense";
    };

    void watch();
    void read();
    [[nodiscard]] bool take(bytes_view octets);
    void take_item(migrate::stream_decoder::item what);
    void make_sockets();
    void restore();
    void come_alive();
    void settle();
    void finish(bool done);

    migration_means means_;
    os::unique_fd from_;
    std::function<void(bool)> then_;
    migrate::stream_decoder decoder_;
    std::vector<octet> read_; ///< and not taken yet
    std::vector<coming> flows_;
    std::size_t at_ = 0; ///< the one whose socket is being read
    bool pauses_ = false;
    std::vector<octet> send_queue_, receive_queue_;
    std::vector<migrate::flow_record> refused_;
    std::size_t settled_ = 0;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

} // namespace tapioca
