#include "daemon/control/flow_calls.hpp"

#include "daemon/control/flow_json.hpp"
#include "daemon/control/varlink_message.hpp"

namespace tapioca {

namespace json = boost::json;

namespace {

class listing_call final : public running_call {
public:
    listing_call(worker_pool& workers, const rules_in_force& rules, const wanted_flows& wanted) : workers_(workers), rules_(rules)
    {
        asked_->wanted = wanted.filter;
        asked_->detailed = wanted.detailed;
        ask({});
    }

    state look(std::string& out) override
    {
        if (!asked_->done.load(std::memory_order_acquire))
            return state::goes_on;
        std::string flows;
        for (const auto& f : asked_->found) {
            flows += flows.empty() ? "" : ",";
            put_flow(flows, worker_, f, rule_id(rules_, f.flow.head.origin, f.flow.head.rule), workers_.config().egress.get());
        }
        const auto next = asked_->next;
        const bool last = !next && worker_ + 1 == workers_.size();
        if (!flows.empty() || last)
            varlink::put_reply_text(out, "{\"flows\":[" + flows + "]}", last ? varlink::continues::no : varlink::continues::yes);
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

std::unique_ptr<running_call> begin_listing(worker_pool& workers, const rules_in_force& rules, const wanted_flows& wanted)
{
    return std::make_unique<listing_call>(workers, rules, wanted);
}

std::unique_ptr<running_call> begin_ending(worker_pool& workers, const flow_name& which)
{
    return std::make_unique<ending_call>(workers, which);
}

} // namespace tapioca
