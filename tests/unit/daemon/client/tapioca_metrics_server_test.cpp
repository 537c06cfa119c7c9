#include "daemon/client/tapioca_metrics_server.hpp"

#include "tests/support/catch.hpp"

namespace tapioca::client {
namespace {

std::string asked(std::string_view request)
{
    return answer_to(request, [](metrics_format format) { return format == metrics_format::openmetrics ? "open" : "plain"; });
}

TEST_CASE("metrics are served at a path or on loopback, and nowhere else")
{
    REQUIRE(parse_listen_place("unix:/run/m"));
    CHECK(parse_listen_place("unix:/run/m")->path == "/run/m");
    REQUIRE(parse_listen_place("127.0.0.1:9101"));
    CHECK(parse_listen_place("127.0.0.1:9101")->port == 9101);
    CHECK(parse_listen_place("[::1]:9101")->address == ip_address::loopback(ip_family::ipv6));
    for (const char* wrong :
         {"", "unix:", "9101", ":9101", "0.0.0.0:9101", "[::]:9101", "192.0.2.1:9101", "127.0.0.1", "127.0.0.1:0",
          "127.0.0.1:65536", "127.0.0.1:80x", "::1:9101", "[127.0.0.1]:9101", "localhost:9101", "[::1]"})
        CHECK_FALSE(parse_listen_place(wrong));
    CHECK_FALSE(parse_listen_place("unix:" + std::string(108, 'x')));
}

TEST_CASE("a collector gets the format that it takes")
{
    const auto plain = asked("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(plain.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(plain.find("Content-Type: text/plain; version=0.0.4") != std::string::npos);
    CHECK(plain.find("Content-Length: 5\r\n") != std::string::npos);
    CHECK(plain.ends_with("\r\n\r\nplain"));
    const auto open = asked("GET /?a=b HTTP/1.0\r\nACCEPT: text/html;q=0.1, Application/OpenMetrics-Text; version=1.0.0\r\n\r\n");
    CHECK(open.find("Content-Type: application/openmetrics-text; version=1.0.0") != std::string::npos);
    CHECK(open.ends_with("\r\n\r\nopen"));
    CHECK(asked("GET / HTTP/1.1\r\nX: application/openmetrics-text\r\n\r\n").ends_with("plain"));
    const auto head = asked("HEAD /metrics HTTP/1.1\r\n\r\n");
    CHECK(head.find("Content-Length: 5\r\n") != std::string::npos);
    CHECK(head.ends_with("\r\n\r\n"));
}

TEST_CASE("whatever else is asked is refused")
{
    CHECK(asked("GET /secret HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
    CHECK(asked("POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
    for (const char* wrong :
         {"", "x", "GET", "GET /metrics\r\n\r\n", "GET /metrics HTTP/1.1\r\nHost: x\r\n", "\r\n\r\n", " \r\n\r\n"})
        CHECK(asked(wrong).starts_with("HTTP/1.1 400 "));
}

} // namespace
} // namespace tapioca::client
