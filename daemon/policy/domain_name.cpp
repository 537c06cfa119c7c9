#include "daemon/policy/domain_name.hpp"

#include <algorithm>
#include <idn2.h>
#include <libpsl.h>

namespace tapioca {
namespace {

constexpr std::size_t longest_name = 253, longest_label = 63; // RFC 1035 section 2.3.4, as text

using name_or_fault = std::variant<std::string, name_fault>;

bool is_ascii(std::string_view text)
{
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// RFC 5891 section 5, with the mappings of UTS 46.
name_or_fault to_a_labels(const std::string& text, name_libraries use)
{
    const auto library = use == name_libraries::may_load ? os::shared_library::load("libidn2.so.0") : os::shared_library{};
    const auto convert = library.get<decltype(&idn2_to_ascii_8z)>("idn2_to_ascii_8z");
    const auto give_back = library.get<decltype(&idn2_free)>("idn2_free");
    const auto message = library.get<decltype(&idn2_strerror)>("idn2_strerror");
    if (convert == nullptr || give_back == nullptr || message == nullptr)
        return name_fault{"it is not ASCII, and there is no libidn2 to convert it", "write its A-labels, which begin with xn--"};
    char* converted = nullptr;
    const int error = convert(text.c_str(), &converted, IDN2_NONTRANSITIONAL | IDN2_USE_STD3_ASCII_RULES);
    if (error != IDN2_OK)
        return name_fault{std::string{"it is no internationalized name: "} + message(error), "write it as browsers show it"};
    std::string name = converted;
    give_back(converted);
    return name;
}

bool is_label_character(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

std::optional<name_fault> fault_of_label(std::string_view label)
{
    if (label.empty())
        return name_fault{"there is an empty label in it", "one dot stands between two labels"};
    if (label.size() > longest_label)
        return name_fault{"a label has " + std::to_string(label.size()) + " characters", "labels have 63 at most"};
    const auto odd = std::ranges::find_if_not(label, is_label_character);
    if (odd != label.end() && *odd == '*')
        return name_fault{"* stands only in front, as in *.example.com", "write a rule for each name, or for all below one"};
    if (odd != label.end())
        return name_fault{std::string{"'"} + *odd + "' is in no name", "names have letters, digits, hyphens and dots"};
    if (label.front() == '-' || label.back() == '-')
        return name_fault{"a label begins or ends with a hyphen", "no host has such a name (RFC 1123 section 2.1)"};
    return std::nullopt;
}

/// What is meant to be an address must not become a name (RFC 3696 section 2: the last label is not all digits).
bool ends_in_number(std::string_view name)
{
    const auto last = name.substr(name.rfind('.') + 1);
    return std::ranges::all_of(last, [](char c) { return c >= '0' && c <= '9'; });
}

} // namespace

name_or_fault parse_domain_name(std::string_view text, name_libraries use)
{
    std::string name{text};
    if (!is_ascii(text)) {
        auto converted = to_a_labels(name, use);
        if (const auto* fault = std::get_if<name_fault>(&converted))
            return *fault;
        name = std::get<std::string>(std::move(converted));
    }
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (name.ends_with('.'))
        name.pop_back();
    if (name.empty())
        return name_fault{"there is no name", "write a name, as example.com"};
    if (name.size() > longest_name)
        return name_fault{"it has " + std::to_string(name.size()) + " characters", "names have 253 at most"};
    for (std::size_t from = 0; from <= name.size();) {
        const auto end = std::min(name.find('.', from), name.size());
        if (auto fault = fault_of_label(std::string_view{name}.substr(from, end - from)))
            return *fault;
        from = end + 1;
    }
    if (ends_in_number(name))
        return name_fault{"it is neither an address nor a name", "addresses are written as 192.0.2.1 or [2001:db8::1]"};
    return name;
}

bool public_suffixes::has(const std::string& name)
{
    if (!library_)
        library_ = os::shared_library::load("libpsl.so.5");
    const auto list = library_->get<decltype(&psl_builtin)>("psl_builtin");
    const auto is_one = library_->get<decltype(&psl_is_public_suffix2)>("psl_is_public_suffix2");
    return list != nullptr && is_one != nullptr && list() != nullptr &&
           is_one(list(), name.c_str(), PSL_TYPE_ANY | PSL_TYPE_NO_STAR_RULE) != 0;
}

} // namespace tapioca
