// The audit log (--audit-log): takes what the workers have recorded, makes lines of it and has them written.
//
// While nothing can be written, records stay in the workers' rings, which are bounded; with --audit-required a full ring, or a
// file that refuses lines, lets no flow begin. All of it in the main thread, which never waits.
#pragma once

#include "daemon/control/audit_lines.hpp"
#include "daemon/control/reactor.hpp"
#include "daemon/loop/worker_pool.hpp"
#include "daemon/report/line_file.hpp"

#include <string>

namespace tapioca {

class audit_log final : public control_service {
public:
    /// The workers outlive it.
    audit_log(os::unique_fd file, audit_mode mode, worker_pool& workers);
    void find_names_by(audit_lines::name_finder finder) { lines_.find_names_by(std::move(finder)); }

    void start(reactor& loop) override;
    /// Takes what the workers have recorded since the last call, as far as there is room for it.
    void drain();
    /// Goes on in another file, which begins with a line that says so. Why not, if it does not: then the one before stays.
    [[nodiscard]] std::string reopen(os::unique_fd file);

    /// The workers have ended: what is left is written as long as a reader goes on reading. From now on is_done() is the
    /// question, and the pool's events are readable when that changes.
    void finish();
    [[nodiscard]] bool is_done() const noexcept { return finished_; }

private:
    void write();
    void fail(const std::string& why);
    void wait_for_reader();
    void tell_losses();
    void tell_repeats();
    void go_on_soon();
    void look_at_reader(int looks, std::uint64_t written);
    void end_finishing();

    report::line_file file_;
    audit_mode mode_;
    worker_pool& workers_;
    audit_lines lines_;
    reactor* loop_ = nullptr;
    std::uint64_t lost_ = 0, unrecorded_ = 0; ///< that the log has told of
    bool more_ = false;                       ///< records stay behind in a ring
    bool fails_ = false, retries_ = false;    ///< the file refuses lines; it is tried again in a while
    bool waits_ = false;                      ///< for the reader of a FIFO
    bool soon_ = false;                       ///< a call of drain() is on its way
    bool sums_up_ = false;                    ///< a call of tell_repeats() is on its way
    bool finishes_ = false, finished_ = false;
};

} // namespace tapioca
