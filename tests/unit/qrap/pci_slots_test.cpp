#include "qrap/pci_slots.hpp"
#include "tests/support/catch.hpp"

using namespace tapioca::qrap;

namespace {

const auto& q35 = scheme_for("pc-q35-6.2");
const auto& pc = scheme_for("pc-i440fx-6.2");
const auto& s390 = scheme_for("s390-ccw-virtio-6.2");

} // namespace

TEST_CASE("machines are told apart by how their types begin")
{
    CHECK(scheme_for("pc-q35").machine == "pc-q35");
    CHECK(scheme_for("pc-q3").machine == "pc-");
    CHECK(scheme_for("pc-0.14").machine == "pc-");
    CHECK(scheme_for("s390-ccw").machine == "s390-ccw");
    CHECK(scheme_for("s390-virtio").machine == "pc-q35");
    CHECK(scheme_for("").machine == "pc-q35");
    CHECK(scheme_for("PC-").machine == "pc-q35");
}

TEST_CASE("numbers of buses are decimal, those of slots and channel devices hexadecimal")
{
    CHECK(slot_of(q35, "x,bus=pci.10,addr=0x0") == 10U);
    CHECK(slot_of(q35, R"({"driver":"x","bus":"pci.10","addr":"0x0"})") == 10U);
    CHECK(slot_of(pc, "x,bus=pci.0,addr=0x10") == 16U);
    CHECK(slot_of(pc, "x,bus=pci.0,addr=10") == 16U);
    CHECK(slot_of(pc, R"({"driver":"x","bus":"pci.0","addr":"0x1f"})") == 31U);
    CHECK(slot_of(s390, "x,devno=fe.0.0010") == 16U);
    CHECK(slot_of(s390, R"({"driver":"x","devno":"fe.0.000f"})") == 15U);

    CHECK(address_text(q35, 10, spelling::plain) == "bus=pci.10,addr=0x0");
    CHECK(address_text(pc, 10, spelling::plain) == "bus=pci.0,addr=0xa");
    CHECK(address_text(s390, 10, spelling::plain) == "devno=fe.0.a");
    CHECK(address_text(q35, 30, spelling::json) == R"("bus":"pci.30","addr":"0x0")");
    CHECK(address_text(pc, 30, spelling::json) == R"("bus":"pci.0","addr":"0x1e")");
    CHECK(address_text(s390, 15, spelling::json) == R"("devno":"fe.0.f")");
}

TEST_CASE("a function of a slot is the slot")
{
    CHECK(slot_of(pc, "x,bus=pci.0,addr=0x5.0x7") == 5U);
    CHECK(slot_of(pc, R"({"driver":"x","bus":"pci.0","addr":"0x5.0x7"})") == 5U);
}

TEST_CASE("properties may stand in any order, and others between them")
{
    CHECK(slot_of(pc, "x,bus=pci.0,multifunction=on,addr=0x5") == 5U);
    CHECK(slot_of(pc, "x,addr=0x5,bus=pci.0") == 5U);
    CHECK(slot_of(pc, R"({"driver":"x","bus":"pci.0","multifunction":true,"addr":"0x5"})") == 5U);
    CHECK(slot_of(pc, "{ \"driver\" : \"x\",\n\t\"addr\" : \"0x5\", \"bus\": \"pci.0\" }") == 5U);
}

TEST_CASE("other addresses are none")
{
    for (const char* device : {"",
                               "x",
                               "x,bus=",
                               "x,bus=pci",
                               "x,bus=pci.",
                               "x,bus=pci.x",
                               "x,bus=pci.-3",
                               "x,bus=pcie.0,addr=0x2",
                               "x,id=pci.3",
                               "x,masterbus=pci.3",
                               "x,bus",
                               "bus=pci.",
                               "x,bus=pci.4294967296",
                               "{",
                               "{}",
                               "{\"bus\"",
                               "{\"bus\":",
                               "{\"bus\":\"",
                               "{\"bus\":\"pci.3",
                               "{\"bus\":3}",
                               "{\"bus\":\"usb.0\"}",
                               "{\"x\":\"\\\"bus\":\"pci.3\"}",
                               "{bus\":\"pci.3\"}"}) {
        INFO(device);
        CHECK(!slot_of(q35, device));
    }
    for (const char* device : {"x,bus=pci.0", "x,bus=pci.0,addr=", "x,bus=pci.0,addr=0x", "x,bus=pci.1,addr=0x2", "x,addr=0x2",
                               "x,bus=pci.0.0,addr=0x2"}) {
        INFO(device);
        CHECK(!slot_of(pc, device));
    }
    for (const char* device : {"x,devno=fe.1.0001", "x,devno=fe.0.", "x,devno=ff.0.0001", "x,devno=fe.0.g"}) {
        INFO(device);
        CHECK(!slot_of(s390, device));
    }
}

TEST_CASE("the last of several equal properties counts, as in QEMU")
{
    CHECK(slot_of(q35, "x,bus=pci.3,bus=pci.4") == 4U);
    CHECK(slot_of(q35, "x,bus=pci.3,buses=pci.4") == 3U);
}

TEST_CASE("a value that reads like a key is none")
{
    CHECK(slot_of(q35, R"({"driver":"bus","id":"bus","bus":"pci.7"})") == 7U);
    CHECK(property(R"({"id":"bus"})", "bus") == std::nullopt);
    CHECK(property("x,id=bus=pci.3", "bus") == std::nullopt);
}

TEST_CASE("each machine has its range of addresses")
{
    for (const auto& [scheme, first, last] : {std::tuple{q35, 3U, 30U}, {pc, 2U, 30U}, {s390, 1U, 15U}}) {
        slot_map slots;
        for (unsigned slot = 0; slot < first; ++slot)
            slots.take(slot);
        for (unsigned slot = first; slot <= last; ++slot) {
            CHECK(slots.first_free(scheme) == slot);
            slots.take(slot);
        }
        CHECK(!slots.first_free(scheme));
    }
}

TEST_CASE("numbers that no bus has take nothing")
{
    slot_map slots;
    for (const unsigned slot : {32U, 33U, 35U, 64U, 99U, 0xffffffffU})
        slots.take(slot);
    for (unsigned slot = 0; slot < 32; ++slot)
        CHECK(!slots.taken(slot));
    CHECK(!slots.taken(32));
    slots.take(31);
    CHECK(slots.taken(31));
}
