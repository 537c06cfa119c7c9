#include "daemon/control/control_methods.hpp"

#include "daemon/config/address_text.hpp"
#include "daemon/control/control_interface.hpp"
#include "daemon/control/flow_json.hpp"
#include "daemon/control/policy_methods.hpp"
#include "daemon/control/rule_calls.hpp"
#include "daemon/control/rule_listing.hpp"
#include "daemon/control/watching_call.hpp"
#include "daemon/os/passed_fds.hpp"

#include <algorithm>
#include <functional>

namespace tapioca {

namespace json = boost::json;
using report::counters;

namespace {

std::string text_parameter(const varlink::call& call, std::string_view name)
{
    const auto* value = call.parameters.if_contains(name);
    return value != nullptr && value->is_string() ? json::value_to<std::string>(*value) : std::string{};
}

running service_info(const asked& a)
{
    varlink::put_reply(a.out, {{"vendor", "tapioca"},
                               {"product", a.of.opts.mode == mode::pasta ? "pasta" : "passt"},
                               {"version", TAPIOCA_VERSION},
                               {"url", "https://github.com/tapioca"},
                               {"interfaces", {varlink::service_interface, varlink::control_interface}}});
    return {};
}

running describe(const asked& a)
{
    const auto interface = text_parameter(a.call, "interface");
    const auto description = varlink::description_of(interface);
    if (interface.empty())
        varlink::put_error(a.out, wrong_parameter, {{"parameter", "interface"}});
    else if (description.empty())
        varlink::put_error(a.out, "org.varlink.service.InterfaceNotFound", {{"interface", interface}});
    else
        varlink::put_reply(a.out, {{"description", description}});
    return {};
}

json::array texts_of(std::initializer_list<ip_address> addresses)
{
    json::array texts;
    for (const auto& address : addresses)
        if (!address.is_unspecified())
            texts.emplace_back(to_text(address));
    return texts;
}

json::value namespace_of(const options& opts)
{
    if (opts.mode == mode::passt)
        return nullptr;
    switch (opts.target) {
    case target_kind::command:
        return "of a command";
    case target_kind::pid:
        return json::string{"of process " + std::to_string(opts.target_pid)};
    case target_kind::path:
        break;
    }
    return json::string{opts.netns_path};
}

running info(const asked& a)
{
    const auto& opts = a.of.opts;
    const auto& net = a.of.workers.config().net;
    json::array resolvers;
    for (const auto* list : {&net.resolvers4, &net.resolvers6})
        for (const auto& resolver : *list)
            resolvers.emplace_back(to_text(resolver));
    json::object told{
        {"version", TAPIOCA_VERSION},
        {"mode", opts.mode == mode::pasta ? "pasta" : "passt"},
        {"pid", a.of.pid},
        {"workers", a.of.workers.size()},
        {"mtu", net.mtu},
        {"addresses", texts_of({net.ipv4 ? net.address4.address : ip_address{}, net.ipv6 ? net.address6 : ip_address{}})},
        {"gateways", texts_of({net.ipv4 ? net.gateway4 : ip_address{}, net.ipv6 ? net.our_link_local : ip_address{}})},
        {"resolvers", std::move(resolvers)},
        {"may_change", a.what == client_may::change}};
    if (auto name = namespace_of(opts); !name.is_null())
        told["namespace"] = std::move(name);
    if (opts.interface)
        told["interface"] = *opts.interface;
    if (opts.control_path)
        told["control_path"] =
            opts.control_path->starts_with('/') ? *opts.control_path : opts.start_directory + '/' + *opts.control_path;
    if (opts.can_start_again()) {
        told["start_words"] = json::array(opts.start_words.begin(), opts.start_words.end());
        told["start_directory"] = opts.start_directory;
    }
    varlink::put_reply(a.out, told);
    return {};
}

template <class Names, class Wanted, class ValueOf>
json::object counts_of(const Names& names, Wanted is_wanted, ValueOf value_of)
{
    json::object counts;
    for (std::size_t i = 0; i < names.size(); ++i)
        if (is_wanted(i))
            counts[names[i]] = value_of(i);
    return counts;
}

/// Sums over workers from `first` on, up to `end`.
json::object counted(const worker_pool& workers, std::size_t first, std::size_t end)
{
    const auto sum = [&](auto value_of) {
        return [&workers, first, end, value_of](std::size_t i) {
            std::uint64_t total = 0;
            for (auto w = first; w < end; ++w)
                total += value_of(workers.counters_of(w), i);
            return total;
        };
    };
    const auto all = [](std::size_t) { return true; };
    const auto is_ignored = [](std::size_t i) { return is_ordinary(static_cast<drop_reason>(i)); };
    const auto done = sum([](const counters& c, std::size_t i) { return c.value(static_cast<report::counter>(i)); });
    const auto dropped = sum([](const counters& c, std::size_t i) { return c.dropped(static_cast<drop_reason>(i)); });
    const auto ended = sum([](const counters& c, std::size_t i) { return c.ended(static_cast<end_reason>(i)); });
    return {{"counters", counts_of(report::counter_names, all, done)},
            {"ignored", counts_of(drop_reason_names, is_ignored, dropped)},
            {"drops", counts_of(drop_reason_names, std::not_fn(is_ignored), dropped)},
            {"ends", counts_of(end_reason_names, all, ended)}};
}

running count(const asked& a)
{
    const auto& workers = a.of.workers;
    json::array each;
    for (std::size_t i = 0; i < workers.size(); ++i)
        each.push_back(counted(workers, i, i + 1));
    varlink::put_reply(a.out, {{"total", counted(workers, 0, workers.size())}, {"workers", std::move(each)}});
    return {};
}

running list_rules(const asked& a)
{
    varlink::put_reply(a.out, {{"rules", shown(a.of.rules, a.of.rules.known())}});
    return {};
}

template <rule_change_request::kind What>
running change_rules(const asked& a)
{
    if (!may_change(a))
        return {};
    auto request = parse_rule_change(What, a.call.parameters);
    if (auto* understood = std::get_if<rule_change_request>(&request))
        return begin_rule_change(a.of.rules, std::move(*understood));
    varlink::put_error(a.out, wrong_parameter, {{"parameter", std::get<std::string>(request)}});
    return {};
}

/// What can only be answered in several replies.
running expect_more(const asked& a)
{
    varlink::put_error(a.out, "org.varlink.service.ExpectedMore");
    return {};
}

running capture(const asked& a)
{
    if (!may_change(a))
        return {};
    auto request = parse_capture(a.call.parameters);
    if (!a.call.more)
        varlink::put_error(a.out, "org.varlink.service.ExpectedMore");
    else if (!request.wrong.empty())
        varlink::put_error(a.out, wrong_parameter, {{"parameter", request.wrong}});
    else if (a.of.opts.splice_only)
        varlink::put_error(a.out, "io.github.tapioca.Control.NoFrames", {{"why", "with --splice-only the guest has no link"}});
    else if (!os::is_unix_socket(a.passed.get()))
        varlink::put_error(a.out, "io.github.tapioca.Control.SocketNeeded");
    else if (!a.captures.has_room())
        varlink::put_error(a.out, "io.github.tapioca.Control.TooManyCaptures", {{"most", capture_list::most}});
    else
        return begin_capturing(a.of.workers, a.captures, std::move(a.passed), std::move(request.wishes),
                               (a.of.opts.mode == mode::pasta ? "pasta " : "passt ") + std::to_string(a.of.pid));
    return {};
}

running list(const asked& a)
{
    if (!a.call.more)
        return expect_more(a);
    const auto* filter = a.call.parameters.if_contains("filter");
    const auto* details = a.call.parameters.if_contains("details");
    if (filter != nullptr && !filter->is_null() && !filter->is_object())
        return refuse_parameter(a, "filter");
    auto [wanted, rule, wrong] = filter_from(filter != nullptr && filter->is_object() ? filter->get_object() : json::object{});
    if (!wrong.empty())
        return refuse_parameter(a, "filter." + wrong);
    if (rule)
        ask_for_rule(wanted, a.of.rules, a.of.workers.config(), *rule);
    const bool detailed = details != nullptr && details->is_bool() && details->get_bool();
    return begin_listing(a.of.workers, a.of.rules, {wanted, detailed});
}

running list_names(const asked& a) { return a.call.more ? begin_listing_names(a.of.names) : expect_more(a); }

/// Nothing: it names something else.
std::optional<topic_set> topics_from(const json::value* names)
{
    if (names == nullptr || names->is_null())
        return all_topics;
    topic_set topics = 0;
    if (!names->is_array())
        return std::nullopt;
    for (const auto& name : names->get_array()) {
        const auto* known = name.is_string() ? std::ranges::find(event_topic_names, std::string_view{name.get_string()})
                                             : event_topic_names.end();
        if (known == event_topic_names.end())
            return std::nullopt;
        topics |= set_of(static_cast<event_topic>(known - event_topic_names.begin()));
    }
    return topics;
}

running watch(const asked& a, topic_set topics) { return a.call.more ? begin_watching(a.of.events, topics) : expect_more(a); }
running watch_flows(const asked& a) { return watch(a, set_of(event_topic::flows)); }
running watch_drops(const asked& a) { return watch(a, set_of(event_topic::drops)); }
running watch_events(const asked& a)
{
    const auto topics = topics_from(a.call.parameters.if_contains("topics"));
    return topics ? watch(a, *topics) : refuse_parameter(a, "topics");
}

running end(const asked& a)
{
    if (!may_change(a))
        return {};
    const auto id = text_parameter(a.call, "id");
    const auto name = parse_flow_name(id);
    if (!name)
        varlink::put_error(a.out, wrong_parameter, {{"parameter", "id"}});
    else if (name->worker >= a.of.workers.size())
        varlink::put_error(a.out, "io.github.tapioca.Control.NoSuchFlow", {{"id", id}});
    else
        return begin_ending(a.of.workers, *name);
    return {};
}

running reopen_audit(const asked& a)
{
    if (!may_change(a))
        return {};
    std::string why = "there is none: start with --audit-log FILE";
    if (a.of.audit != nullptr)
        why = a.passed ? a.of.audit->reopen(std::move(a.passed)) : "a file comes with the call";
    if (why.empty())
        varlink::put_reply(a.out, {});
    else
        varlink::put_error(a.out, "io.github.tapioca.Control.AuditLogRefused", {{"why", why}});
    return {};
}

running hand_over(const asked& a)
{
    if (!may_change(a))
        return {};
    a.hands_over = true;
    varlink::put_reply(a.out, {});
    return {};
}

struct method {
    std::string_view name;
    running (*call)(const asked&);
};
constexpr method methods[] = {
    {"org.varlink.service.GetInfo", service_info},
    {"org.varlink.service.GetInterfaceDescription", describe},
    {"io.github.tapioca.Control.GetInfo", info},
    {"io.github.tapioca.Control.GetCounters", count},
    {"io.github.tapioca.Control.ListRules", list_rules},
    {"io.github.tapioca.Control.ListFlows", list},
    {"io.github.tapioca.Control.ListNames", list_names},
    {"io.github.tapioca.Control.EndFlow", end},
    {"io.github.tapioca.Control.AddRule", change_rules<rule_change_request::kind::add>},
    {"io.github.tapioca.Control.DeleteRule", change_rules<rule_change_request::kind::remove>},
    {"io.github.tapioca.Control.ReplaceRules", change_rules<rule_change_request::kind::replace>},
    {"io.github.tapioca.Control.Capture", capture},
    {"io.github.tapioca.Control.ReopenAuditLog", reopen_audit},
    {"io.github.tapioca.Control.HandOver", hand_over},
    {"io.github.tapioca.Control.GetPolicy", policy_methods::get},
    {"io.github.tapioca.Control.ReplacePolicy", policy_methods::replace},
    {"io.github.tapioca.Control.LockPolicy", policy_methods::lock},
    {"io.github.tapioca.Control.WhyDestination", policy_methods::explain_destination},
    {"io.github.tapioca.Control.WatchFlows", watch_flows},
    {"io.github.tapioca.Control.WatchDrops", watch_drops},
    {"io.github.tapioca.Control.WatchEvents", watch_events},
};

running refuse_unknown(const asked& a)
{
    const auto& name = a.call.method;
    const auto interface = name.substr(0, name.rfind('.'));
    if (varlink::description_of(interface).empty())
        varlink::put_error(a.out, "org.varlink.service.InterfaceNotFound", {{"interface", interface}});
    else
        varlink::put_error(a.out, "org.varlink.service.MethodNotFound", {{"method", name}});
    return {};
}

/// Done as any other call, and nobody wants to hear of it.
class unheard_call final : public running_call {
public:
    explicit unheard_call(running call) : call_(std::move(call)) {}

    state look(std::string&) override
    {
        std::string unheard;
        return call_->look(unheard);
    }
    [[nodiscard]] std::optional<duration> lasts() const noexcept override { return call_->lasts(); }
    void interrupt() override { call_->interrupt(); }

private:
    running call_;
};

} // namespace

control_methods::answer control_methods::take(std::string_view message, client_may what, os::unique_fd passed, std::string& out)
{
    const auto call = varlink::parse_call(message);
    if (!call)
        return {.understood = false, .goes_on = {}};
    const auto before = out.size();
    auto known = refuse_unknown;
    for (const auto& m : methods)
        if (m.name == call->method)
            known = m.call;
    answer given;
    given.goes_on = known({parts_, *call, what, out, captures_, passed, given.hands_over});
    if (!call->oneway)
        return given;
    out.resize(before);
    if (given.goes_on)
        given.goes_on = std::make_unique<unheard_call>(std::move(given.goes_on));
    return given;
}

} // namespace tapioca
