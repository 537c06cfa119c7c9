// Resolvers and names: -D -S --dns-forward --dns-host -H --fqdn.
#include "daemon/config/address_text.hpp"
#include "daemon/config/option_values.hpp"
#include "proto/responder/guest_network.hpp"

#include <algorithm>

namespace tapioca::values {
namespace {

constexpr std::size_t longest_label = 63; // RFC 1035 section 2.3.4

bool is_domain(std::string_view name)
{
    if (name.empty() || name.size() > longest_domain_name)
        return false;
    while (true) {
        const auto dot = name.find('.');
        const auto label = name.substr(0, dot);
        if (label.empty() || label.size() > longest_label)
            return false;
        if (dot == std::string_view::npos)
            return true;
        name.remove_prefix(dot + 1);
    }
}

std::optional<std::string> name_or_none(std::string_view text, std::string_view message)
{
    if (text.size() > longest_domain_name)
        refuse(message, text,
               "it has " + std::to_string(text.size()) + " characters, " + std::to_string(longest_domain_name) + " are the most");
    return text.empty() ? std::nullopt : std::optional{std::string{text}};
}

} // namespace

void dns(parsed_options& d, std::string_view text)
{
    if (text == "none" || text.empty()) {
        d.opts.dns.emplace();
        d.opts.dns_forward4.reset();
        d.opts.dns_forward6.reset();
        d.opts.dns_host4.reset();
        d.opts.dns_host6.reset();
        return;
    }
    const auto value = parse_ip(text);
    if (!value || !value->is_unicast())
        refuse("Cannot use DNS address ", text, "an IPv4 or IPv6 address of one host is needed, or none");
    if (!d.opts.dns)
        d.opts.dns.emplace();
    const auto same_family =
        std::count_if(d.opts.dns->begin(), d.opts.dns->end(), [&](const ip_address& a) { return a.family() == value->family(); });
    if (static_cast<std::size_t>(same_family) < most_resolvers)
        d.opts.dns->push_back(*value);
}

void search(parsed_options& d, std::string_view text)
{
    constexpr std::string_view blanks = " \t";
    if (!d.opts.search)
        d.opts.search.emplace();
    if (text == "none" || text.find_first_not_of(blanks) == std::string_view::npos) {
        d.opts.search->clear();
        return;
    }
    while (!text.empty()) {
        auto domain = text.substr(0, text.find_first_of(blanks));
        text.remove_prefix(std::min(domain.size() + 1, text.size()));
        if (domain.empty())
            continue;
        const auto written = domain;
        if (domain.ends_with('.'))
            domain.remove_suffix(1);
        if (!is_domain(domain))
            refuse("Cannot use DNS search domain ", written,
                   "labels of 1 to 63 characters are needed, with dots between, 253 in all");
        if (d.opts.search->size() == most_search_domains)
            refuse("Cannot use DNS search domain ", written, std::to_string(most_search_domains) + " are the most");
        d.opts.search->emplace_back(domain);
    }
}

void dns_forward(parsed_options& d, std::string_view text)
{
    const auto value = parse_ip(text);
    if (!value || value->is_unspecified() || value->is_loopback() || value->is_limited_broadcast())
        refuse("Invalid DNS forwarding address: ", text,
               "an IPv4 or IPv6 address is needed that is not zero, loopback or broadcast");
    (value->is_v4() ? d.opts.dns_forward4 : d.opts.dns_forward6) = *value;
}

void dns_host(parsed_options& d, std::string_view text)
{
    const auto value = parse_ip(text);
    if (!value || !value->is_unicast())
        refuse("Invalid host nameserver address: ", text, "an IPv4 or IPv6 address of one host is needed");
    (value->is_v4() ? d.opts.dns_host4 : d.opts.dns_host6) = *value;
}

void hostname(parsed_options& d, std::string_view text) { d.opts.hostname = name_or_none(text, "Invalid hostname: "); }

void fqdn(parsed_options& d, std::string_view text) { d.opts.fqdn = name_or_none(text, "Invalid FQDN: "); }

} // namespace tapioca::values
