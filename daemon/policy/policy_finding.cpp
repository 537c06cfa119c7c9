#include "daemon/policy/policy_finding.hpp"

#include <utility>

namespace tapioca {
namespace {

/// Control characters of values end up on terminals and in logs.
std::string printable(std::string_view text)
{
    constexpr std::size_t longest = 300;
    constexpr std::string_view digits = "0123456789abcdef";
    std::string shown;
    for (const char c : text.substr(0, longest)) {
        const auto octet = static_cast<unsigned char>(c);
        if (octet < 0x20 || octet == 0x7f)
            shown.append("\\x").append(1, digits[octet >> 4]).append(1, digits[octet & 15]);
        else
            shown += c;
    }
    return text.size() > longest ? shown + "..." : shown;
}

} // namespace

std::string to_text(const policy_finding& finding)
{
    std::string text = printable(finding.place.file);
    if (finding.place.line != 0)
        text += ':' + std::to_string(finding.place.line);
    if (finding.severity == policy_severity::warning)
        text += ": warning";
    if (!finding.place.key.empty())
        text += ": " + printable(finding.place.key);
    if (!finding.value.empty())
        text += ": \"" + printable(finding.value) + '"';
    text += ": " + printable(finding.what);
    return finding.cure.empty() ? text : text + "; " + printable(finding.cure);
}

void policy_findings::add(policy_finding finding)
{
    errors_ = errors_ || finding.severity == policy_severity::error;
    if (all_.size() < most)
        all_.push_back(std::move(finding));
    else if (all_.size() == most)
        all_.push_back({finding.severity, {finding.place.file, 0, {}}, {}, "there is more to say", "begin with the lines above"});
}

void policy_findings::error(policy_place place, std::string_view value, std::string what, std::string cure)
{
    add({policy_severity::error, std::move(place), std::string{value}, std::move(what), std::move(cure)});
}

void policy_findings::warning(policy_place place, std::string_view value, std::string what, std::string cure)
{
    add({policy_severity::warning, std::move(place), std::string{value}, std::move(what), std::move(cure)});
}

} // namespace tapioca
