#include "daemon/control/capture_calls.hpp"
#include "daemon/control/flow_name.hpp"
#include "daemon/control/varlink_message.hpp"
#include "tests/support/fuzz.hpp"

using namespace tapioca;

/// Whatever a client says is a call or none; said again it is the same method, and a flow's name has one form.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view message{reinterpret_cast<const char*>(data), size};
    if (const auto made = varlink::parse_call(message)) {
        const auto again = varlink::parse_call(boost::json::serialize(
            boost::json::object{{"method", made->method}, {"parameters", made->parameters}, {"more", made->more}}));
        FUZZ_CHECK(!again || (again->method == made->method && again->more == made->more));
        const auto wanted = parse_capture(made->parameters);
        FUZZ_CHECK(!wanted.wrong.empty() || wanted.wishes.filter.empty() || bpf::is_valid(wanted.wishes.filter));
        FUZZ_CHECK(wanted.wishes.snapshot != 0 && wanted.wishes.snapshot <= capture_session::most_kept);
        std::string out;
        varlink::put_reply(out, made->parameters);
        FUZZ_CHECK(out.find('\0') == out.size() - 1);
    }
    if (const auto name = parse_flow_name(message)) {
        const auto again = parse_flow_name(to_text(*name));
        FUZZ_CHECK(again && again->worker == name->worker && again->kind == name->kind && again->id == name->id);
    }
    return 0;
}
