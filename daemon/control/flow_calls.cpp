#include "daemon/control/flow_calls.hpp"

#include "daemon/config/address_text.hpp"
#include "daemon/control/varlink_message.hpp"

namespace tapioca {

namespace json = boost::json;

namespace {

json::object endpoint_of(const ip_address& address, std::uint16_t port)
{
    return {{"address", to_text(address)}, {"port", port}};
}

const char* protocol_of(flow_kind kind) noexcept
{
    switch (kind) {
    case flow_kind::tcp:
    case flow_kind::tcp_splice:
        return "tcp";
    case flow_kind::udp:
    case flow_kind::udp_splice:
        return "udp";
    case flow_kind::echo:
    case flow_kind::count_:
        break;
    }
    return "echo";
}

json::object shown(std::size_t worker, const flow_view& f, const rules_in_force& rules)
{
    json::object flow{
        {"id", to_text(flow_name{worker, f.head.kind, f.id})}, {"protocol", protocol_of(f.head.kind)},
        {"way", crosses_tap(f.head.kind) ? "tap" : "bypass"},  {"origin", f.head.from_peer() ? "peer" : "guest"},
        {"guest", endpoint_of(f.key.guest, f.key.guest_port)}, {"remote", endpoint_of(f.key.remote, f.key.remote_port)}};
    if (f.head.rule != flow_head::no_rule)
        flow["rule"] = rules.record_of(context::side_of(f.head), f.head.rule).id;
    return flow;
}

class listing_call final : public running_call {
public:
    listing_call(worker_pool& workers, const rules_in_force& rules) : workers_(workers), rules_(rules) { ask({}); }

    state look(std::string& out) override
    {
        if (!asked_->done.load(std::memory_order_acquire))
            return state::goes_on;
        json::array flows;
        for (const auto& f : asked_->found)
            flows.push_back(shown(worker_, f, rules_));
        const auto next = asked_->next;
        const bool last = !next && worker_ + 1 == workers_.size();
        if (!flows.empty() || last)
            varlink::put_reply(out, {{"flows", std::move(flows)}}, last ? varlink::continues::no : varlink::continues::yes);
        if (last)
            return state::done;
        if (!next)
            ++worker_;
        ask(next.value_or(plane::place{}));
        return state::goes_on;
    }

private:
    void ask(plane::place from)
    {
        asked_->from = from;
        asked_->found.clear();
        asked_->done.store(false, std::memory_order_relaxed);
        workers_.ask(worker_, asked_);
    }

    worker_pool& workers_;
    const rules_in_force& rules_;
    std::size_t worker_ = 0;
    list_flows asked_ = std::make_shared<flow_listing>();
};

class ending_call final : public running_call {
public:
    ending_call(worker_pool& workers, const flow_name& which) : which_(which)
    {
        asked_->kind = which.kind;
        asked_->id = which.id;
        workers.ask(which.worker, asked_);
    }

    state look(std::string& out) override
    {
        if (!asked_->done.load(std::memory_order_acquire))
            return state::goes_on;
        if (asked_->found)
            varlink::put_reply(out, {});
        else
            varlink::put_error(out, "io.github.tapioca.Control.NoSuchFlow", {{"id", to_text(which_)}});
        return state::done;
    }

private:
    flow_name which_;
    end_flow asked_ = std::make_shared<flow_ending>();
};

} // namespace

std::unique_ptr<running_call> begin_listing(worker_pool& workers, const rules_in_force& rules)
{
    return std::make_unique<listing_call>(workers, rules);
}

std::unique_ptr<running_call> begin_ending(worker_pool& workers, const flow_name& which)
{
    return std::make_unique<ending_call>(workers, which);
}

} // namespace tapioca
