#include "daemon/client/filter_compiler.hpp"

#include "daemon/client/tapioca_connection.hpp"

#include <memory>
#include <pcap/pcap.h>

namespace tapioca::client {

std::vector<bpf::instruction> compile_filter(const std::string& words, std::uint32_t snapshot)
{
    if (words.empty())
        return {};
    const std::unique_ptr<pcap_t, void (*)(pcap_t*)> ethernet{pcap_open_dead(DLT_EN10MB, static_cast<int>(snapshot)),
                                                              &pcap_close};
    bpf_program made{};
    if (!ethernet || pcap_compile(ethernet.get(), &made, words.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0)
        throw control_failure("the filter '" + words +
                              "' makes no sense: " + (ethernet ? pcap_geterr(ethernet.get()) : "no memory"));
    const std::unique_ptr<bpf_program, void (*)(bpf_program*)> freed{&made, &pcap_freecode};
    std::vector<bpf::instruction> program;
    for (unsigned i = 0; i < made.bf_len; ++i) {
        const auto& one = made.bf_insns[i];
        program.push_back({one.code, one.jt, one.jf, one.k});
    }
    return program;
}

} // namespace tapioca::client
