#include "daemon/os/file.hpp"
#include "daemon/os/lifeline.hpp"
#include "daemon/os/process.hpp"
#include "daemon/os/start_failure.hpp"
#include "daemon/os/stream_listener.hpp"
#include "daemon/report/log.hpp"
#include "daemon/start_up/stages.hpp"

#include <cerrno>
#include <system_error>

namespace tapioca {
namespace {

void warn_of_few_descriptors()
{
    constexpr std::size_t enough = 512;
    if (const auto limit = os::descriptor_limit(); limit < enough)
        log::warning("Only " + std::to_string(limit) +
                     " files may be open, and every connection takes one: raise the hard limit (ulimit -Hn, LimitNOFILE=)");
}

} // namespace

os::unique_fd inherited_client(const options& opts)
{
    if (!opts.client)
        return {};
    auto client = os::adopt_stream(*opts.client);
    if (!client)
        throw os::start_failure("Could not move --fd descriptor", client.error().value(),
                                client.error().value() == EBADF
                                    ? "no descriptor " + std::to_string(*opts.client) + " was inherited"
                                    : "a connected stream socket is needed");
    return std::move(*client);
}

os::unique_fd inherited_exit(const options& opts)
{
    if (!opts.exit_fd)
        return {};
    auto fd = os::adopt_lifeline(*opts.exit_fd);
    if (!fd)
        throw os::start_failure("Could not use --exit-fd descriptor", fd.error().value(),
                                fd.error().value() == EBADF ? "no descriptor " + std::to_string(*opts.exit_fd) + " was inherited"
                                                            : "a pipe or a connected UNIX socket is needed");
    return std::move(*fd);
}

named_files create_files(const options& opts)
{
    named_files files;
    files.null = os::open_null();
    if (opts.log_file)
        files.log = os::create_private_file(*opts.log_file, os::access::read_write, "Couldn't open log file");
    if (opts.pid_file)
        files.pid = (opts.take_over ? os::open_private_file : os::create_private_file)(*opts.pid_file, os::access::write_only,
                                                                                       "Couldn't open PID file");
    if (opts.audit_log)
        files.audit = os::open_to_append(*opts.audit_log, "Couldn't open audit log");
    if (opts.pcap_file) {
        try {
            files.pcap = os::create_private_file(*opts.pcap_file, os::access::write_only, "Couldn't open pcap file");
        } catch (const std::system_error& refused) {
            log::error(refused.what()); // a capture is not worth the service
        }
    }
    return files;
}

void start_log(const options& opts, named_files& files)
{
    log::destinations where;
    where.name = opts.mode == mode::pasta ? "pasta" : "passt";
    where.level = opts.level;
    if (opts.starts_command() && where.level == log_level::normal)
        where.level = log_level::quiet; // the terminal is the command's
    where.file = std::move(files.log);
    where.file_cap = opts.log_size;
    where.syslog = os::connect_log();
    log::start(std::move(where));
    log::warning(opts.warnings);
    warn_of_few_descriptors();
}

void make_room_for_descriptors(const options& opts) noexcept
{
    std::size_t wanted = 4096;
    for (const forward_rules* rules : {&opts.host_rules, &opts.guest_rules})
        for (const forward_rule& rule : *rules)
            wanted += rule.scan ? 0 : rule.port_count();
    os::make_room_for_descriptors(wanted);
}

} // namespace tapioca
