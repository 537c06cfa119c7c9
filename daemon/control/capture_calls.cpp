#include "daemon/control/capture_calls.hpp"

#include "daemon/control/varlink_message.hpp"
#include "daemon/os/clock.hpp"
#include "proto/capture/filter_text.hpp"

#include <algorithm>
#include <array>
#include <chrono>

namespace tapioca {

namespace json = boost::json;

namespace {

constexpr duration look_at_capture = std::chrono::milliseconds{50};
constexpr int most_looks_at_end = 1000; ///< each of a millisecond

class capture_call final : public running_call {
public:
    capture_call(worker_pool& workers, std::shared_ptr<capture_session> session, const std::string& interface)
        : workers_(workers), session_(std::move(session))
    {
        std::array<octet, 512> beginning;
        const auto size =
            pcapng::write_beginning(beginning, "tapioca " TAPIOCA_VERSION, interface, session_->wanted_frames.snapshot);
        (void)session_->send(std::span{beginning}.first(size), 0);
        for (std::size_t i = 0; i < workers_.size(); ++i) {
            parts_.push_back(std::make_shared<frame_capture>(session_));
            workers_.ask(i, begin_capture{parts_.back()});
        }
    }
    ~capture_call() override
    {
        end_all();
        session_->leave();
    }

    state look(std::string& out) override
    {
        switch (phase_) {
        case phase::begins:
            if (!workers_.have_obeyed())
                break;
            phase_ = phase::lasts;
            varlink::put_reply(out, counts(), varlink::continues::yes);
            break;
        case phase::lasts:
            if (session_->reader_is_gone())
                end_all();
            break;
        case phase::ends:
            if (session_->users() != 1 || !say_statistics())
                break;
            varlink::put_reply(out, counts());
            return state::done;
        }
        return state::goes_on;
    }
    [[nodiscard]] std::optional<duration> lasts() const noexcept override
    {
        return phase_ == phase::lasts ? std::optional{look_at_capture} : std::nullopt;
    }
    void interrupt() override { end_all(); }

private:
    enum class phase : std::uint8_t { begins, lasts, ends };

    [[nodiscard]] json::object counts() const { return {{"chosen", session_->chosen()}, {"lost", session_->lost()}}; }

    void end_all()
    {
        if (phase_ == phase::ends)
            return;
        phase_ = phase::ends;
        for (std::size_t i = 0; i < parts_.size(); ++i)
            workers_.ask(i, end_capture{std::move(parts_[i])});
    }
    /// False: the reader has not made room for it yet, but may still do.
    [[nodiscard]] bool say_statistics()
    {
        std::array<octet, 128> block;
        const auto size = pcapng::write_statistics(block, os::since_1970(), session_->chosen(), session_->lost());
        return session_->send(std::span{block}.first(size), 0) || session_->reader_is_gone() ||
               ++looked_at_end_ == most_looks_at_end;
    }

    worker_pool& workers_;
    std::shared_ptr<capture_session> session_;
    std::vector<std::shared_ptr<frame_capture>> parts_; ///< of each worker
    phase phase_ = phase::begins;
    int looked_at_end_ = 0;
};

bool read_filter(const json::value& from, std::vector<bpf::instruction>& filter)
{
    if (!from.is_string())
        return false;
    filter.resize(bpf::longest_program);
    const std::string_view text{from.get_string()};
    filter.resize(bpf::read_text(text, filter).value_or(0));
    return text.empty() || bpf::is_valid(filter);
}

bool read_snapshot(const json::value& from, std::uint32_t& snapshot)
{
    if (!from.is_int64() || from.get_int64() <= 0)
        return false;
    snapshot = static_cast<std::uint32_t>(std::min<std::int64_t>(from.get_int64(), capture_session::most_kept));
    return true;
}

bool read_direction(const json::value& from, std::optional<pcapng::direction>& way)
{
    if (from == "in")
        way = pcapng::direction::in;
    else if (from == "out")
        way = pcapng::direction::out;
    return way.has_value();
}

} // namespace

capture_request parse_capture(const json::object& parameters)
{
    capture_request made;
    const auto take = [&](const char* name, auto read) {
        const auto* given = parameters.if_contains(name);
        if (given != nullptr && !given->is_null() && !read(*given))
            made.wrong = name;
    };
    take("filter", [&](const json::value& v) { return read_filter(v, made.wishes.filter); });
    take("snaplen", [&](const json::value& v) { return read_snapshot(v, made.wishes.snapshot); });
    take("direction", [&](const json::value& v) { return read_direction(v, made.wishes.way); });
    take("drops_only", [&](const json::value& v) {
        made.wishes.drops_only = v.is_bool() && v.get_bool();
        return v.is_bool();
    });
    return made;
}

std::unique_ptr<running_call> begin_capturing(worker_pool& workers, capture_list& all, os::unique_fd socket,
                                              capture_session::wishes wishes, const std::string& interface)
{
    const auto users = static_cast<std::uint32_t>(workers.size() + 1);
    auto session = std::make_shared<capture_session>(std::move(socket), std::move(wishes), users);
    all.add(session);
    return std::make_unique<capture_call>(workers, std::move(session), interface);
}

} // namespace tapioca
