// The messages of the vhost-user protocol (QEMU's documentation, "Vhost-user Protocol"): a header of 12 octets, then a payload,
// both in the byte order of the machine. Descriptors travel beside them as SCM_RIGHTS.
#pragma once

#include "proto/base/bytes.hpp"

#include <optional>

namespace tapioca::vhost {

enum class request : std::uint32_t {
    get_features = 1,
    set_features = 2,
    set_owner = 3,
    reset_owner = 4,
    set_mem_table = 5,
    set_log_base = 6,
    set_log_fd = 7,
    set_vring_num = 8,
    set_vring_addr = 9,
    set_vring_base = 10,
    get_vring_base = 11,
    set_vring_kick = 12,
    set_vring_call = 13,
    set_vring_err = 14,
    get_protocol_features = 15,
    set_protocol_features = 16,
    get_queue_num = 17,
    set_vring_enable = 18,
    send_rarp = 19,
    net_set_mtu = 20,
    get_max_mem_slots = 36,
    add_mem_reg = 37,
    rem_mem_reg = 38,
    set_device_state_fd = 42,
    check_device_state = 43,
};

struct message_header {
    request what{};
    std::uint32_t flags = 0;
    std::uint32_t size = 0; ///< of the payload
};
static_assert(sizeof(message_header) == 12);

inline constexpr std::uint32_t version = 1;
inline constexpr std::uint32_t version_mask = 3;
inline constexpr std::uint32_t flag_reply = 4;
inline constexpr std::uint32_t flag_need_reply = 8;

struct ring_state {
    std::uint32_t index = 0, number = 0;
};

struct ring_address {
    std::uint32_t index = 0, flags = 0;
    std::uint64_t descriptors = 0, used = 0, available = 0; ///< addresses of the front-end's process
    std::uint64_t log = 0;                                  ///< the guest's address of the used ring, for the log of dirty pages
};
inline constexpr std::uint32_t ring_address_logs = 1;

struct region {
    std::uint64_t guest = 0, size = 0, user = 0; ///< where it begins for the guest, and in the front-end's process
    std::uint64_t offset = 0;                    ///< in its file
};
static_assert(sizeof(region) == 32);

struct log_area {
    std::uint64_t size = 0, offset = 0;
};

struct state_transfer {
    std::uint32_t direction = 0; ///< 0: the back-end writes its state; 1: it reads one
    std::uint32_t phase = 0;     ///< 0: the device is stopped
};

/// In the number of a descriptor's message: the lower eight bits are the ring's index, this one says that there is no descriptor.
/// In the answer about a state, that there is none to be used in the place of the one that was given.
inline constexpr std::uint64_t no_descriptor = 0x100;

inline constexpr std::size_t most_table_regions = 8; ///< in one SET_MEM_TABLE
inline constexpr std::size_t longest_payload = 8 + most_table_regions * sizeof(region);
inline constexpr std::size_t most_descriptors = most_table_regions; ///< beside one message

/// A whole message as it was received. Its descriptors are the caller's.
struct message {
    message_header header;
    bytes_view payload;
    std::size_t descriptors = 0; ///< how many came with it

    [[nodiscard]] bool wants_reply() const noexcept { return (header.flags & flag_need_reply) != 0; }
    /// The payload, if it is such a thing and nothing else.
    template <class T>
    [[nodiscard]] std::optional<T> as() const noexcept
    {
        if (payload.size() != sizeof(T))
            return std::nullopt;
        T value;
        std::memcpy(static_cast<void*>(&value), payload.data(), sizeof value);
        return value;
    }
};

} // namespace tapioca::vhost
