// A capture that began at run time: frames that a filter chooses go as blocks of pcapng to a socket that its reader has passed.
//
// The blocks of a turn are one message, or a few. The socket is one of AF_UNIX whose messages arrive whole, so workers do not
// disturb each other, and its buffer in the kernel is the bounded queue between them and the reader: what does not fit is lost,
// and counted, and the next block that arrives says how many there were. Nobody ever waits for a reader.
#pragma once

#include "daemon/os/unique_fd.hpp"
#include "daemon/tap/frame_sink.hpp"
#include "proto/capture/bpf.hpp"

#include <atomic>
#include <memory>
#include <vector>

namespace tapioca {

/// What is captured, and for whom: of all workers. Whoever uses it counts as a user; the last one closes the socket.
class capture_session {
public:
    /// More octets of a frame are not kept: those of the largest frame.
    static constexpr std::uint32_t most_kept = 66 << 10;

    struct wishes {
        std::vector<bpf::instruction> filter = {}; ///< valid; empty: every frame
        std::uint32_t snapshot = most_kept;        ///< so many octets of a frame are kept at most
        bool drops_only = false;
        std::optional<pcapng::direction> way = {}; ///< nothing: both
    };
    capture_session(os::unique_fd socket, wishes w, std::uint32_t users) noexcept
        : wanted_frames(std::move(w)), socket_(std::move(socket)), users_(users)
    {
    }

    /// Sends so many blocks, which are one message. False if they are lost.
    bool send(bytes_view message, std::uint64_t blocks) noexcept;
    void leave() noexcept
    {
        if (users_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            socket_.reset();
    }
    [[nodiscard]] std::uint32_t users() const noexcept { return users_.load(std::memory_order_acquire); }
    [[nodiscard]] bool reader_is_gone() const noexcept { return reader_is_gone_.load(std::memory_order_relaxed); }
    /// Frames that the filter has chosen, and those of them that were lost.
    [[nodiscard]] std::uint64_t chosen() const noexcept { return chosen_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }

    const wishes wanted_frames;

private:
    os::unique_fd socket_;
    std::atomic<std::uint32_t> users_;
    std::atomic<bool> reader_is_gone_ = false;
    std::atomic<std::uint64_t> chosen_ = 0, lost_ = 0;
};

/// One worker's part of a session.
class frame_capture final : public frame_sink {
public:
    /// Allocates all that it needs. The worker is one of the session's users, until it calls end().
    explicit frame_capture(std::shared_ptr<capture_session> session);

    void take(const seen_frame& frame) noexcept override;
    void end_turn() noexcept override;
    /// Nothing is shown to it any more.
    void end() noexcept;

private:
    static constexpr std::size_t room = capture_session::most_kept + pcapng::most_overhead;

    [[nodiscard]] std::size_t put(const pcapng::frame_record& record) noexcept;

    std::shared_ptr<capture_session> session_;
    std::unique_ptr<octet[]> blocks_; ///< of this turn
    std::size_t size_ = 0;
    std::uint64_t count_ = 0; ///< of blocks
    std::uint64_t told_ = 0;  ///< lost frames of which one of those blocks tells
    std::uint64_t lost_ = 0;  ///< of which no block tells
};

} // namespace tapioca
