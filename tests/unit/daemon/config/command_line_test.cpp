#include "daemon/config/command_line.hpp"
#include "daemon/config/option_table.hpp"
#include "tests/unit/daemon/config/command_line_support.hpp"

#include <random>

using namespace tapioca;
using namespace tapioca::test;

TEST_CASE("without options pasta starts a shell with both families")
{
    const options o = parse("pasta");
    CHECK(o.mode == mode::pasta);
    CHECK((o.ipv4 && o.ipv6));
    CHECK(o.target == target_kind::command);
    CHECK(o.command.empty());
    CHECK(o.mtu == 65520);
    CHECK((o.foreground && o.level == log_level::quiet));
    CHECK((o.splice && !o.host_loopback_to_namespace && !o.splice_only));
    CHECK_FALSE((o.announce_dns || o.announce_search));
    CHECK((o.dhcp && o.dhcpv6 && o.ndp && o.ra && o.tcp && o.udp && o.icmp));
    CHECK(o.warnings.empty());
}

TEST_CASE("what starts such an instance once more: each option by its name and with its value, in order")
{
    const options o = parse("/opt/pasta -f -t 80:8080 --take-over /old --udp-ports=none -m 1500 -4 --netns /run/n");
    CHECK(o.start_words == std::vector<std::string>{"/opt/pasta", "--tcp-ports=80:8080", "--udp-ports=none", "--mtu=1500",
                                                    "--ipv4-only", "--netns=/run/n"});
    CHECK(parse("pasta -f 4711").start_words == std::vector<std::string>{"pasta", "4711"});
    CHECK_FALSE(parse("pasta 4711").can_start_again());
    CHECK_FALSE(parse("pasta --control /c true").can_start_again());
}

TEST_CASE("the name that the program was called by decides what it is")
{
    CHECK(parse("/usr/local/bin/pasta.avx2 true").mode == mode::pasta);
    CHECK(parse("/opt/passt/pasta true").mode == mode::pasta);
    CHECK(parse("./passt-or-pasta true").mode == mode::pasta);
    CHECK(refusal("/opt/pasta/tapioca") == "Cannot determine mode, invoke as \"passt\" or \"pasta\"");
    CHECK(refusal("") == "Cannot determine mode, invoke as \"passt\" or \"pasta\"");
    CHECK(parse("passt").mode == mode::passt);
    CHECK(refusal("passt echo hi") == "Extra non-option argument: echo");
}

TEST_CASE("help, version and capabilities go to stdout with status 0")
{
    for (const auto* line : {"pasta --help", "pasta -h", "passt --hel", "pasta -qh --nosuch"}) {
        const auto e = exit_of(line);
        CHECK(e.status == 0);
        CHECK(e.to_stdout);
        for (const option_entry& entry : option_table())
            CHECK(e.text.find("--" + std::string{entry.name}) != std::string::npos);
        std::istringstream lines{e.text};
        for (std::string text; std::getline(lines, text);)
            CHECK(text.size() <= 80);
    }
    CHECK(exit_of("pasta --version").text.starts_with("pasta " TAPIOCA_VERSION "\n"));
    CHECK(exit_of("/usr/bin/passt --version").text.starts_with("passt " TAPIOCA_VERSION "\n"));
    CHECK(exit_of("pasta --version").to_stdout);
    CHECK(exit_of("pasta --host-lo-to-ns-lo --version").status == 0);
    CHECK(exit_of("pasta --splice-only -t auto --version").status == 0);
    CHECK(exit_of("passt --print-capabilities").text == "{\n  \"type\": \"net\"\n}\n");
    CHECK(exit_of("passt --vhost-user --print-capabilities").status == 0);
    CHECK(refusal("pasta -m x --version") == "Invalid MTU: x");
}

TEST_CASE("a mistake in the form of getopt ends with how to call the program")
{
    const auto text = refusal("pasta --nosuch");
    CHECK(text.starts_with("pasta: unrecognized option '--nosuch'\nUsage: pasta "));
    CHECK(text.ends_with("\nTry 'pasta --help'."));
    CHECK(refusal("pasta --dns-x --help").starts_with("pasta: unrecognized option '--dns-x'\n"));
    CHECK(refusal("pasta -t auto --nosuch").starts_with("pasta: unrecognized option '--nosuch'\n"));
}

TEST_CASE("the command's own arguments are never ours")
{
    CHECK(parse("pasta -- cmd --vhost-user -F 9").command == arguments("cmd --vhost-user -F 9"));
    CHECK(parse("pasta --config-net echo hi --vhost-user").command == arguments("echo hi --vhost-user"));
    CHECK(parse("pasta -- 123 456").command == arguments("123 456"));
    CHECK(parse("pasta -- -q").command == arguments("-q"));
    CHECK(parse("pasta ''").command == arguments("''"));
    CHECK(parse("pasta ./123").command == arguments("./123"));
}

TEST_CASE("what to connect: a command, a process, a path or a name")
{
    const options pid = parse("pasta -q 4711");
    CHECK(pid.target == target_kind::pid);
    CHECK(pid.target_pid == 4711);
    CHECK_FALSE(pid.foreground);
    CHECK_FALSE(pid.netns_only);
    CHECK(parse("pasta -- 2147483647").target_pid == 2147483647);
    CHECK(refusal("pasta 2147483648") == "Invalid PID 2147483648");
    CHECK(refusal("pasta 0") == "Invalid PID 0");

    const options path = parse("pasta --netns /proc/7/ns/net");
    CHECK(path.target == target_kind::path);
    CHECK(path.netns_path == "/proc/7/ns/net");
    CHECK(path.netns_only);
    CHECK(path.level == log_level::normal);
    CHECK(parse("pasta --netns blue").netns_path == "/run/netns/blue");
    CHECK_FALSE(parse("pasta --netns blue --userns /proc/7/ns/user").netns_only);
    CHECK(parse("pasta --netns blue --userns /u --netns-only").netns_only);
    CHECK_FALSE(parse("pasta --netns blue --userns /u --netns-only").userns_path.has_value());
    CHECK(parse("pasta --netns-only --userns /u 7").userns_path == "/u");
    CHECK_FALSE(parse("pasta --netns-only --userns /u 7").netns_only);
    CHECK(refusal("pasta --netns blue 7") == "Both --netns and PID or command given");
    CHECK(refusal("pasta --netns blue true") == "Both --netns and PID or command given");

    CHECK_FALSE(parse("pasta --no-pidns true").pid_namespace);
    CHECK(refusal("pasta --no-pidns 7") == "--no-pidns is incompatible with PID or --netns");
    CHECK(refusal("pasta --no-pidns --netns x") == "--no-pidns is incompatible with PID or --netns");
    CHECK_FALSE(parse("pasta --no-netns-quit 7").netns_quit);
}

TEST_CASE("how loud: the last of -d, --trace and -q counts, and trace includes debug")
{
    CHECK(parse("pasta 7").level == log_level::normal);
    CHECK(parse("pasta -d 7").level == log_level::debug);
    CHECK(parse("pasta -q -d 7").level == log_level::debug);
    CHECK(parse("pasta -dq 7").level == log_level::quiet);
    CHECK(parse("pasta --trace -d 7").level == log_level::trace);
    CHECK(parse("pasta --trace -q -d 7").level == log_level::debug);
    CHECK(parse("pasta -d true").level == log_level::debug);
}

TEST_CASE("an option for the other mode is refused with the mode's name")
{
    for (const auto* option : {"-I", "-T", "-U"})
        CHECK(refusal("passt " + std::string{option} + " x") == option + std::string{" is for pasta mode only"});
    CHECK(refusal("passt --tcp-ns none") == "-T is for pasta mode only");
    for (const auto* option : {"--userns=x", "--netns=x", "--ns-mac-addr=x"}) {
        const std::string text{option};
        CHECK(refusal("passt " + text) == text.substr(0, text.find('=')) + " is for pasta mode only");
    }
    for (const auto* option : {"--host-lo-to-ns-lo", "--netns-only", "--no-netns-quit", "--no-pidns", "--config-net",
                               "--no-copy-routes", "--no-copy-addrs", "--dhcp-dns", "--dhcp-search", "--splice-only"})
        CHECK(refusal("passt " + std::string{option}) == option + std::string{" is for pasta mode only"});
    for (const auto* option : {"--no-dhcp-dns", "--no-dhcp-search", "--one-off"})
        CHECK(refusal("pasta " + std::string{option}) == option + std::string{" is for passt mode only"});
    CHECK(refusal("pasta -1") == "--one-off is for passt mode only");
    CHECK(refusal("pasta -s x") == "-s is for passt / vhost-user mode only");
    CHECK(refusal("pasta --socket-path x") == "-s is for passt / vhost-user mode only");
    for (const auto* option : {"--migrate-exit", "--migrate-no-linger"}) {
        CHECK(refusal("pasta " + std::string{option}) == option + std::string{" is for vhost-user mode only"});
        CHECK(refusal("passt " + std::string{option}) == option + std::string{" is for vhost-user mode only"});
    }
    CHECK(refusal("passt --repair-path /x") == "--repair-path is for vhost-user mode only");
    CHECK(refusal("pasta --repair-path /x") == "--repair-path is for vhost-user mode only");
    CHECK(parse("pasta --repair-path none").mode == mode::pasta);
    CHECK(refusal("passt -t auto") == "'auto' port forwarding is only allowed for pasta");
    CHECK(parse("passt --no-splice --repair-path none").mode == mode::passt);
}

TEST_CASE("where passt finds its guest: the last of -s and -F counts, and an inherited guest is the only one")
{
    CHECK(parse("passt -s /run/x").socket_path == "/run/x");
    CHECK_FALSE(parse("passt -s /run/x").one_off);
    CHECK(parse("passt -1").one_off);
    const options inherited = parse("passt -s /run/x -F 0");
    CHECK_FALSE(inherited.socket_path.has_value());
    CHECK(inherited.client == 0);
    CHECK(inherited.one_off);
    const options listening = parse("passt --fd 3 --socket-path /run/x");
    CHECK_FALSE(listening.client.has_value());
    CHECK_FALSE(listening.one_off);
    CHECK(refusal("passt -F x") == "Invalid --fd: x");
    CHECK(refusal("passt -F -1") == "Invalid --fd: -1");
    CHECK(refusal("passt -s " + std::string(108, 'x')) == "Invalid socket path: " + std::string(108, 'x'));
    CHECK(parse("passt -s " + std::string(107, 'x')).socket_path->size() == 107);
    const options beside = parse("pasta -F 3 7");
    CHECK((beside.client == 3 && beside.one_off && beside.splice));
    for (const auto* line : {"passt --workers 4", "pasta --fd 3 --workers 4"}) {
        const options workers = parse(line);
        CHECK(workers.workers == 1);
        CHECK(workers.warnings.size() == 1);
    }
}

TEST_CASE("a guest with shared memory has as many workers as it has pairs of queues, whatever the program is called")
{
    const options four = parse("passt --vhost-user --workers 4");
    CHECK((four.vhost_user && four.workers == 4 && four.warnings.empty()));
    const options many = parse("passt --vhost-user --workers 40");
    CHECK((many.workers == 16 && many.warnings.size() == 1));
    const options pasta = parse("pasta --vhost-user --fd 3");
    CHECK((pasta.vhost_user && pasta.mode == mode::passt && pasta.one_off));
}

TEST_CASE("what a migration does is chosen with shared memory")
{
    const options usual = parse("passt --vhost-user");
    CHECK((usual.repair && !usual.repair_path && !usual.migrate_exit && !usual.migrate_no_linger));
    CHECK(parse("passt --vhost-user --repair-path /x").repair_path == "/x");
    CHECK_FALSE(parse("passt --vhost-user --repair-path none").repair);
    CHECK(parse("passt --vhost-user --repair-path none --repair-path /x").repair);
    CHECK(parse("pasta --migrate-exit --vhost-user").migrate_exit);
    CHECK(parse("passt --vhost-user --migrate-no-linger").migrate_no_linger);
}

TEST_CASE("the command lines of container engines parse")
{
    const options podman =
        parse("/usr/bin/pasta --config-net -t 8000-8000:8000-8000 --dns-forward 169.254.1.1 -u none -T none -U none "
              "--no-map-gw --quiet --map-guest-addr 169.254.1.2 --pid /run/p --netns /run/user/1000/netns/netns-1");
    CHECK(podman.config_net);
    CHECK_FALSE(podman.ra);
    CHECK_FALSE(podman.map_gw);
    CHECK(podman.netns_path == "/run/user/1000/netns/netns-1");
    CHECK(podman.pid_file == "/run/p");
    CHECK(podman.map_guest_addr4 == ip_address::v4(169, 254, 1, 2));
    CHECK(podman.dns_forward4 == ip_address::v4(169, 254, 1, 1));
    CHECK(rules(podman.host_rules) == std::vector<std::string>{"TCP [*]:8000  =>  8000"});
    CHECK(podman.guest_rules.empty());
    CHECK(podman.warnings.empty());

    const options rootlesskit =
        parse("pasta --stderr --ns-ifname=tap0 --mtu=65520 --config-net --address=10.0.2.100 --netmask=24 "
              "--gateway=10.0.2.2 --dns-forward=10.0.2.3 --no-map-gw --ipv4-only --tcp-ports=none "
              "--udp-ports=none --host-lo-to-ns-lo --userns=/proc/9/ns/user --netns=/run/n");
    CHECK(rootlesskit.ns_ifname == "tap0");
    CHECK(rootlesskit.prefix_length4 == 24);
    CHECK_FALSE(rootlesskit.ipv6);
    CHECK(rootlesskit.userns_path == "/proc/9/ns/user");
    CHECK_FALSE(rootlesskit.netns_only);
    CHECK(rootlesskit.warnings == std::vector<std::string>{"--stderr will be dropped soon"});

    const options bridge =
        parse("pasta --map-guest-addr 169.254.1.2 --map-guest-addr fc00::2 --address fc00::3 --gateway fc00::1 7");
    CHECK(bridge.map_guest_addr4.has_value());
    CHECK(bridge.map_guest_addr6.has_value());
    CHECK((bridge.address6 && bridge.gateway6));
    CHECK_FALSE((bridge.address4 || bridge.gateway4));
}

TEST_CASE("the command lines of management programs for machines that share their memory parse")
{
    const options libvirt =
        parse("passt --vhost-user --one-off --socket /run/1-guest1-net0.socket --pid /run/1-guest1-net0-passt.pid --mtu 9000 "
              "--interface eth0 --log-file /tmp/passt.log --hostname guest --fqdn guest.example.org --address 10.30.0.5 "
              "--netmask 24 --address 2001:db8:1::5 --tcp-ports 192.0.2.2/2001-2003:22-24 --udp-ports 1024,~1024");
    CHECK((libvirt.vhost_user && libvirt.one_off && libvirt.mode == mode::passt));
    CHECK((libvirt.mtu == 9000 && libvirt.prefix_length4 == 24));
    CHECK((libvirt.address4 == ip_address::v4(10, 30, 0, 5) && libvirt.address6));
    CHECK(libvirt.pid_file == "/run/1-guest1-net0-passt.pid");
    CHECK(libvirt.warnings.empty());

    const options kubevirt =
        parse("passt --vhost-user --one-off --socket /run/s --pid /run/p --interface eth0 --log-file /var/run/kubevirt/passt.log "
              "--tcp-ports %eth0/8080 --tcp-ports %eth0/8443 --udp-ports %eth0/8053");
    CHECK((kubevirt.vhost_user && kubevirt.one_off && kubevirt.warnings.empty()));
    CHECK(rules(kubevirt.host_rules) ==
          std::vector<std::string>{"TCP [*]%eth0:8080  =>  8080", "TCP [*]%eth0:8443  =>  8443", "UDP [*]%eth0:8053  =>  8053"});
    CHECK(parse("passt --vhost-user --one-off --socket /run/s --pid /run/p --interface ovn-udn1 --tcp-ports %ovn-udn1/all "
                "--udp-ports %ovn-udn1/all")
              .warnings.empty());

    const options qemu =
        parse("passt --vhost-user --quiet --mtu 1500 --mac-addr 9a:55:9a:55:9a:77 --fqdn guest1.example.org --no-ra "
              "--tcp-ports 8080:80,9000 --hostname guest1 --pid /tmp/p --fd 3");
    CHECK((qemu.vhost_user && qemu.one_off && qemu.level == log_level::quiet));
    CHECK((qemu.mtu == 1500 && !qemu.ra && qemu.warnings.empty()));
}

TEST_CASE("random command lines are either followed or refused in one way")
{
    std::vector<std::string> pieces = {"--",      "-q",  "",   "none", "auto", "80", "1.2.3.4/8",
                                       "fc00::1", "[x]", "-1", "a,b",  "{}",   "#"};
    for (const option_entry& entry : option_table())
        if (entry.state == support::built && entry.name != "help" && entry.name != "version" &&
            entry.name != "print-capabilities")
            pieces.insert(pieces.end(), {"--" + std::string{entry.name}, "--" + std::string{entry.name} + "=1.2.3.4"});
    std::mt19937 random{7};
    int followed = 0;
    for (int round = 0; round < 300; ++round) {
        std::vector<std::string> words = {"pasta"};
        for (auto n = random() % 5; n > 0; --n)
            words.push_back(pieces[random() % pieces.size()]);
        const auto e = exit_of(words);
        CHECK((e.status == -1 || (e.status == 1 && !e.to_stdout && e.text.size() > 1 && e.text.ends_with('\n'))));
        followed += e.status == -1;
    }
    CHECK(followed > 30);
}
