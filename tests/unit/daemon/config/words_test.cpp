// What the user reads when a command line cannot be followed, whole: what is wrong, and what would be right.
#include "tests/unit/daemon/config/command_line_support.hpp"

using namespace tapioca;
using namespace tapioca::test;

namespace {

struct told {
    const char *line, *text;
};

constexpr told refusals[] = {
    {"-t ''", "Invalid port specifier ''; ports are written 8080, 8000-8010, 8080:80 or 127.0.0.1/8080:80, with commas between "
              "several, or none, all, auto"},
    {"-t 80x", "Invalid port specifier '80x'; \"80x\" is no port; ports are written 8080, 8000-8010, 8080:80 or "
               "127.0.0.1/8080:80, with commas between several"},
    {"-t 127.0.0.1:8080:80", "Invalid port specifier '127.0.0.1:8080:80'; write 127.0.0.1/8080:80"},
    {"-u 127.0.0.1:8080", "Invalid port specifier '127.0.0.1:8080'; write 127.0.0.1/8080"},
    {"-t [::1]:8080:80", "Invalid port specifier '[::1]:8080:80'; write [::1]/8080:80"},
    {"-t 0.0.0.0/8080:10.0.0.1:80", "Invalid port specifier '8080:10.0.0.1:80'; write 0.0.0.0/8080:10.0.0.1/80"},
    {"-t 8080:10.0.0.1:80", "Invalid port specifier '8080:10.0.0.1:80'; write 8080:10.0.0.1/80"},
    {"-t 53/udp", "Invalid port specifier '53/udp'; the protocol is the option's, -t for TCP and -u for UDP: write -u 53"},
    {"-U 53/tcp", "Invalid port specifier '53/tcp'; the protocol is the option's, -T for TCP and -U for UDP: write -T 53"},
    {"-t eth0/80", "Invalid port specifier 'eth0/80'; eth0 is no address; an interface is written %eth0/80"},
    {"-t 70000", "Invalid port specifier '70000'; there is no port 70000, 65535 is the last"},
    {"-t 80:70000", "Invalid port specifier '80:70000'; there is no port 70000, 65535 is the last"},
    {"-t 80-70", "Invalid port specifier '80-70'; 80-70 ends before it begins"},
    {"-t 80,90-91:7", "Invalid port specifier '80,90-91:7'; as many ports must stand behind the colon as before it"},
    {"-t 80,", "Invalid port specifier '80,'; nothing stands in front of a comma or behind it"},
    {"-t 80,none", "Invalid port specifier '80,none'; none stands alone"},
    {"-t 1-~5", "Invalid port specifier '1-~5'; \"~5\" is no port; ports are written 8080, 8000-8010, 8080:80 or "
                "127.0.0.1/8080:80, with commas between several"},
    {"-t %name_of_16_chars/80", "Invalid port specifier '%name_of_16_chars/80'; there is no interface name_of_16_chars"},
    {"-t %./80", "Invalid interface name: .; 1 to 15 characters are needed, without slash, colon and blank"},
    {"-t 80 -t none", "-t none conflicts with previous options; it must stand before them, or not at all"},
    {"-T ::1/80", "Listening address not allowed for -T ::1/80; the namespace is listened to on its loopback alone"},
    {"--log-size 5", "Invalid --log-size: 5; a number of octets is needed, at least 40960"},
    {"--runas nosuch", "Invalid --runas option: nosuch; there is no user nosuch"},
    {"--runas root", "Invalid --runas option: root; root must be asked for by number: --runas 0"},
    {"--runas nobody:nosuch", "Invalid --runas option: nobody:nosuch; there is no group nosuch"},
    {"--runas 1:x", "Invalid --runas option: 1:x; behind a numeric user the group is a number, too, at most 4294967294"},
    {"-m 1k", "Invalid MTU: 1k; a number from 0 to 65521 is needed"},
    {"-a localhost", "Invalid guest address: localhost; an IPv4 or IPv6 address of one host is needed, and none of the loopback"},
    {"-n 255.0.255.0", "Invalid prefix length: 255.0.255.0; 0 to 32 is needed, or a mask of ones before zeros, as 255.255.255.0"},
    {"-F x", "Invalid --fd: x; the number of an inherited descriptor is needed"},
    {"-S a..b", "Cannot use DNS search domain a..b; labels of 1 to 63 characters are needed, with dots between, 253 in all"},
    {"-S a~_b~_c~_d~_e~_f~_g", "Cannot use DNS search domain g; 6 are the most"},
    {"--netns blue true", "Both --netns and PID or command given; leave out one of --netns and true"},
    {"0", "Invalid PID 0; a number from 1 to 2147483647 is needed"},
    {"--stats 1 7", "Can't display statistics if not running in foreground; add --foreground"},
};

struct surprise {
    const char *line, *text; ///< empty: none
};

const std::string long_name(70, 'x');
const surprise surprises[] = {
    {"pasta -4 -6 true", "-4 and -6 contradict each other, the last counts: no IPv4"},
    {"pasta -6 -4 true", "-4 and -6 contradict each other, the last counts: no IPv6"},
    {"pasta -4 -4 true", ""},
    {"pasta -p 8080:80 true", "--pcap captures into a file named 8080:80: ports are forwarded by --tcp-ports (-t)"},
    {"passt -p 80", "--pcap captures into a file named 80: ports are forwarded by --tcp-ports (-t)"},
    {"pasta -p /80 true", ""},
    {"pasta -p 80.pcap true", ""},
    {"pasta --dns 192.0.2.1 true", "--dns has no effect: nothing tells the guest without --dhcp-dns"},
    {"pasta --dns 192.0.2.1 --dhcp-dns true", ""},
    {"pasta --dns 192.0.2.1 --dhcp-dns --config-net --no-dhcp --no-dhcpv6 true",
     "--dns has no effect: nothing tells the guest as DHCP, DHCPv6 and router advertisements are off"},
    {"passt --dns 192.0.2.1", ""},
    {"passt --dns 192.0.2.1 --no-dhcp-dns", "--dns has no effect: nothing tells the guest because of --no-dhcp-dns"},
    {"pasta --dns none true", ""},
    {"pasta --search example.org true", "--search has no effect: nothing tells the guest without --dhcp-search"},
    {"pasta --mtu 1400 true", "--mtu 1400 is only announced to the guest: without --config-net the interface keeps its own"},
    {"pasta --mtu 1400 --config-net true", ""},
    {"pasta --mtu 1500 true", ""},
    {"pasta true", ""},
    {"passt --mtu 1400", ""},
};

} // namespace

TEST_CASE("a command line that cannot be followed is answered with what is wrong and what would be right")
{
    for (const auto& [line, text] : refusals)
        CHECK(whole_refusal("pasta " + std::string{line}) == text);
    CHECK(whole_refusal("passt true") ==
          "Extra non-option argument: true; passt takes options alone; it is pasta that runs commands");
    CHECK(whole_refusal("passt -t auto") == "'auto' port forwarding is only allowed for pasta; name the ports, or say all");
    CHECK(whole_refusal("passt -s " + std::string(108, 'x')) ==
          "Invalid socket path: " + std::string(108, 'x') + "; it has 108 characters, 1 to 107 are possible");
    CHECK(whole_refusal("pasta -H " + std::string(254, 'x')) ==
          "Invalid hostname: " + std::string(254, 'x') + "; it has 254 characters, 253 are the most");
}

TEST_CASE("an option that is nearly one is answered with that one")
{
    const auto first_line = [](const std::string& line) { return whole_refusal(line).substr(0, whole_refusal(line).find('\n')); };
    CHECK(first_line("pasta --confg-net") == "pasta: unrecognized option '--confg-net'; did you mean '--config-net'?");
    CHECK(first_line("pasta --outbuond=x") == "pasta: unrecognized option '--outbuond=x'; did you mean '--outbound'?");
    CHECK(first_line("pasta --tcp_ports 80") == "pasta: unrecognized option '--tcp_ports'; did you mean '--tcp-ports'?");
    CHECK(first_line("pasta --something-else") == "pasta: unrecognized option '--something-else'");
    CHECK(first_line("pasta --xy") == "pasta: unrecognized option '--xy'");
}

TEST_CASE("an option that will not do what whoever wrote it will have meant is worth a warning")
{
    for (const auto& [line, text] : surprises) {
        INFO(line);
        const auto warnings = parse(line).warnings;
        CHECK(warnings == (*text == '\0' ? std::vector<std::string>{} : std::vector<std::string>{text}));
    }
    CHECK(parse("pasta -H " + long_name + " true").warnings ==
          std::vector{"--hostname is cut to the 64 characters that the kernel takes: " + long_name.substr(0, 64)});
    CHECK(parse("passt -H " + long_name).warnings.empty());
}
