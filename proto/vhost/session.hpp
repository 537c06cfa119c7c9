// A vhost-user session without its socket, its memory and its threads: a message in, what to do and what to answer out. What is
// refused leaves everything as it was.
//
// Front-ends send what makes a ring in different orders, and send parts of it again while it runs. So a ring runs when it has
// size, address and kick, is enabled, and features are set; nothing else starts or stops one but GET_VRING_BASE, which takes the
// kick away. "Enabled" exists from the connection on, and outlives the guest's resets.
#pragma once

#include "proto/vhost/features.hpp"
#include "proto/vhost/memory_map.hpp"

#include <array>
#include <string_view>

namespace tapioca::vhost {

/// What the one who has descriptors and memory does about a message.
enum class action : std::uint8_t {
    nothing,
    map_table,     ///< forget all regions, map session::regions() with a descriptor each
    map_region,    ///< map one more
    unmap_region,  ///< forget it
    set_kick,      ///< of session::ring(); with the descriptor that came, if one did
    set_call,      ///< likewise
    set_error,     ///< likewise
    set_log,       ///< map session::log(), with the descriptor that came; none: the log ends
    look_at_rings, ///< some may run now, or no more, or differently
    stop_ring,     ///< that one has stopped: answer with the place where it stands
    save_state,    ///< into the descriptor that came
    load_state,    ///< out of it
    check_state,   ///< answer once that is done: 0 if it could be
};

enum class reply_kind : std::uint8_t { none, number, state, empty };

struct outcome {
    action what = action::nothing;
    reply_kind reply = reply_kind::none;
    std::uint64_t number = 0;  ///< the reply, or what an acknowledgment says: 0 is success
    std::uint32_t ring = 0;    ///< what `what` and a reply with a state are about
    std::string_view why = {}; ///< it was refused
};

class session {
public:
    struct ring {
        std::uint32_t size = 0;
        ring_address address;
        std::uint16_t base = 0;
        bool has_address = false, kick = false, enabled = false;
    };

    [[nodiscard]] outcome take(const message& m) noexcept;
    /// What `outcome` said could not be done: the acknowledgment tells, and what was to be set is as it was.
    void undo(const outcome& o) noexcept;

    /// A ring does not run any more: there it goes on if it is started again.
    void stopped(std::uint32_t index, std::uint16_t next) noexcept { rings_[index].base = next; }

    /// Whether everything is there that a ring needs.
    [[nodiscard]] bool can_run(std::uint32_t index) const noexcept;
    [[nodiscard]] const ring& at(std::uint32_t index) const noexcept { return rings_[index]; }
    [[nodiscard]] bool has(feature_set f) const noexcept { return (features_ & f) == f; }
    [[nodiscard]] feature_set features() const noexcept { return features_; }
    [[nodiscard]] bool has_features() const noexcept { return features_set_; }
    [[nodiscard]] feature_set of_protocol() const noexcept { return protocol_; }
    [[nodiscard]] std::span<const region> regions() const noexcept { return {regions_.begin(), regions_.end()}; }
    [[nodiscard]] const log_area& log() const noexcept { return log_; }
    /// Whether a driver without VERSION_1 wants to start its device, which it does not.
    [[nodiscard]] bool is_legacy() const noexcept { return features_set_ && !has(version_1); }
    /// Whether acknowledgments were negotiated.
    [[nodiscard]] bool acknowledges() const noexcept { return (protocol_ & with::reply_ack) != 0; }
    [[nodiscard]] std::uint16_t mtu() const noexcept { return mtu_; }

private:
    [[nodiscard]] outcome take_features(const message& m) noexcept;
    [[nodiscard]] outcome take_memory(const message& m) noexcept;
    [[nodiscard]] outcome take_table(const message& m) noexcept;
    [[nodiscard]] outcome take_log(const message& m) noexcept;
    [[nodiscard]] outcome take_ring(const message& m) noexcept;
    [[nodiscard]] outcome take_address(const message& m) noexcept;
    [[nodiscard]] outcome take_state(const message& m) noexcept;
    [[nodiscard]] outcome take_descriptor(const message& m, action what) noexcept;

    std::array<ring, most_rings> rings_{};
    fixed_vector<region, memory_map::most_regions> regions_; ///< of the last SET_MEM_TABLE or ADD_MEM_REG
    log_area log_;
    log_area log_before_;   ///< the last message about it
    bool had_kick_ = false; ///< the ring of the last message about a kick
    feature_set features_ = 0, protocol_ = 0;
    std::uint16_t mtu_ = 0;
    bool features_set_ = false;
    bool has_state_ = false; ///< one is on its way, or has been
};

} // namespace tapioca::vhost
