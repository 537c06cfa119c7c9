// The judges are libpcap, which compiles the filters and has an interpreter of its own, and the kernel, which takes a filter for
// a socket or refuses it, and cuts datagrams as it says.
#include "proto/capture/bpf.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/octets.hpp"

#include <linux/filter.h>
#include <memory>
#include <pcap/pcap.h>
#include <random>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

using namespace tapioca;
using bpf::instruction;
using test::octets;

namespace {

using program = std::vector<instruction>;
constexpr int snapshot = 262144;

program compiled(const std::string& filter)
{
    const std::unique_ptr<pcap_t, void (*)(pcap_t*)> dead{pcap_open_dead(DLT_EN10MB, snapshot), &pcap_close};
    bpf_program made{};
    REQUIRE(pcap_compile(dead.get(), &made, filter.c_str(), 1, PCAP_NETMASK_UNKNOWN) == 0);
    program copied;
    for (unsigned i = 0; i < made.bf_len; ++i)
        copied.push_back({made.bf_insns[i].code, made.bf_insns[i].jt, made.bf_insns[i].jf, made.bf_insns[i].k});
    pcap_freecode(&made);
    return copied;
}

std::vector<bpf_insn> for_libpcap(const program& p)
{
    std::vector<bpf_insn> copied;
    for (const auto& i : p)
        copied.push_back({i.code, i.jump_true, i.jump_false, i.k});
    return copied;
}

/// A socket that the kernel filters.
class kernel_filter {
public:
    kernel_filter() { REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends_.data()) == 0); }
    ~kernel_filter()
    {
        for (const int fd : ends_)
            ::close(fd);
    }
    kernel_filter(const kernel_filter&) = delete;
    kernel_filter& operator=(const kernel_filter&) = delete;

    bool takes(const program& p) const
    {
        std::vector<sock_filter> copied;
        for (const auto& i : p)
            copied.push_back({i.code, i.jump_true, i.jump_false, i.k});
        const sock_fprog all{static_cast<unsigned short>(copied.size()), copied.data()};
        return ::setsockopt(ends_[1], SOL_SOCKET, SO_ATTACH_FILTER, &all, sizeof all) == 0;
    }
    std::size_t keeps(bytes_view frame) const
    {
        REQUIRE(::send(ends_[0], frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size()));
        octets came(70000);
        const auto n = ::recv(ends_[1], came.data(), came.size(), 0);
        return n < 0 ? 0 : static_cast<std::size_t>(n);
    }

private:
    std::array<int, 2> ends_{};
};

const octets ethernet4 = test::hex("9a559a559a55 0200000000aa 0800"), ethernet6 = test::hex("9a559a559a55 0200000000aa 86dd");
const octets tcp4 = test::hex("45000028 12344000 4006 0000 0a000002 08080808  c000 0050 00000001 00000000 5002 ffff 0000 0000");
const octets udp4 = test::hex("45000021 00000000 4011 0000 00000000 ffffffff  0044 0043 000d 0000 6869746865");
const octets fragment4 = test::hex("4500001c 00012010 4011 0000 0a000002 08080808  0044 0043 000d 0000");
const octets options4 = test::hex("46000020 00000000 4011 0000 0a000002 08080404 01010100  1000 0035 000c 0000 61626364");
const octets icmp6 =
    test::hex("60000000 0018 3aff fe800000000000000000000000000001 ff0200000000000000000001ff000002  8700 0000 00000000"
              "fe800000000000000000000000000002");
const octets tcp6 =
    test::hex("60000000 0014 0640 20010db8000000000000000000000001 20010db8000000000000000000000002  0050 c000 00000001"
              "00000000 5002 ffff 0000 0000");
const octets arp = test::hex("ffffffffffff 0200000000aa 0806 0001 0800 0604 0001 0200000000aa 0a000002 000000000000 0a000001");
const octets tagged = test::hex("9a559a559a55 0200000000aa 8100 0064 0800");

std::vector<octets> frames()
{
    using test::operator+;
    std::vector<octets> all = {ethernet4 + tcp4,
                               ethernet4 + udp4,
                               ethernet4 + fragment4,
                               ethernet4 + options4,
                               ethernet6 + icmp6,
                               ethernet6 + tcp6,
                               arp,
                               tagged + tcp4,
                               ethernet4 + octets(1500),
                               octets(1),
                               octets(13)};
    const auto whole = all;
    for (const auto& frame : whole) // cut
        all.emplace_back(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(frame.size() / 2 + 1));
    return all;
}

constexpr const char* filters[] = {"",
                                   "ip",
                                   "ip6",
                                   "arp",
                                   "tcp",
                                   "udp",
                                   "icmp6",
                                   "udp port 67",
                                   "tcp and port 80",
                                   "not tcp",
                                   "host 8.8.8.8",
                                   "src net 10.0.0.0/8",
                                   "dst host 2001:db8::2",
                                   "net 2001:db8::/32",
                                   "portrange 60-70",
                                   "tcp port 80 or udp port 53",
                                   "ether host 02:00:00:00:00:aa",
                                   "ether broadcast",
                                   "ether multicast",
                                   "len > 100",
                                   "less 60",
                                   "greater 1000",
                                   "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
                                   "ip[8] > 63 and ip[0] & 0xf != 5",
                                   "udp[8:2] = 0x6869",
                                   "ip6 and ip6[6] = 58",
                                   "vlan 100",
                                   "vlan and tcp port 80",
                                   "ip proto 17 and not port 67",
                                   "ether[12:2] = 0x0806",
                                   "icmp6 and ip6[40] = 135",
                                   "ip[2:2] - ((ip[0] & 0xf) << 2) > 12",
                                   "len % 4 = 0",
                                   "ip[6:2] & 0x1fff != 0",
                                   "tcp[12] >> 4 = 5",
                                   "ip and len / ip[8] = 0",
                                   "port 80 and (host 8.8.8.8 or host 2001:db8::1) and not (arp or vlan 7)",
                                   "(len * 3 ^ 5) & 1 = 1",
                                   "udp[100] = 1"};

/// The frame in pieces of so many octets.
std::vector<bytes_view> cut(bytes_view frame, std::size_t every)
{
    std::vector<bytes_view> pieces;
    for (; !frame.empty(); frame = frame.subspan(pieces.back().size()))
        pieces.push_back(frame.first(std::min(every, frame.size())));
    return pieces;
}

} // namespace

TEST_CASE("filters that libpcap compiles choose what libpcap and the kernel choose, in however many pieces a frame comes")
{
    const kernel_filter kernel;
    for (const auto* filter : filters) {
        INFO(filter);
        const auto p = compiled(filter);
        CHECK(bpf::is_valid(p));
        REQUIRE(kernel.takes(p));
        const auto theirs = for_libpcap(p);
        for (const auto& frame : frames()) {
            INFO(frame.size());
            const auto length = static_cast<unsigned>(frame.size());
            const auto wanted = bpf_filter(theirs.data(), frame.data(), length, length);
            CHECK(std::min<std::size_t>(wanted, length) == kernel.keeps(frame));
            for (const std::size_t every : {std::size_t{1}, std::size_t{3}, std::size_t{14}, std::size_t{100000}}) {
                const auto pieces = cut(frame, every);
                CHECK(bpf::run(p, {pieces, frame.size()}, frame.size()) == wanted);
            }
        }
    }
}

TEST_CASE("a frame that may be looked at in part has the length of the whole")
{
    const auto frame = frames().front();
    const bytes_view pieces[] = {bytes_view{frame}};
    CHECK(bpf::run(compiled("len = 9000"), {pieces, 20}, 9000) == snapshot);
    CHECK(bpf::run(compiled("tcp port 80"), {pieces, 20}, frame.size()) == 0);
    CHECK(bpf::run(compiled("tcp port 80"), {pieces, frame.size()}, frame.size()) == snapshot);
    CHECK(bpf::run(compiled("ip"), {{}, 0}, 0) == 0);
}

TEST_CASE("random programs are valid when the kernel says so, and do what libpcap's interpreter does")
{
    std::mt19937 chance{16};
    const auto below = [&](std::uint32_t limit) { return static_cast<std::uint32_t>(chance() % limit); };
    const kernel_filter kernel;
    const auto all = frames();
    int valid = 0;
    for (int round = 0; round < 60000; ++round) {
        program p(1 + below(8));
        for (auto& i : p) {
            static constexpr std::uint16_t common[] = {0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0x60, 0x61, 0x80, 0xb1, 0x02, 0x03,
                                                       0x04, 0x0c, 0x14, 0x24, 0x34, 0x3c, 0x54, 0x64, 0x6c, 0x74, 0x94, 0x9c,
                                                       0xa4, 0x84, 0x05, 0x15, 0x1d, 0x25, 0x35, 0x45, 0x07, 0x87, 0x00, 0x01};
            i.code = below(40) == 0 ? static_cast<std::uint16_t>(chance()) : common[below(std::size(common))];
            i.jump_true = static_cast<std::uint8_t>(below(3));
            i.jump_false = static_cast<std::uint8_t>(below(3));
            i.k = below(5) == 0 ? below(0x80000000) : below(below(3) == 0 ? 80 : 16);
        }
        if (below(30) != 0)
            p.back() = below(2) == 0 ? instruction{0x16, 0, 0, 0} : instruction{0x06, 0, 0, below(3) * 40};
        const bool ours = bpf::is_valid(p);
        CHECK(ours == kernel.takes(p));
        if (!ours)
            continue;
        ++valid;
        const auto theirs = for_libpcap(p);
        for (int i = 0; i < 4; ++i) {
            const auto& frame = all[below(static_cast<std::uint32_t>(all.size()))];
            const auto length = static_cast<unsigned>(frame.size());
            const auto pieces = cut(frame, 1 + below(40));
            CHECK(bpf::run(p, {pieces, frame.size()}, frame.size()) == bpf_filter(theirs.data(), frame.data(), length, length));
        }
    }
    CHECK(valid > 5000);
}

TEST_CASE("what could run on, or reach outside, is not valid")
{
    const instruction accept{0x06, 0, 0, 1};
    CHECK(bpf::is_valid(program{accept}));
    CHECK_FALSE(bpf::is_valid(program{}));
    CHECK_FALSE(bpf::is_valid(program{{0x00, 0, 0, 1}}));                  // no return
    CHECK_FALSE(bpf::is_valid(program{{0x05, 0, 0, 0xffffffff}, accept})); // backwards, if it were added in 32 bits
    CHECK_FALSE(bpf::is_valid(program{{0x05, 0, 0, 1}, accept}));          // behind the end
    CHECK_FALSE(bpf::is_valid(program{{0x15, 1, 0, 0}, accept}));
    CHECK_FALSE(bpf::is_valid(program{{0x02, 0, 0, 16}, accept})); // word 16
    CHECK_FALSE(bpf::is_valid(program{{0x60, 0, 0, 3}, accept}));  // word 3 before it was stored
    CHECK(bpf::is_valid(program{{0x02, 0, 0, 3}, {0x60, 0, 0, 3}, accept}));
    CHECK_FALSE(bpf::is_valid(program{{0x15, 0, 1, 0}, {0x02, 0, 0, 3}, {0x60, 0, 0, 3}, accept})); // on one way only
    CHECK_FALSE(bpf::is_valid(program{{0x34, 0, 0, 0}, accept}));                                   // division by 0
    CHECK_FALSE(bpf::is_valid(program{{0x30, 0, 0, 0xfffff000}, accept}));                          // SKF_AD_OFF
    CHECK_FALSE(bpf::is_valid(program{{0x106, 0, 0, 0}}));
    CHECK(bpf::is_valid(program(bpf::longest_program, accept)));
    CHECK_FALSE(bpf::is_valid(program(bpf::longest_program + 1, accept)));
}
