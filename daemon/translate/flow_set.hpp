// Flows of one kind in one worker: what the plane asks of each kind, and what all kinds share.
#pragma once

#include "daemon/os/arena.hpp"
#include "daemon/translate/context.hpp"
#include "daemon/translate/flow_view.hpp"
#include "proto/flow/alive.hpp"
#include "proto/flow/head.hpp"
#include "proto/flow/ready_list.hpp"
#include "proto/flow/table.hpp"
#include "proto/flow/timer_wheel.hpp"

namespace tapioca {

/// What is noted of a flow when it begins, for its end. It stands beside the flows, as nobody touches it in between.
struct flow_birth {
    instant at;
    std::uint64_t audited = 0; ///< its number in the audit log; 0: it is not in there
};

/// Asked in each turn, never for a frame.
class flow_set {
public:
    flow_set() = default;
    virtual ~flow_set() = default;
    flow_set(const flow_set&) = delete;
    flow_set& operator=(const flow_set&) = delete;

    /// Ends what is over.
    virtual void expire(instant now) noexcept = 0;
    /// Does what is ready, and what was put off until the end of the turn.
    virtual void end_turn(instant now) noexcept = 0;
    [[nodiscard]] virtual instant next_deadline() const noexcept = 0;
    /// Whether end_turn() has left something to do for which no event will come.
    [[nodiscard]] virtual bool has_ready() const noexcept = 0;

    [[nodiscard]] virtual std::uint32_t flow_count() const noexcept = 0;
    /// Flows that are a reason for their worker to stay up.
    [[nodiscard]] virtual std::uint32_t weight() const noexcept { return flow_count(); }
    /// Shows the flows in `most` slots from `from` on. The slot to go on from; 0: there is none behind.
    virtual std::uint32_t visit(std::uint32_t from, std::uint32_t most, flow_visitor& visitor, instant now) noexcept = 0;
    /// Likewise ends those of which `judge` says so.
    virtual std::uint32_t end_some(std::uint32_t from, std::uint32_t most, flow_judge& judge, instant now) noexcept = 0;
    /// Ends a flow; both its ends hear of it as far as the protocol lets them. False if there is none.
    virtual bool close(flow_id id, end_reason why, instant now) noexcept = 0;
    /// The program ends: the audit log hears what each flow has carried until now.
    virtual void audit_what_is_left(instant now) noexcept = 0;
};

/// The flows with their memory, timers and list of those that have something to do.
template <class Flow, flow_kind Kind>
class flows_of : public flow_set {
    static_assert(std::is_base_of_v<flow_head, Flow>);

public:
    static constexpr flow_kind own_kind = Kind;

    [[nodiscard]] instant next_deadline() const noexcept override { return wheel_.next(); }
    [[nodiscard]] bool has_ready() const noexcept override { return !ready_.empty() && ctx_.tap.accepts_data(); }
    [[nodiscard]] std::uint32_t flow_count() const noexcept final { return flows_.size(); }
    std::uint32_t visit(std::uint32_t from, std::uint32_t most, flow_visitor& visitor, instant now) noexcept final
    {
        return flows_.for_some(from, most, [&](const Flow& f) { visitor.visit(view_of(f, now)); });
    }
    std::uint32_t end_some(std::uint32_t from, std::uint32_t most, flow_judge& judge, instant now) noexcept final
    {
        return flows_.for_some(from, most, [&](Flow& f) {
            if (const auto why = judge.judge(view_of(f, now)))
                (void)abort(f, *why, now);
        });
    }
    bool close(flow_id id, end_reason why, instant now) noexcept final
    {
        auto* f = flows_.find(id);
        if (f != nullptr)
            (void)abort(*f, why, now);
        return f != nullptr;
    }

    void audit_what_is_left(instant now) noexcept final
    {
        flows_.for_each([&](const Flow& f) { audit_end(f, report::audit_event::left_open, {}, now, octets_of(f)); });
    }

    [[nodiscard]] bool owns(const flow_key& key) noexcept { return flows_.find(key) != nullptr; }

protected:
    /// Reserves the memory; `capacity` is a power of two.
    flows_of(context& ctx, std::size_t capacity, instant start)
        : ctx_(ctx), flow_memory_(flow_table<Flow>::memory_needed(capacity)), timer_memory_(capacity * sizeof(timer_wheel::node)),
          ready_memory_(capacity * sizeof(std::uint32_t)), birth_memory_(capacity * sizeof(flow_birth)),
          births_(birth_memory_.as<flow_birth>()), flows_(flow_memory_.bytes(), capacity, ctx.config->secret),
          wheel_(timer_memory_.as<timer_wheel::node>(), start), ready_(ready_memory_.as<std::uint32_t>())
    {
    }

    /// Gives back what the flow has, and ends it.
    virtual flow_alive close(Flow& f, end_reason why, instant now) noexcept = 0;
    /// Likewise, against the will of both ends.
    virtual flow_alive abort(Flow& f, end_reason why, instant now) noexcept { return close(f, why, now); }
    /// The endpoints that the log names.
    [[nodiscard]] virtual flow_key shown(const Flow& f) const noexcept { return f.key; }
    /// What it has carried, if somebody wants to know and it is known.
    [[nodiscard]] virtual std::optional<flow_octets> octets_of(const Flow& f) const noexcept = 0;
    /// Adds what the kind knows of it (flow_shown.cpp).
    virtual void describe(const Flow& f, flow_view& view, instant now) const noexcept = 0;

    /// A new flow that is ours among all workers; null if there is no room for it, which is counted and reported. `leads`: whom
    /// the host will speak to for it, and what the policy has said. `accepted_at`: where on the host, if a peer opened it.
    [[nodiscard]] Flow* open_flow(const flow_head& head, const flow_key& shown_as, const outbound_opening& leads, instant now,
                                  const endpoint& accepted_at = {}) noexcept
    {
        if (!ctx_.may_record()) {
            ctx_.counters.drop(drop_reason::audit_full);
            return nullptr;
        }
        auto* f = ctx_.admit(Kind, head.origin, now) ? insert_admitted(head) : nullptr;
        if (f == nullptr) {
            ctx_.report(report::event_kind::flow_table_full, now, shown_as, 0, accepted_at);
            return nullptr;
        }
        birth_of(*f) = {now, ctx_.audit == nullptr ? 0 : ctx_.audit->open(opening_of(*f, shown_as, leads, now))};
        ctx_.counters.add(head.from_peer() ? facts_of(Kind).accepted : facts_of(Kind).opened);
        ctx_.count_flow(head);
        if (ctx_.reports_flows()) {
            auto event = about(*f, report::event_kind::flow_opened, shown_as, now);
            event.accepted_at = accepted_at;
            ctx_.report(event);
        }
        return f;
    }
    /// The host, or whoever is asked past the tap, does not connect.
    void report_refusal(const Flow& f, int error, instant now) noexcept
    {
        auto event = about(f, report::event_kind::connect_failed, f.key, now);
        event.error = error;
        ctx_.report(event);
    }
    /// Forgets a flow that has given back what it had. `octets`: that it has carried, if somebody wants to know and it is known.
    flow_alive erase_flow(Flow& f, end_reason why, instant now, const std::optional<flow_octets>& octets = {}) noexcept
    {
        wheel_.cancel(flows_.slot_of(f));
        ctx_.counters.add(facts_of(Kind).closed);
        ctx_.counters.end(why);
        if (ctx_.reports_flows()) {
            auto event = about(f, report::event_kind::flow_closed, shown(f), now);
            event.why = why;
            event.octets = octets;
            event.lasted = now - birth_of(f).at;
            ctx_.report(event);
        }
        if (ctx_.audit != nullptr)
            audit_end(f, report::audit_event::ended, why, now, octets);
        ctx_.release(Kind, f.origin);
        if (crosses_tap(Kind) && ctx_.others != nullptr && flows_.find(f.key) == &f)
            ctx_.others->disclaim(flows_.hash(f));
        flows_.erase(f);
        return flow_alive::no;
    }
    /// It goes on, but its key is free for another one.
    void detach_flow(Flow& f) noexcept
    {
        if (ctx_.others != nullptr)
            ctx_.others->disclaim(flows_.hash(f));
        flows_.detach(f);
    }
    /// The key of a new flow of a peer: as it is, or with one of the next ports as the peer's, if it is a flow's of any worker.
    /// Then another peer has that address and port in the guest's eyes: through another rule with the same target, or because
    /// several addresses of the host are one to the guest.
    [[nodiscard]] std::optional<flow_key> free_key(flow_key key) noexcept
    {
        for (int tries = 0; tries < 256; ++tries) {
            const bool taken = owns(key) || (ctx_.others != nullptr && ctx_.others->owner(hash_of(key, ctx_.config->secret)));
            if (!taken)
                return key;
            key.remote_port = next_peer_port(key.remote_port);
        }
        return std::nullopt;
    }
    /// Ends flows whose time is over; a timer that is due before that is armed again.
    template <class Expiry>
    void end_idle(instant now, Expiry expiry_of) noexcept
    {
        wheel_.expire(now, [&](std::uint32_t slot) {
            auto* f = flows_.at_slot(slot);
            if (f == nullptr)
                return;
            if (const auto due = expiry_of(*f); now < due)
                wheel_.arm(slot, due);
            else
                (void)close(*f, end_reason::idle, now);
        });
    }
    void list_ready(Flow& f) noexcept { ready_.add(flows_, f); }
    [[nodiscard]] flow_birth& birth_of(const Flow& f) const noexcept { return births_[flows_.slot_of(f)]; }

    context& ctx_;
    os::arena flow_memory_, timer_memory_, ready_memory_, birth_memory_;
    std::span<flow_birth> births_; ///< by slot
    flow_table<Flow> flows_;
    timer_wheel wheel_;
    ready_list ready_; ///< of flows, or of what they share, that have something to do

private:
    [[nodiscard]] flow_view view_of(const Flow& f, instant now) const noexcept
    {
        flow_view view{.id = flows_.id_of(f), .head = f, .key = shown(f), .age = now - birth_of(f).at};
        describe(f, view, now);
        return view;
    }
    [[nodiscard]] report::worker_event about(const Flow& f, report::event_kind what, const flow_key& key,
                                             instant now) const noexcept
    {
        return {.when = now, .kind = what, .key = key, .flow = Kind, .id = flows_.id_of(f), .origin = f.origin, .rule = f.rule};
    }
    [[nodiscard]] report::audit_record opening_of(const Flow& f, const flow_key& shown_as, const outbound_opening& leads,
                                                  instant now) const noexcept
    {
        report::audit_record record{.head = f, .id = flows_.id_of(f), .when = now, .to = leads.to, .verdict = leads.verdict};
        record.head.key = shown_as;
        record.policy = ctx_.config->egress.get();
        return record;
    }
    void audit_end(const Flow& f, report::audit_event what, end_reason why, instant now,
                   const std::optional<flow_octets>& octets) const noexcept
    {
        if (const auto number = birth_of(f).audited; number != 0)
            ctx_.audit->end({.what = what, .why = why, .when = now, .number = number, .octets = octets});
    }
    [[nodiscard]] Flow* insert_admitted(const flow_head& head) noexcept
    {
        auto* f = flows_.insert(head.key);
        if (f != nullptr && crosses_tap(Kind) && ctx_.others != nullptr && !ctx_.others->claim(flows_.hash(*f))) {
            flows_.erase(*f);
            f = nullptr;
        }
        if (f == nullptr) {
            ctx_.counters.drop(drop_reason::flow_table_full);
            ctx_.release(Kind, head.origin);
        } else {
            static_cast<flow_head&>(*f) = head;
            f->kind = Kind;
        }
        return f;
    }
};

} // namespace tapioca
