#include "daemon/client/tapioca_metrics.hpp"

#include "tests/support/catch.hpp"

#include <set>
#include <sstream>

namespace tapioca::client {
namespace {

std::vector<counted_instance> two()
{
    counted_instance one{
        "7",          "0.1", "pasta", {{"turns", 5}, {"octets_to_guest", 100}}, {{"link_protocol", 1}}, {{"bad_checksum", 2}},
        {{"idle", 3}}};
    one.counters["tcp_flows_opened"] = 10;
    one.counters["tcp_flows_accepted"] = 4;
    one.counters["tcp_flows_closed"] = 8;
    auto other = one;
    other.pid = "8";
    other.version = "a\"b\\c\nd";
    return {one, other};
}

TEST_CASE("metrics are families, one behind the other, and an end")
{
    const auto format = GENERATE(metrics_format::prometheus, metrics_format::openmetrics);
    const auto text = metrics_of(two(), format);
    std::istringstream lines{text};
    std::string line, family;
    std::set<std::string> families;
    while (std::getline(lines, line)) {
        if (line.starts_with("# TYPE ")) {
            family = line.substr(7, line.find(' ', 7) - 7);
            CHECK(families.insert(family).second);
        } else if (!line.starts_with('#')) {
            CHECK(line.starts_with(family));
        }
    }
    CHECK(text.ends_with("\n# EOF\n"));
    for (const char* part : {"tapioca_flows{pid=\"7\",kind=\"tcp\"} 6\n", "tapioca_guest_receive_bytes_total{pid=\"8\"} 100\n",
                             "tapioca_ignored_total{pid=\"8\",reason=\"link_protocol\"} 1\n",
                             "tapioca_drops_total{pid=\"7\",reason=\"bad_checksum\"} 2\n",
                             "tapioca_flow_ends_total{pid=\"7\",reason=\"idle\"} 3\n", "version=\"a\\\"b\\\\c d\""})
        CHECK(text.find(part) != std::string::npos);
}

TEST_CASE("a counter's family ends in _total for Prometheus alone, and info is a type of OpenMetrics alone")
{
    const auto prometheus = metrics_of(two(), metrics_format::prometheus), open = metrics_of(two(), metrics_format::openmetrics);
    CHECK(prometheus.find("# TYPE tapioca_drops_total counter\n") != std::string::npos);
    CHECK(prometheus.find("# TYPE tapioca_info gauge\n") != std::string::npos);
    CHECK(open.find("# TYPE tapioca_drops counter\n") != std::string::npos);
    CHECK(open.find("# TYPE tapioca info\n") != std::string::npos);
}

TEST_CASE("without an instance there is the end all the same")
{
    CHECK(metrics_of({}, metrics_format::openmetrics).ends_with("# EOF\n"));
}

} // namespace
} // namespace tapioca::client
