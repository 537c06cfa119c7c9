#include "daemon/control/flow_json.hpp"

#include "daemon/config/address_text.hpp"
#include "daemon/control/json_text_writer.hpp"
#include "daemon/policy/policy_words.hpp"
#include "proto/base/ip_text.hpp"

namespace tapioca {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 11> kernel_states = {"ESTABLISHED", "SYN-SENT",  "SYN-RECEIVED", "FIN-WAIT-1",
                                                            "FIN-WAIT-2",  "TIME-WAIT", "CLOSED",       "CLOSE-WAIT",
                                                            "LAST-ACK",    "LISTEN",    "CLOSING"}; ///< from number 1 on

std::string_view kernel_state(std::uint8_t number) noexcept
{
    const auto at = std::size_t{number} - 1;
    return at < kernel_states.size() ? kernel_states[at] : "unknown";
}

std::uint64_t milliseconds(duration time) noexcept
{
    return static_cast<std::uint64_t>(std::chrono::floor<std::chrono::milliseconds>(time).count());
}

/// Members of an object.
class object_writer {
public:
    explicit object_writer(json::object& into) : into_(into) {}

    void put(std::string_view name, std::string_view text) { into_[name] = text; }
    void put(std::string_view name, std::uint64_t number) { into_[name] = number; }
    template <class Fill>
    void put_object(std::string_view name, Fill fill)
    {
        object_writer inner{into_[name].emplace_object()};
        fill(inner);
    }

private:
    json::object& into_;
};

template <class Writer>
void put_endpoint(Writer& to, std::string_view name, const endpoint& e)
{
    to.put_object(name, [&](Writer& inner) {
        inner.put("address", text_of(e.address).view());
        inner.put("port", e.port);
    });
}

template <class Writer>
void put_name(Writer& to, const flow_name& name, const flow_key& key, flow_origin origin, std::optional<std::uint64_t> rule)
{
    to.put("id", to_text(name));
    to.put("protocol", protocol_of(name.kind));
    to.put("way", way_name(name.kind));
    to.put("origin", name_of(origin));
    put_endpoint(to, "guest", {key.guest, key.guest_port});
    put_endpoint(to, "remote", {key.remote, key.remote_port});
    if (rule)
        to.put("rule", *rule);
}

template <class Writer>
void put_tcp(Writer& to, const os::tcp_figures& tcp)
{
    to.put_object("tcp", [&](Writer& inner) {
        inner.put("state", kernel_state(tcp.state));
        inner.put("rtt_us", tcp.round_trip_us);
        inner.put("rtt_variation_us", tcp.round_trip_variation_us);
        inner.put("congestion_window", tcp.congestion_window);
        inner.put("mss", tcp.largest_segment);
        inner.put("retransmissions", tcp.retransmissions);
        inner.put("octets_sent", tcp.sent);
        inner.put("octets_acknowledged", tcp.acknowledged);
        inner.put("octets_received", tcp.received);
    });
}

/// By what the policy in force lets the flow pass, or would not.
void put_egress(json_text_writer& to, const egress_verdict& verdict, const egress_policy& policy)
{
    if (verdict.ground == egress_ground::nobody)
        return;
    const bool by_rule = verdict.ground == egress_ground::rule || verdict.ground == egress_ground::name;
    to.put_object("egress", [&](json_text_writer& inner) {
        inner.put("verdict", verdict.says == egress_action::allow ? "allow" : "deny");
        inner.put("ground", word_of(verdict.ground));
        if (by_rule && verdict.rule < policy.rules.size()) {
            inner.put("rule", verdict.rule);
            inner.put_any("text", policy.rules[verdict.rule].text);
        }
    });
}

} // namespace

json::object endpoint_json(const endpoint& e) { return {{"address", to_text(e.address)}, {"port", e.port}}; }

json::object flow_json(const flow_name& name, const flow_key& key, flow_origin origin, std::optional<std::uint64_t> rule)
{
    json::object flow;
    object_writer to{flow};
    put_name(to, name, key, origin, rule);
    return flow;
}

void put_flow(std::string& out, std::size_t worker, const listed_flow& f, std::optional<std::uint64_t> rule,
              const egress_policy* policy)
{
    const auto& [view, details, egress] = f;
    json_text_writer to{out};
    put_name(to, {worker, view.head.kind, view.id}, view.key, view.head.origin, rule);
    to.put("state", name_of(view.state));
    to.put("age_ms", milliseconds(view.age));
    if (view.idle)
        to.put("idle_ms", milliseconds(*view.idle));
    if (view.octets) {
        to.put("octets_from_guest", view.octets->from_guest);
        to.put("octets_to_guest", view.octets->to_guest);
    }
    const auto& peer = details ? details->peer : view.peer;
    if (!peer.address.is_unspecified())
        put_endpoint(to, "host_peer", peer);
    if (policy != nullptr)
        put_egress(to, egress, *policy);
    if (details) {
        if (details->own.port != 0)
            put_endpoint(to, "host_own", details->own);
        put_tcp(to, details->tcp);
    }
    to.end();
}

std::optional<std::uint64_t> rule_id(const rules_in_force& rules, flow_origin origin, std::uint16_t slot)
{
    if (slot == flow_head::no_rule)
        return std::nullopt;
    return rules.record_of(origin == flow_origin::peer ? rule_side::host : rule_side::guest, slot).id;
}

} // namespace tapioca
