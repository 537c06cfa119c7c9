#include "daemon/control/control_interface.hpp"

namespace tapioca::varlink {
namespace {

constexpr std::string_view service = R"(# What every varlink service has
interface org.varlink.service

# What this service is
method GetInfo() -> (
  vendor: string,
  product: string,
  version: string,
  url: string,
  interfaces: []string
)

# The description of an interface
method GetInterfaceDescription(interface: string) -> (description: string)

error InterfaceNotFound (interface: string)
error MethodNotFound (method: string)
error MethodNotImplemented (method: string)
error InvalidParameter (parameter: string)
error PermissionDenied ()
error ExpectedMore ()
)";

constexpr std::string_view control = R"(# A running passt or pasta, seen and changed. Its abstract socket lets see; what changes
# something needs the socket at the path of --control.
interface io.github.tapioca.Control

type Endpoint (address: string, port: int)

# id: worker, kind, slot and generation. It means another flow only when its slot was used 16384
# times more.
# protocol: tcp, udp, echo. way: tap, or bypass between the loopbacks. origin: guest or peer.
# rule: the slot of the rule that it came through.
type Flow (
  id: string,
  protocol: string,
  way: string,
  origin: string,
  guest: Endpoint,
  remote: Endpoint,
  rule: ?int
)

# side: host for -t and -u, guest for -T and -U
type Rule (side: string, slot: int, text: string)

# What was counted since the start, by name: what happened; packets that nobody has to answer, no
# losses; packets that were dropped, and why; flows that ended, and why
type Counts (counters: [string]int, ignored: [string]int, drops: [string]int, ends: [string]int)

method GetInfo() -> (
  version: string,
  mode: string,
  pid: int,
  workers: int,
  namespace: ?string,
  interface: ?string,
  mtu: int,
  addresses: []string,
  gateways: []string,
  resolvers: []string,
  may_change: bool,
  control_path: ?string
)

method GetCounters() -> (total: Counts, workers: []Counts)

method ListRules() -> (rules: []Rule)

# With `more`: several replies, each with some of the flows
method ListFlows() -> (flows: []Flow)

# Ends a flow; both its ends are told as far as the protocol lets them
method EndFlow(id: string) -> ()

error NoSuchFlow (id: string)
error PermissionDenied (why: string)
)";

} // namespace

std::string_view description_of(std::string_view interface) noexcept
{
    return interface == service_interface ? service : interface == control_interface ? control : std::string_view{};
}

} // namespace tapioca::varlink
