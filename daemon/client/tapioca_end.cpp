// tapioca end: ends a flow, by the socket that was named, or that the only instance has.
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_subcommand.hpp"

#include <cstdlib>

namespace tapioca::client {

int run_end(const tapioca_command& command)
{
    (void)connect_to_change(command).call("EndFlow", {{"id", command.operand}});
    return EXIT_SUCCESS;
}

} // namespace tapioca::client
