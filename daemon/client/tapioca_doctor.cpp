// tapioca doctor: what keeps pasta and passt from working here, with a remedy for each.
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_diagnosis.hpp"
#include "daemon/client/tapioca_findings.hpp"
#include "daemon/client/tapioca_subcommand.hpp"
#include "daemon/client/text_table.hpp"

#include <algorithm>
#include <cstdlib>

namespace tapioca::client {

int run_doctor(const tapioca_command& command)
{
    const auto found = diagnose(read_machine());
    print(command.json ? findings_as_json(found) : findings_as_text(found, terminal_width(), wants_colour()));
    const bool sound = std::ranges::none_of(found, [](const finding& f) { return f.how == grade::fault; });
    return sound ? EXIT_SUCCESS : EXIT_FAILURE;
}

} // namespace tapioca::client
