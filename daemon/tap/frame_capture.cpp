#include "daemon/tap/frame_capture.hpp"

#include "daemon/os/clock.hpp"
#include "daemon/os/socket.hpp"
#include "proto/base/drop_words.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace tapioca {
namespace {

/// What the reader does not take now; anything else means that there is none, or that the socket is of the wrong kind.
bool is_full(int error) noexcept { return error == EAGAIN || error == ENOBUFS || error == ENOMEM; }

class comment_text {
public:
    explicit comment_text(const seen_frame& frame) noexcept
    {
        if (!frame.dropped)
            return;
        append("drop_");
        append(drop_reason_names[index(*frame.dropped)]);
        append(": ");
        append(drop_reason_words[index(*frame.dropped)]);
        if (frame.among < 2)
            return;
        append("; this one, or another of the ");
        std::array<char, 20> digits;
        append({digits.data(), std::to_chars(digits.begin(), digits.end(), frame.among).ptr});
        append(" frames that came with it");
    }
    [[nodiscard]] std::string_view view() const noexcept { return {text_.data(), size_}; }

private:
    void append(std::string_view part) noexcept { size_ += part.copy(text_.data() + size_, text_.size() - size_); }

    std::array<char, pcapng::longest_comment> text_;
    std::size_t size_ = 0;
};

} // namespace

bool capture_session::send(bytes_view message, std::uint64_t blocks) noexcept
{
    chosen_.fetch_add(blocks, std::memory_order_relaxed);
    const auto sent = os::send(socket_.get(), message);
    if (sent && *sent == message.size())
        return true;
    if (sent || !is_full(sent.error().value()))
        reader_is_gone_.store(true, std::memory_order_relaxed);
    lost_.fetch_add(blocks, std::memory_order_relaxed);
    return false;
}

frame_capture::frame_capture(std::shared_ptr<capture_session> session)
    : session_(std::move(session)), blocks_(std::make_unique_for_overwrite<octet[]>(room))
{
}

void frame_capture::take(const seen_frame& frame) noexcept
{
    const auto& wanted = session_->wanted_frames;
    if ((wanted.drops_only && !frame.dropped) || (wanted.way && *wanted.way != frame.way) || session_->reader_is_gone())
        return;
    const auto length = frame.octets.octets;
    std::size_t kept = wanted.snapshot;
    if (!wanted.filter.empty())
        kept = std::min<std::size_t>(kept, bpf::run(wanted.filter, frame.octets, length));
    if (kept == 0)
        return;
    kept = std::min(kept, length);
    const comment_text comment{frame};
    pcapng::frame_record record{.since_1970 = os::since_1970(),
                                .way = frame.way,
                                .octets = {frame.octets.pieces, kept},
                                .length = length,
                                .comment = comment.view()};
    auto size = put(record);
    if (size == 0) {
        end_turn();
        size = put(record);
    }
    size_ += size;
    ++count_;
    told_ += std::exchange(lost_, 0);
}

std::size_t frame_capture::put(const pcapng::frame_record& record) noexcept
{
    auto telling = record;
    telling.lost = lost_;
    return pcapng::write_frame({blocks_.get() + size_, room - size_}, telling);
}

void frame_capture::end_turn() noexcept
{
    if (size_ == 0)
        return;
    if (!session_->send({blocks_.get(), size_}, count_))
        lost_ += told_ + count_;
    size_ = 0;
    count_ = told_ = 0;
}

void frame_capture::end() noexcept
{
    end_turn();
    session_->leave();
}

} // namespace tapioca
