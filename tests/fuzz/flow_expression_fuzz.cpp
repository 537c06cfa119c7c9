#include "daemon/client/flow_expression.hpp"
#include "tests/support/fuzz.hpp"

using namespace tapioca;
using namespace tapioca::client;

/// Whatever a user writes is an expression or none, and says of a flow that it fits if and only if its negation does not. What
/// the instance is asked for never leaves out a flow that fits.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string text{reinterpret_cast<const char*>(data), size};
    const flow_facts f{.protocol = "tcp",
                       .way = "tap",
                       .origin = "guest",
                       .state = "ESTABLISHED",
                       .guest = {ip_address::v4(10, 0, 0, 5), 40000},
                       .remote = {ip_address::v4(198, 51, 100, 7), 443},
                       .rule = 3};
    try {
        const auto wanted = flow_expression::parse(text);
        const bool fits = wanted.fits(f);
        const auto filter = wanted.filter();
        if (const auto* port = filter.if_contains("remote_port"); port != nullptr && fits)
            FUZZ_CHECK(port->to_number<int>() == 443);
        if (text.find_first_not_of(" \t\r\n") != std::string::npos && text.size() + 8 < flow_expression::longest)
            FUZZ_CHECK(flow_expression::parse("not (" + text + ")").fits(f) != fits);
    } catch (const expression_error&) {
    }
    return 0;
}
