#include "daemon/config/start_report.hpp"
#include "daemon/report/log.hpp"
#include "daemon/start_up/stages.hpp"
#include "seccomp/landlock.hpp"

namespace tapioca {
namespace {

std::string yes_or_no(bool is) { return is ? "yes" : "no"; }

/// The features that we do without somewhere: doc/kernels.md.
std::string kernel_report(const plane_parts& parts)
{
    std::string line = "Kernel: peek offset of TCP " + yes_or_no(parts.config.peek_offset4) + " (IPv4), " +
                       yes_or_no(parts.config.peek_offset6) + " (IPv6); Landlock ABI " + std::to_string(landlock::kernel_abi());
    if (const auto* tun = parts.tap())
        line += "; tap queues " + std::to_string(parts.resources.tap_queues.size()) + ", checksums " +
                yes_or_no(tun->offload.checksum) + ", TSO " + yes_or_no(tun->offload.tso) + ", USO " +
                yes_or_no(tun->offload.uso);
    return line;
}

} // namespace

void report_rules_and_kernel(const options& opts, const plane_parts& parts)
{
    log::info(rule_report(opts));
    if (opts.level >= log_level::debug)
        log::debug(kernel_report(parts));
}

} // namespace tapioca
