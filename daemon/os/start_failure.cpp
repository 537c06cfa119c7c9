#include "daemon/os/start_failure.hpp"

#include "daemon/os/process.hpp"

#include <boost/system/system_error.hpp>

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <system_error>
#include <unistd.h>

namespace tapioca::os {
namespace {

std::string hint_for(int error, const std::string& otherwise)
{
    if (error == EMFILE)
        return "only " + std::to_string(descriptor_limit()) + " files may be open: raise the limit (ulimit -n, LimitNOFILE=)";
    if (error == ENFILE)
        return "the machine's limit of open files is reached (fs.file-max)";
    return otherwise;
}

std::string with_hint(const std::string& text, const std::string& hint) { return hint.empty() ? text : text + "; " + hint; }

/// The effective id, by the map of the user namespace.
std::uint64_t user_outside()
{
    const std::uint64_t own = ::geteuid();
    std::ifstream map{"/proc/self/uid_map"};
    for (std::uint64_t inside, outside, count; map >> inside >> outside >> count;)
        if (own >= inside && own - inside < count)
            return outside + (own - inside);
    return own;
}

} // namespace

std::runtime_error start_failure(const std::string& what, int error, const std::string& hint)
{
    return std::runtime_error{with_hint(what + ": " + std::generic_category().message(error), hint_for(error, hint))};
}

std::string text_of(const std::exception& failure)
{
    if (const auto* loop = dynamic_cast<const boost::system::system_error*>(&failure)) // its own text is for programmers
        return start_failure("Couldn't set up the event loop", loop->code().value(), "").what();
    if (const auto* refused = dynamic_cast<const std::system_error*>(&failure))
        return with_hint(refused->what(), hint_for(refused->code().value(), ""));
    return failure.what();
}

std::string name_of_user() { return "user " + std::to_string(user_outside()); }

std::string name_of_user_and_remedy()
{
    const bool of_root = user_outside() == nobody().uid;
    return name_of_user() + (of_root ? " (nobody, whom root becomes: --runas says another)" : "");
}

} // namespace tapioca::os
