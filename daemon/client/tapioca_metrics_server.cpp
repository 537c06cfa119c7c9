#include "daemon/client/tapioca_metrics_server.hpp"

#include "daemon/client/tapioca_connection.hpp"
#include "daemon/config/address_text.hpp"
#include "daemon/os/unix_address.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace tapioca::client {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t longest_head = 16384;
constexpr std::chrono::seconds for_a_client{3}; ///< to ask; and once more to read the answer
constexpr int backlog = 16;

std::string lower(std::string_view text)
{
    std::string made{text};
    std::ranges::transform(made, made.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return made;
}

std::string response(std::string_view status, std::string_view type, const std::string& body, bool with_body)
{
    std::string text = "HTTP/1.1 ";
    text.append(status).append("\r\nConnection: close\r\nContent-Type: ").append(type);
    text += "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    return with_body ? text + body : text;
}

/// Whether a line `Accept:` of the head names the type.
bool accepts_openmetrics(std::string_view head)
{
    const auto lines = lower(head);
    for (std::size_t at = lines.find("\naccept:"); at != std::string::npos; at = lines.find("\naccept:", at + 1))
        if (lines.substr(at, lines.find('\n', at + 1) - at).find("application/openmetrics-text") != std::string::npos)
            return true;
    return false;
}

[[noreturn]] void fail(const std::string& what) { throw control_failure(what + ": " + std::generic_category().message(errno)); }

/// Waits for an event; false at the end of the time.
bool is_ready(int fd, short events, clock::time_point end)
{
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - clock::now()).count();
        pollfd one{fd, events, 0};
        const int count = left > 0 ? ::poll(&one, 1, static_cast<int>(left)) : 0;
        if (count >= 0 || errno != EINTR)
            return count > 0;
    }
}

std::string read_head(int client)
{
    const auto end = clock::now() + for_a_client;
    std::string head;
    std::array<char, 4096> buffer{};
    while (head.size() < longest_head && head.find("\r\n\r\n") == std::string::npos && is_ready(client, POLLIN, end)) {
        const auto count = ::recv(client, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (count <= 0)
            return {};
        head.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return head;
}

void write_all(int client, std::string_view text)
{
    const auto end = clock::now() + for_a_client;
    while (!text.empty() && is_ready(client, POLLOUT, end)) {
        const auto count = ::send(client, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN)
            return;
        text.remove_prefix(count < 0 ? 0 : static_cast<std::size_t>(count));
    }
    // What was not read would make the kernel reset the connection, and the client lose the answer.
    ::shutdown(client, SHUT_WR);
    std::array<char, 4096> rest{};
    while (is_ready(client, POLLIN, end) && ::recv(client, rest.data(), rest.size(), MSG_DONTWAIT) > 0) {
    }
}

/// A socket that nobody listens at any more is no obstacle.
bool is_left_over(const std::string& path)
{
    const os::unique_fd probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const auto address = os::unix_address::at_path(path);
    return ::connect(probe.get(), address.get(), address.length()) != 0 && errno == ECONNREFUSED;
}

os::unique_fd listen_at_path(const std::string& path)
{
    os::unique_fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const auto address = os::unix_address::at_path(path);
    int status = ::bind(socket.get(), address.get(), address.length());
    if (status != 0 && errno == EADDRINUSE && is_left_over(path) && ::unlink(path.c_str()) == 0)
        status = ::bind(socket.get(), address.get(), address.length());
    if (status != 0)
        fail("couldn't listen at " + path);
    return socket;
}

os::unique_fd listen_at_port(const listen_place& where)
{
    os::unique_fd socket{::socket(where.address.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const int yes = 1;
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_addr.s_addr = htonl(where.address.v4_value());
    v4.sin_port = htons(where.port);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(where.port);
    std::memcpy(&v6.sin6_addr, where.address.octets().data(), sizeof v6.sin6_addr);
    const auto* address = where.address.is_v4() ? reinterpret_cast<const sockaddr*>(&v4) : reinterpret_cast<const sockaddr*>(&v6);
    if (::bind(socket.get(), address, where.address.is_v4() ? sizeof v4 : sizeof v6) != 0)
        fail("couldn't listen on port " + std::to_string(where.port));
    return socket;
}

/// A descriptor that is readable when one of the two has come.
os::unique_fd ending_signals()
{
    sigset_t ending;
    ::sigemptyset(&ending);
    ::sigaddset(&ending, SIGINT);
    ::sigaddset(&ending, SIGTERM);
    (void)::sigprocmask(SIG_BLOCK, &ending, nullptr);
    return os::unique_fd{::signalfd(-1, &ending, SFD_CLOEXEC)};
}

} // namespace

std::optional<listen_place> parse_listen_place(std::string_view text)
{
    listen_place where;
    if (text.starts_with("unix:")) {
        where.path = text.substr(5);
        return where.path.empty() || where.path.size() > os::longest_socket_path ? std::nullopt : std::optional{where};
    }
    const auto colon = text.rfind(':');
    if (colon == text.npos)
        return std::nullopt;
    auto host = text.substr(0, colon);
    const auto port = text.substr(colon + 1);
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed)
        host = host.substr(1, host.size() - 2);
    const auto address = parse_ip(host);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), where.port);
    if (!address || address->is_v4() == bracketed || !address->is_loopback() || error != std::errc{} ||
        end != port.data() + port.size() || where.port == 0)
        return std::nullopt;
    where.address = *address;
    return where;
}

std::string answer_to(std::string_view request, const metrics_source& metrics)
{
    const auto line = request.substr(0, request.find("\r\n"));
    const auto method = line.substr(0, line.find(' '));
    auto target = line.substr(std::min(method.size() + 1, line.size()));
    target = target.substr(0, target.find_first_of(" ?"));
    constexpr std::string_view plain = "text/plain; charset=utf-8";
    const bool is_head = method == "HEAD";
    if (request.find("\r\n\r\n") == request.npos || line.find(" HTTP/1.") == line.npos)
        return response("400 Bad Request", plain, "Not a request.\n", true);
    if (method != "GET" && !is_head)
        return response("405 Method Not Allowed", plain, "GET and HEAD only.\n", true);
    if (target != "/metrics" && target != "/")
        return response("404 Not Found", plain, "See /metrics.\n", !is_head);
    if (accepts_openmetrics(request))
        return response("200 OK", "application/openmetrics-text; version=1.0.0; charset=utf-8",
                        metrics(metrics_format::openmetrics), !is_head);
    return response("200 OK", "text/plain; version=0.0.4; charset=utf-8", metrics(metrics_format::prometheus), !is_head);
}

void serve_metrics(const listen_place& where, const metrics_source& metrics)
{
    const auto ending = ending_signals();
    const auto listener = where.path.empty() ? listen_at_port(where) : listen_at_path(where.path);
    if (::listen(listener.get(), backlog) != 0)
        fail("couldn't listen");
    for (;;) {
        pollfd both[] = {{ending.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}};
        if (::poll(both, 2, -1) < 0 && errno != EINTR)
            fail("couldn't wait for a client");
        if (both[0].revents != 0)
            break;
        const os::unique_fd client{both[1].revents != 0 ? ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC) : -1};
        if (!client)
            continue;
        if (const auto head = read_head(client.get()); !head.empty())
            write_all(client.get(), answer_to(head, metrics));
    }
    if (!where.path.empty())
        (void)::unlink(where.path.c_str());
}

} // namespace tapioca::client
