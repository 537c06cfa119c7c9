// For a build without shared libraries, where there is no libpcap.
#include "daemon/client/filter_compiler.hpp"
#include "daemon/client/tapioca_connection.hpp"

namespace tapioca::client {

std::vector<bpf::instruction> compile_filter(const std::string& words, std::uint32_t)
{
    if (words.empty())
        return {};
    throw control_failure("filters need libpcap, which this build is without");
}

} // namespace tapioca::client
