// A guest whose egress policy has limits, or wants server names.
#pragma once

#include "tests/sim/scenario.hpp"

namespace tapioca::test {

struct egress_world {
    explicit egress_world(const simulation_options& options = {}) : s(options)
    {
        s.plane->common().metering = egress_metering{meter};
        s.plane->common().budget = &budget;
    }

    /// By another snapshot.
    void adopt(egress_policy policy)
    {
        auto next = std::make_shared<plane_config>(s.config);
        next->egress = std::make_shared<const egress_policy>(std::move(policy));
        next->places = std::make_shared<const host_places>();
        std::shared_ptr<const plane_config> given{std::move(next)};
        s.plane->adopt(given);
        s.plane->end_turn(s.now());
    }
    void limit(const egress_limits& limits)
    {
        egress_policy policy;
        policy.limits = limits;
        adopt(policy);
    }
    /// So many connections that stand.
    std::vector<conversation*> established_all(int count)
    {
        std::vector<conversation*> all;
        for (int i = 0; i < count; ++i)
            all.push_back(&established(s));
        return all;
    }

    egress_meter meter;
    flow_budget budget;
    simulation s;
};

} // namespace tapioca::test
