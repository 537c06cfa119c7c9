// The real socket at the far end of a connection: writes and reads its pattern at its own pace, and tells how it ended.
#pragma once

#include "tests/adversary/plan.hpp"

namespace tapioca::adversary {

class remote_end {
public:
    remote_end(const plan& p, std::uint64_t pattern_seed) : plan_(p), incoming_(pattern_seed), outgoing_(pattern_seed + 1) {}
    ~remote_end();
    remote_end(const remote_end&) = delete;
    remote_end& operator=(const remote_end&) = delete;

    void attach(int descriptor) { descriptor_ = descriptor; }
    void on_event(std::uint32_t events);
    void turn(instant now);
    void reset();
    void end_now() { end_asked_ = true; }
    [[nodiscard]] instant next() const;

    [[nodiscard]] int descriptor() const { return descriptor_; }
    [[nodiscard]] bool is_over() const { return over_; }
    [[nodiscard]] bool has_written_all() const { return written == plan_.down; }

    std::uint64_t read = 0, written = 0;
    bool saw_end = false, saw_reset = false, is_shut = false, is_wrong = false;
    int error = 0; ///< errno of what was no reset

private:
    void read_some(instant now);
    void write_some(instant now);
    void shut_if_due(instant now);
    void fail(int why);
    void close();

    const plan& plan_;
    test::stream_pattern incoming_, outgoing_;
    int descriptor_ = -1;
    bool readable_ = false, writable_ = false, over_ = false, end_asked_ = false, has_stopped_ = false;
    instant read_at_{}, write_at_{}, shut_at_ = instant::max();
};

} // namespace tapioca::adversary
