#include "daemon/client/policy_learner.hpp"

#include "daemon/client/json_text.hpp"
#include "proto/base/ip_text.hpp"
#include "proto/policy/address_class.hpp"

namespace tapioca::client {

namespace json = boost::json;

namespace {

std::string plural(std::uint64_t count, std::string_view what)
{
    return std::to_string(count) + ' ' + std::string{what} + (count == 1 ? "" : "s");
}

/// Nothing else may come out of a log, so that no text of it becomes more than a text of TOML.
bool is_name(std::string_view text)
{
    return !text.empty() && text.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz.-_") == text.npos;
}

/// Whether a rule can speak of it.
bool is_destination(const json::object& line)
{
    const auto protocol = text_in(line, "protocol");
    const auto* peer = object_in(line, "host_peer");
    if (peer == nullptr || !ip_from_text(text_in(*peer, "address")))
        return false;
    const auto port = number_in(*peer, "port");
    return protocol == "echo" || ((protocol == "tcp" || protocol == "udp") && port != 0 && port <= 65535);
}

std::string ports_text(const std::set<std::uint16_t>& ports, std::string_view between)
{
    std::string text;
    for (const auto port : ports)
        text += (text.empty() ? "" : std::string{between}) + std::to_string(port);
    return text;
}

bool is_private_address(std::string_view text)
{
    const auto address = ip_from_text(text);
    return address && !classes_of({}, *address).empty();
}

} // namespace

void policy_learner::take(std::string_view line)
{
    boost::system::error_code error;
    const auto value = json::parse(json::string_view{line.data(), line.size()}, error);
    if (error || !value.is_object())
        ++unreadable_;
    else
        take_line(value.get_object());
}

void policy_learner::take_line(const json::object& line)
{
    const auto event = text_in(line, "event");
    if (event == "lost")
        lost_ += number_in(line, "records");
    const bool from_guest = text_in(line, "origin") == "guest", own = text_in(line, "ground") == "resolver";
    if (!from_guest || own || !is_destination(line))
        return;
    if (event == "opened" || event == "answered") {
        ++contacts_in(passed_, line).flows;
    } else if (event == "refused") {
        ++contacts_in(refused_, line).flows;
    } else if (event == "suppressed" && text_in(line, "of") != "misnamed") {
        contacts_in(text_in(line, "of") == "refused" ? refused_ : passed_, line).flows += number_in(line, "count");
    } else if (event == "ended") {
        contacts_in(passed_, line).octets += number_in(line, "octets_from_guest") + number_in(line, "octets_to_guest");
    }
}

policy_learner::contacts& policy_learner::contacts_in(contact_list& list, const json::object& line)
{
    const auto& peer = *object_in(line, "host_peer");
    const auto name = text_in(line, "name"), address = text_in(peer, "address");
    const bool named = is_name(name);
    auto& found = list[{named, named ? name : address, text_in(line, "protocol")}];
    if (const auto port = number_in(peer, "port"); port != 0)
        found.ports.insert(static_cast<std::uint16_t>(port));
    found.is_private = found.is_private || (named && is_private_address(address));
    return found;
}

std::string policy_learner::rule_text(const place& where, const contacts& what)
{
    if (what.is_private)
        return R"({ name = ")" + where.host + R"(", )" +
               (what.ports.empty() ? std::string{} : "port = [" + ports_text(what.ports, ", ") + "], ") + R"(protocol = ")" +
               where.protocol + R"(", private = true })";
    const bool brackets = where.host.find(':') != where.host.npos;
    return '"' + (brackets ? '[' + where.host + ']' : where.host) + (what.ports.empty() ? "" : ":") +
           ports_text(what.ports, ",") + '/' + where.protocol + '"';
}

std::string policy_learner::policy() const
{
    std::string text =
        "# Proposed by `tapioca policy learn`, from what an audit log says was contacted. Read it before it is used.\n";
    if (lost_ != 0)
        text += "# The log has lost " + plural(lost_, "record") + ": there may have been more.\n";
    if (unreadable_ != 0)
        text += "# " + plural(unreadable_, "line") + " could not be read.\n";
    text += "profile = \"deny-all\"\nallow = [\n";
    for (const auto& [where, what] : passed_)
        text +=
            "    " + rule_text(where, what) + ", # " + plural(what.flows, "flow") + ", " + plural(what.octets, "octet") + '\n';
    text += "]\n";
    if (!refused_.empty())
        text += "\n# Refused:\n";
    for (const auto& [where, what] : refused_)
        text += "#   " + rule_text(where, what) + ", # " + plural(what.flows, "time") + '\n';
    return text;
}

} // namespace tapioca::client
