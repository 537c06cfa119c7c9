#include "qrap/arguments.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <climits>
#include <iterator>
#include <random>

using namespace tapioca::qrap;
using words = std::vector<std::string>;

namespace {

const words backend{"-netdev", "socket,fd=5,id=hostnet0"};
const words json_backend{"-netdev", R"({"type":"socket","fd":"5","id":"hostnet0"})"};

words operator+(words left, const words& right)
{
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

/// What is added for these devices on this machine; the devices themselves must have been kept.
words added(const std::string& machine, const words& devices)
{
    words given{"-machine", machine};
    for (const auto& device : devices)
        given = given + words{"-device", device};
    auto result = rewrite(given).arguments;
    REQUIRE(result.size() >= given.size());
    REQUIRE(std::equal(given.begin(), given.end(), result.begin()));
    result.erase(result.begin(), result.begin() + static_cast<std::ptrdiff_t>(given.size()));
    return result;
}

words plain_device(const std::string& address) { return words{"-device", address + ",netdev=hostnet0,x-txburst=4096"} + backend; }

} // namespace

TEST_CASE("without arguments QEMU gets a back-end alone")
{
    const auto r = rewrite({});
    CHECK(r.arguments == backend);
    CHECK(!r.has_devices);
    CHECK(!r.slot);
}

TEST_CASE("network back-ends go with their values, in each spelling of the option")
{
    for (const char* option : {"-netdev", "-net", "-nic", "--netdev", "--net", "--nic"})
        CHECK(rewrite({"-m", "1G", option, "user,id=n0", "-S"}).arguments == words{"-m", "1G", "-S"} + backend);
}

TEST_CASE("an option is recognised by its whole name")
{
    const words given{"-netdevice", "a", "---netdev", "b", "netdev", "c", "-", "--", "-devices", "e1000,x", "-machines", "pc-x"};
    CHECK(rewrite(given).arguments == given + backend);
}

TEST_CASE("network devices go if a comma follows their name")
{
    for (const std::string driver : {"virtio-net-pci", "virtio-net-ccw", "e1000", "e1000e", "rtl8139"}) {
        CHECK(rewrite({"-device", driver + ",netdev=n0", "-S"}).arguments == words{"-S"} + backend);
        CHECK(rewrite({"--device", driver + ","}).arguments == backend);
        CHECK(rewrite({"-device", driver}).arguments.size() == 6);
        CHECK(rewrite({"-device", driver + "-x,netdev=n0"}).arguments.size() == 6);

        const auto json = "{\"driver\":\"" + driver;
        CHECK(rewrite({"-device", json + "\",\"netdev\":\"n0\"}"}).arguments == backend);
        CHECK(rewrite({"-device", json + "\"}"}).arguments.size() == 6);
        CHECK(rewrite({"-device", json + "x\",\"netdev\":\"n0\"}"}).arguments.size() == 6);
        CHECK(rewrite({"-device", "{ \"driver\":\"" + driver + "\",\"netdev\":\"n0\"}"}).arguments.size() == 6);
        CHECK(rewrite({"-device", "{\"driver\": \"" + driver + "\",\"netdev\":\"n0\"}"}).arguments.size() == 6);
    }
}

TEST_CASE("an option without the value that belongs to it is passed on, or taken out alone")
{
    CHECK(rewrite({"-S", "-netdev"}).arguments == words{"-S"} + backend);
    CHECK(rewrite({"-S", "-device"}).arguments == words{"-S", "-device"} + backend);
    CHECK(!rewrite({"-S", "-device"}).has_devices);
    CHECK(rewrite({"-S", "-machine"}).arguments == words{"-S", "-machine"} + backend);
}

TEST_CASE("the value of an option is no option")
{
    CHECK(rewrite({"-device", "-netdev", "-S"}).arguments[2] == "-S");
    CHECK(rewrite({"-netdev", "-device", "-S"}).arguments == words{"-S"} + backend);
    CHECK(rewrite({"-machine", "-device", "pc-q35"}).arguments == words{"-machine", "-device", "pc-q35"} + backend);
}

TEST_CASE("the type of machine chooses the driver and the address")
{
    const words devices{"usb-kbd"};
    CHECK(added("pc-q35-6.2", devices) == plain_device("virtio-net-pci,bus=pci.3,addr=0x0"));
    CHECK(added("pc-i440fx-6.2", devices) == plain_device("virtio-net-pci,bus=pci.0,addr=0x2"));
    CHECK(added("s390-ccw-virtio-6.2", devices) == plain_device("virtio-net-ccw,devno=fe.0.1"));
}

TEST_CASE("a machine that is not known is taken for a Q35")
{
    for (const char* machine : {"q35", "pc", "virt-7.0", "pseries", "none", "", "type=pc-i440fx-6.2", "accel=kvm"})
        CHECK(added(machine, {"usb-kbd"}) == plain_device("virtio-net-pci,bus=pci.3,addr=0x0"));
    CHECK(rewrite({"-device", "usb-kbd"}).slot == 3U);
}

TEST_CASE("the last machine decides, whichever way the option is spelled and wherever it stands")
{
    CHECK(rewrite({"-machine", "pc-q35-6.2", "-device", "usb-kbd", "-machine", "s390-ccw-virtio"}).scheme->driver ==
          "virtio-net-ccw");
    CHECK(rewrite({"-machine", "s390-ccw-virtio", "-device", "usb-kbd", "-machine", "x"}).slot == 3U);
    for (const char* option : {"-M", "--M", "-machine", "--machine"})
        CHECK(rewrite({"-device", "x,bus=pci.0,addr=0x2", option, "pc-1.0"}).slot == 3U);
    CHECK(rewrite({"-device", "x,bus=pci.0,addr=0x2", "-m", "pc-1.0"}).scheme->base == 10);
}

TEST_CASE("the first address that no remaining device has is taken")
{
    CHECK(added("pc-q35", {"a,bus=pci.3", "b,bus=pci.4,addr=0x0", "c,bus=pci.6"}) ==
          plain_device("virtio-net-pci,bus=pci.5,addr=0x0"));
    CHECK(added("pc-", {"a,bus=pci.0,addr=0x2.0x1", "b,bus=pci.0,addr=0x3"}) ==
          plain_device("virtio-net-pci,bus=pci.0,addr=0x4"));
    CHECK(added("s390-ccw", {"a,devno=fe.0.0001"}) == plain_device("virtio-net-ccw,devno=fe.0.2"));
}

TEST_CASE("a device that is taken out frees its address")
{
    const auto r = rewrite({"-machine", "pc-q35", "-device", "e1000,netdev=n,bus=pci.3", "-device", "x,bus=pci.4"});
    CHECK(r.slot == 3U);
}

TEST_CASE("devices in JSON are answered in JSON")
{
    CHECK(added("pc-q35", {R"({"driver":"x","bus":"pci.3","addr":"0x0"})"}) ==
          words{"-device", R"({"driver":"virtio-net-pci","bus":"pci.4","addr":"0x0","netdev":"hostnet0","x-txburst":4096})"} +
              json_backend);
    CHECK(added("pc-", {R"({"driver":"x","bus":"pci.0","addr":"0x2"})"}) ==
          words{"-device", R"({"driver":"virtio-net-pci","bus":"pci.0","addr":"0x3","netdev":"hostnet0","x-txburst":4096})"} +
              json_backend);
    CHECK(added("s390-ccw", {R"({"driver":"x","devno":"fe.0.0001"})"}) ==
          words{"-device", R"({"driver":"virtio-net-ccw","devno":"fe.0.2","netdev":"hostnet0","x-txburst":4096})"} +
              json_backend);
}

TEST_CASE("JSON is in use when a remaining device has its address in it")
{
    CHECK(rewrite({"-device", R"({"driver":"usb-kbd","bus":"usb.0"})"}).how == spelling::plain);
    CHECK(rewrite({"-device", R"({"driver":"e1000","bus":"pci.3"})", "-device", "usb-kbd"}).how == spelling::plain);
    CHECK(rewrite({"-device", "a,bus=pci.3", "-device", R"({"driver":"b","bus":"pci.4"})", "-device", "c,bus=pci.5"}).how ==
          spelling::json);
    CHECK(rewrite({"-netdev", R"({"type":"user","id":"n"})", "-device", "usb-kbd"}).how == spelling::plain);
}

TEST_CASE("no free address is a decision of its own, and nothing is added")
{
    words given{"-machine", "s390-ccw-virtio"};
    for (const std::string digit : {"1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"})
        given = given + words{"-device", "virtio-blk-ccw,devno=fe.0.000" + digit};
    const auto full = rewrite(given);
    CHECK(full.has_devices);
    CHECK(!full.slot);
    CHECK(full.arguments == given);

    given[4 * 2 + 1] = "virtio-blk-ccw,devno=fe.0.0010";
    CHECK(rewrite(given).slot == 4U);
}

TEST_CASE("a descriptor is a number of C from three on")
{
    for (const char* word : {"3", "03", "0x3", " 3", "+3"})
        CHECK(descriptor_number(word) == 3);
    CHECK(descriptor_number("5") == 5);
    CHECK(descriptor_number("0x10") == 16);
    CHECK(descriptor_number("010") == 8);
    CHECK(descriptor_number("2147483646") == INT_MAX - 1);
    for (const char* word :
         {"", " ", "2", "0", "-1", "-3", "x", "5x", "5 ", "0x", "08", "2147483647", "4294967299", "99999999999999999999", "-m"})
        CHECK(!descriptor_number(word));
}

namespace {

/// Words that mean something to qrap, some of them glued together or cut off.
words random_words(std::mt19937& random)
{
    static const std::string pieces[]{"-device",
                                      "--device",
                                      "-netdev",
                                      "-net",
                                      "-machine",
                                      "-M",
                                      "e1000,",
                                      "e1000",
                                      "pc-q35",
                                      "pc-",
                                      "s390-ccw",
                                      "x,bus=pci.",
                                      "x,bus=pci.99999999999999999999",
                                      "x,bus=pci.-3",
                                      "x,bus=pci.0,addr=0x",
                                      "x,bus=pci.0,addr=0x1f",
                                      "x,devno=fe.0.",
                                      "x,devno=fe.0.ffffffff",
                                      "{",
                                      "{\"driver\":\"",
                                      "{\"bus\":\"pci.3",
                                      "{\"bus\"",
                                      "{\"bus\":",
                                      "\"",
                                      "{\"driver\":\"e1000\",",
                                      "{\"bus\":\"pci.0\",\"addr\":\"0x2",
                                      ",,,=,=",
                                      "",
                                      "-",
                                      "--",
                                      "x,bus=pci.3,addr=0x0"};
    words chosen;
    for (auto count = random() % 9; count > 0; --count) {
        std::string word = pieces[random() % std::size(pieces)];
        if (random() % 8 == 0)
            word += pieces[random() % std::size(pieces)];
        if (random() % 8 == 0)
            word.resize(random() % (word.size() + 1));
        chosen.push_back(word);
    }
    return chosen;
}

} // namespace

TEST_CASE("whatever the arguments are, network options go, the others stay in their order, and a back-end comes")
{
    std::mt19937 random{1};
    for (int round = 0; round < 20'000; ++round) {
        const auto given = random_words(random);
        const auto r = rewrite(given);
        REQUIRE(r.slot.has_value() == r.has_devices);
        const auto added_words = r.has_devices ? 4 : 2;
        REQUIRE(r.arguments.size() >= static_cast<std::size_t>(added_words));
        REQUIRE(*(r.arguments.end() - 2) == "-netdev");

        const words kept(r.arguments.begin(), r.arguments.end() - added_words);
        auto from = given.begin();
        for (const auto& word : kept) {
            from = std::find(from, given.end(), word);
            REQUIRE(from++ != given.end());
        }
        REQUIRE(rewrite(kept).arguments == r.arguments); // nothing is left that would go
    }
}
