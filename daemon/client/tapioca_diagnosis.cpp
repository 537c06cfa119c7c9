#include "daemon/client/tapioca_diagnosis.hpp"

#include <system_error>

namespace tapioca::client {
namespace {

constexpr void (*checks[])(const machine&, findings&) = {
    check_tun,       check_user_namespaces, check_subordinate_ids, check_security_modules, check_limits,    check_ping,
    check_low_ports, check_resolver,        check_host_network,    check_callers,          check_instances,
};

} // namespace

findings diagnose(const machine& m)
{
    findings all;
    for (const auto check : checks)
        check(m, all);
    return all;
}

std::string words_of_error(int error) { return std::generic_category().message(error); }

} // namespace tapioca::client
