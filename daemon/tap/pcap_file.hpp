// The file of --pcap: every frame, in both directions, in the format of pcap-savefile(5). Records of several workers may
// interleave, but each is written whole.
#pragma once

#include "daemon/tap/frame_sink.hpp"

namespace tapioca {

class pcap_file final : public frame_sink {
public:
    /// `file`: opened for writing, its header written; it outlives the sink.
    explicit pcap_file(int file) noexcept : file_(file) {}

    void take(const seen_frame& frame) noexcept override;

    /// Writes the file's header.
    static void begin(int file) noexcept;

private:
    int file_;
};

} // namespace tapioca
