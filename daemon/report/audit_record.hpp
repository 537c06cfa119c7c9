// What workers tell the audit log: that a flow begins or ends, or that one was refused.
#pragma once

#include "proto/base/result.hpp"
#include "proto/base/time.hpp"
#include "proto/flow/end_reason.hpp"
#include "proto/flow/head.hpp"
#include "proto/flow/octets.hpp"
#include "proto/policy/egress_policy.hpp"

#include <cstdint>
#include <optional>
#include <type_traits>

namespace tapioca::report {

enum class audit_event : std::uint8_t {
    opened,
    refused,  ///< there is no flow
    answered, ///< an echo request to the host itself, for which there is no flow either
    misnamed, ///< with tls = "sni": a connection has begun with something else than the name of that server
    ended,
    left_open ///< it was there when the program ended
};

struct audit_record {
    audit_event what = audit_event::opened;
    end_reason why = end_reason::finished;            ///< of what has ended
    drop_reason refused = drop_reason::egress_denied; ///< of what was refused
    flow_head head{};                                 ///< its key as the guest knows it
    flow_id id{};                                     ///< at first: a connection may move to another worker
    instant when{};
    std::uint64_t number = 0; ///< of the flow; no other of the instance has had it; 0: there is none
    endpoint to{};            ///< whom the host speaks to for the guest, or where on the host a peer was accepted
    egress_verdict verdict{};
    const egress_policy* policy = nullptr; ///< that has given it; to be compared, as it may be gone
    std::optional<flow_octets> octets{};   ///< of what has ended, if they are known
};
static_assert(std::is_trivially_copyable_v<audit_record>);

} // namespace tapioca::report
