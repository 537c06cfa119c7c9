// What keeps pasta and passt from working on a machine, and what to do about it. Checks are pure: facts in, findings out.
#pragma once

#include "daemon/client/tapioca_machine.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace tapioca::client {

/// good: as it should be. hint: works, but not as some expect. fault: something does not work.
enum class grade : std::uint8_t { good, hint, fault };

struct finding {
    grade how;
    std::string_view about; ///< a word that stays the same between versions
    std::string what;
    std::string remedy; ///< empty only where all is good
};
using findings = std::vector<finding>;

[[nodiscard]] findings diagnose(const machine& m);

/// Parts of it. Each adds one finding at least, in one grade or another.
void check_tun(const machine& m, findings& out);
void check_user_namespaces(const machine& m, findings& out);
void check_subordinate_ids(const machine& m, findings& out);
void check_security_modules(const machine& m, findings& out);
void check_limits(const machine& m, findings& out);
void check_ping(const machine& m, findings& out);
void check_low_ports(const machine& m, findings& out);
void check_resolver(const machine& m, findings& out);
void check_host_network(const machine& m, findings& out);
void check_callers(const machine& m, findings& out);
void check_instances(const machine& m, findings& out);

/// "No such file or directory" and the like.
[[nodiscard]] std::string words_of_error(int error);

} // namespace tapioca::client
