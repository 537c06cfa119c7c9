// The session of a guest that shares its memory, told anew: messages and descriptors that lead whoever takes them to where we
// are.
#pragma once

#include "proto/migrate/link_state.hpp"

#include <array>
#include <initializer_list>
#include <vector>

namespace tapioca {

class retelling {
public:
    template <class T>
    void say(vhost::request what, const T& payload, std::initializer_list<int> fds = {})
    {
        std::array<octet, migrate::said_octets + vhost::longest_payload> room;
        writer to{room};
        migrate::put_said(to, what, {reinterpret_cast<const octet*>(&payload), sizeof payload}, fds.size());
        octets_.insert(octets_.end(), to.written().begin(), to.written().end());
        descriptors_.insert(descriptors_.end(), fds);
    }

    [[nodiscard]] const std::vector<octet>& octets() const noexcept { return octets_; }
    [[nodiscard]] const std::vector<int>& descriptors() const noexcept { return descriptors_; }

private:
    std::vector<octet> octets_;
    std::vector<int> descriptors_;
};

} // namespace tapioca
