#include "daemon/client/tapioca_connection.hpp"

#include "daemon/client/policy_texts.hpp"
#include "daemon/os/user_map.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/time.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace tapioca::client {

namespace json = boost::json;

namespace {

constexpr std::size_t longest_reply = 16 * 1024 * 1024;

std::string name_of(int error) { return std::generic_category().message(error); }

std::string interface() { return "io.github.tapioca.Control."; }

std::string words_of(const std::string& error, const json::value* parameters)
{
    const auto* given = parameters == nullptr ? nullptr : parameters->if_object();
    const auto text = [&](const char* name) {
        const auto* value = given == nullptr ? nullptr : given->if_contains(name);
        return value != nullptr && value->is_string() ? json::value_to<std::string>(*value) : std::string{};
    };
    if (error == interface() + "PermissionDenied")
        return "not permitted: " + text("why");
    if (error == interface() + "NoSuchFlow")
        return "there is no flow " + text("id") + "; it may have ended";
    if (error == interface() + "RuleRefused")
        return (text("rule").empty() ? "" : "rule " + text("rule") + ": ") + text("why");
    if (error == interface() + "NoSuchRule")
        return "there is no rule " + text("rule");
    if (error == interface() + "RuleOfAnother")
        return "that rule belongs to " + text("owner");
    if (error == interface() + "NoFrames")
        return "nothing can be captured: " + text("why");
    if (error == interface() + "AuditLogRefused")
        return "the audit log goes on as before: " + text("why");
    if (error == interface() + "TooManyCaptures")
        return "there are as many captures as it allows";
    if (error == interface() + "PolicyFaulty")
        return "the policy is not taken:\n" + (given == nullptr ? "" : text_of_findings(*given));
    if (error == interface() + "PolicyLocked")
        return "the policy is locked, and this one lets more through: " + text("why");
    if (error == interface() + "PolicyFixed")
        return "the policy cannot be changed: " + text("why");
    if (error == "org.varlink.service.InvalidParameter")
        return "the " + text("parameter") + " makes no sense";
    return "it answers with the error " + error;
}

/// `passed`: a descriptor that travels beside the octets, or -1.
ssize_t send_beside(int socket, std::string_view octets, int passed)
{
    iovec text{const_cast<char*>(octets.data()), octets.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> beside{};
    msghdr message{};
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    if (passed >= 0) {
        message.msg_control = beside.data();
        message.msg_controllen = beside.size();
        auto* const rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof passed);
        std::memcpy(CMSG_DATA(rights), &passed, sizeof passed);
    }
    return ::sendmsg(socket, &message, MSG_NOSIGNAL);
}

} // namespace

control_connection::control_connection(const instance& to, std::chrono::seconds patience)
    : who_("process " + std::to_string(to.pid)), patience_(patience)
{
    const uid_t self = ::geteuid();
    const bool changes = self == 0 && to.user != 0 && ::seteuid(to.user) == 0;
    try {
        connect(os::unix_address::of_name("tapioca/" + std::to_string(to.user) + '/' + std::to_string(to.pid)));
    } catch (...) {
        if (changes && ::seteuid(self) != 0)
            std::terminate();
        throw;
    }
    if (changes && ::seteuid(self) != 0)
        throw control_failure("couldn't become root again: " + name_of(errno));
    // Anybody may take an abstract name.
    ucred server{};
    socklen_t length = sizeof server;
    if (::getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &server, &length) != 0 || os::uid_on_host(server.uid) != to.user)
        throw control_failure(who_ + ": its socket is another user's");
}

control_connection::control_connection(const std::string& path, std::chrono::seconds patience) : who_(path), patience_(patience)
{
    connect(os::unix_address::at_path(path));
}

void control_connection::connect(const os::unix_address& address)
{
    socket_ = os::unique_fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const timeval patience{patience_.count(), 0};
    for (const int direction : {SO_RCVTIMEO, SO_SNDTIMEO})
        (void)::setsockopt(socket_.get(), SOL_SOCKET, direction, &patience, sizeof patience);
    if (::connect(socket_.get(), address.get(), address.length()) == 0)
        return;
    throw control_failure(who_ + ": couldn't connect: " + name_of(errno));
}

void control_connection::send(const std::string& method, const json::object& parameters, bool more, int passed)
{
    json::object message{{"method", interface() + method}, {"parameters", parameters}};
    if (more)
        message["more"] = true;
    const auto text = json::serialize(message);
    for (std::string_view rest{text.c_str(), text.size() + 1}; !rest.empty();) {
        const auto count = send_beside(socket_.get(), rest, std::exchange(passed, -1));
        if (count < 0 && errno != EINTR)
            throw control_failure(who_ + ": couldn't ask: " + name_of(errno));
        rest.remove_prefix(count < 0 ? 0 : static_cast<std::size_t>(count));
    }
}

void control_connection::read()
{
    std::array<char, 65536> buffer{};
    const auto count = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EINTR)
        return;
    if (count < 0)
        throw control_failure(who_ + (errno == EAGAIN ? ": no answer within " + std::to_string(patience_.count()) + " s"
                                                      : ": couldn't read the answer: " + name_of(errno)));
    if (count == 0)
        throw control_failure(who_ + ": no answer; it hears only its own user");
    octets_.append(buffer.data(), static_cast<std::size_t>(count));
}

control_connection::part control_connection::take_next()
{
    for (;;) {
        if (auto reply = take())
            return std::move(*reply);
        read();
    }
}

std::optional<json::object> control_connection::next_reply()
{
    const auto end = octets_.find('\0', searched_);
    searched_ = end == std::string::npos ? octets_.size() : 0;
    if (octets_.size() > longest_reply)
        throw control_failure(who_ + ": the answer is too long");
    if (end == std::string::npos)
        return std::nullopt;
    boost::system::error_code error;
    auto value = json::parse(std::string_view{octets_}.substr(0, end), error);
    octets_.erase(0, end + 1);
    if (error || !value.is_object())
        throw control_failure(who_ + ": the answer makes no sense");
    auto& reply = value.get_object();
    if (const auto* refused = reply.if_contains("error"); refused != nullptr && refused->is_string())
        throw control_failure(who_ + ": " + words_of(json::value_to<std::string>(*refused), reply.if_contains("parameters")));
    return std::move(reply);
}

void control_connection::ask(const std::string& method, const json::object& parameters, int passed)
{
    send(method, parameters, true, passed);
}

std::optional<control_connection::part> control_connection::take()
{
    auto reply = next_reply();
    if (!reply)
        return std::nullopt;
    auto* given = reply->if_contains("parameters");
    const auto* goes_on = reply->if_contains("continues");
    return part{given != nullptr && given->is_object() ? std::move(given->get_object()) : json::object{},
                goes_on != nullptr && goes_on->is_bool() && goes_on->get_bool()};
}

json::object control_connection::call(const std::string& method, const json::object& parameters)
{
    send(method, parameters, false);
    return take_next().parameters;
}

void control_connection::call(const std::string& method, const json::object& parameters,
                              const std::function<void(const json::object&)>& take)
{
    ask(method, parameters);
    for (bool more = true; more;) {
        const auto reply = take_next();
        take(reply.parameters);
        more = reply.continues;
    }
}

} // namespace tapioca::client
