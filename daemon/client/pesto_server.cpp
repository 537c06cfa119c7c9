#include "daemon/client/pesto_server.hpp"

#include "daemon/config/early_exit.hpp"
#include "daemon/os/unix_address.hpp"

#include <array>
#include <cerrno>
#include <sys/socket.h>
#include <sys/time.h>
#include <system_error>
#include <vector>

namespace tapioca::client {
namespace {

constexpr std::size_t longest_reason = 2000;
constexpr time_t patience_seconds = 60; ///< for a server that binds many ports

std::string name_of(int error) { return std::generic_category().message(error); }

[[noreturn]] void fail(const std::string& what) { throw early_exit{1, what + '\n', false}; }

/// The words of a server are lines for a terminal, and nothing that one would obey.
std::string harmless(std::string text)
{
    while (text.ends_with('\n'))
        text.pop_back();
    for (char& c : text)
        if (const auto value = static_cast<unsigned char>(c); (value < ' ' && c != '\n') || c == '\x7f')
            c = '?';
    return text;
}

std::string words_of(const pesto::refusal& refused)
{
    if (refused.why == pesto::fault::too_many_rules) // the server's words are of what it received, the client's are others
        return "Too many forwarding rules";
    return std::string{text_of(refused).view()};
}

} // namespace

pesto_server::pesto_server(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))
{
    if (!socket_)
        fail("Failed to create a socket: " + name_of(errno));
    const auto address = os::unix_address::at_path(path);
    int connected = 0;
    do
        connected = ::connect(socket_.get(), address.get(), address.length());
    while (connected < 0 && errno == EINTR);
    if (connected < 0)
        fail("Failed to connect to " + path + ": " + name_of(errno));
}

void pesto_server::receive(pesto::pif_list& pifs)
{
    pesto::decoder in{pesto::decoder::message::greeting, pifs};
    std::array<octet, 16384> buffer{};
    while (in.now() == pesto::decoder::state::unfinished) {
        const auto count = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0 && !in.greeted())
            fail("Couldn't read server greeting: " + name_of(count < 0 ? errno : ENODATA));
        if (count <= 0)
            fail("Error reading from control socket" + (count < 0 ? ": " + name_of(errno) : ""));
        in.take(bytes_view{buffer}.first(static_cast<std::size_t>(count)));
    }
    if (in.now() == pesto::decoder::state::refused)
        fail(words_of(in.why()));
}

void pesto_server::send(const pesto::pif_list& pifs)
{
    std::vector<octet> room(pesto::longest_message);
    writer out{room};
    if (const auto refused = put_tables(out, pifs))
        fail(words_of(*refused));
    int error = write_all(out.written());
    ::shutdown(socket_.get(), SHUT_WR);
    const bool cut = error != 0;
    const auto said = await_end(error);
    if (!said.empty())
        fail("The server refused the new rules: " + said);
    if (error == EAGAIN)
        fail("The server has not confirmed the new rules within " + std::to_string(patience_seconds) + " s");
    if (error == ECONNRESET || error == EPIPE)
        fail("The server refused the new rules; its log says why");
    if (error != 0)
        fail((cut ? "Error writing to control socket: " : "Error reading from control socket: ") + name_of(error));
}

int pesto_server::write_all(bytes_view octets) noexcept
{
    while (!octets.empty()) {
        const auto count = ::send(socket_.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return errno;
        octets = octets.subspan(static_cast<std::size_t>(count));
    }
    return 0;
}

/// What the server says until it closes the connection. `error` stays, or becomes that of the connection.
std::string pesto_server::await_end(int& error)
{
    const timeval patience{patience_seconds, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    std::string said;
    std::array<char, 512> buffer{};
    while (said.size() < longest_reason) {
        const auto count = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            error = errno;
        if (count <= 0)
            break;
        said.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return harmless(std::move(said));
}

} // namespace tapioca::client
