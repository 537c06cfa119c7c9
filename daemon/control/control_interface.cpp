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
# rule: the id of the rule that it came through.
# guest, remote: as the guest sees them. host_peer: whom the host's socket speaks to, if known.
# state: of TCP towards the guest, by RFC 9293; else UNREPLIED, REPLIED or ASSURED.
# age_ms: since it began. octets_from_guest, octets_to_guest: payload, unless it is of TCP.
# egress: what the egress policy in force says of it, if there is one.
# With details: host_own, the address of the host's socket, and tcp, what the kernel knows of it.
type Flow (
  id: string,
  protocol: string,
  way: string,
  origin: string,
  guest: Endpoint,
  remote: Endpoint,
  rule: ?int,
  state: string,
  age_ms: int,
  idle_ms: ?int,
  octets_from_guest: ?int,
  octets_to_guest: ?int,
  host_peer: ?Endpoint,
  egress: ?Egress,
  host_own: ?Endpoint,
  tcp: ?Tcp
)

# verdict: allow or deny. ground: rule, name (a rule for a name that has led there), profile, resolver
# (the guest asks for names), around names or around TLS. rule: its number in the policy; text: as it was
# written.
type Egress (verdict: string, ground: string, rule: ?int, text: ?string)

# TCP_INFO of the socket towards the peer. octets_sent and octets_received: once each.
type Tcp (
  state: string,
  rtt_us: int,
  rtt_variation_us: int,
  congestion_window: int,
  mss: int,
  retransmissions: int,
  octets_sent: int,
  octets_acknowledged: int,
  octets_received: int
)

# Everything that is given has to fit. Addresses: ADDRESS or ADDRESS/LENGTH, as the guest sees them
type Filter (
  protocol: ?string,
  way: ?string,
  origin: ?string,
  state: ?string,
  rule: ?int,
  guest_address: ?string,
  guest_port: ?int,
  remote_address: ?string,
  remote_port: ?int
)

# As in the options: side host and protocol tcp are -t, host and udp -u, guest and tcp -T, guest and
# udp -U; ports is the value of the option, like 8080:80.
type RuleSpec (side: string, protocol: string, ports: string)

# How many, and which, like 1-79,81; more than 16 ranges end with ...
type Ports (count: int, ports: string)
type MissingPorts (count: int, ports: string, why: string)

# id: it is never given to another rule of this instance. owner: command line, pesto, or who the
# client said that it was. bound: where it listens now. missing: ports that could not be had when the
# rule came, if it is content without them. flows: how many have come through it; octets: payload.
type Rule (
  id: int,
  side: string,
  protocol: string,
  text: string,
  owner: string,
  bound: Ports,
  missing: []MissingPorts,
  flows: int,
  octets_to_guest: int,
  octets_from_guest: int
)

# What was counted since the start, by name: what happened; packets that nobody has to answer, no
# losses; packets that were dropped, and why; flows that ended, and why
type Counts (counters: [string]int, ignored: [string]int, drops: [string]int, ends: [string]int)

# A rule of the egress policy. text: as it was written, in that line of the file. private: the addresses
# of a name need not be public
type PolicyRule (number: int, action: string, text: string, file: string, line: int, private: ?bool)

# In the words of the language, tapioca-egress(5)
type Policy (
  profile: string,
  mode: string,
  tls: ?string,
  dns_types: ?[]string,
  limit: ?[string]any,
  rules: []PolicyRule
)

# severity: error or warning. key: like limit.rate. value: what stands there. cure: what would be right
type Finding (
  severity: string,
  file: string,
  line: int,
  key: string,
  value: string,
  what: string,
  cure: string
)

type PolicyFile (name: string, text: string)

# judged: whom the address of the guest's really means. verdict: allow, deny, or impossible whatever the
# policy says, in words. passes: whether it begins; in the mode audit it does. ground: rule, name (a rule
# for a name that has led there), profile, resolver, around_names, or nobody if there is no policy.
type Answer (
  address: string,
  judged: ?Endpoint,
  verdict: string,
  passes: ?bool,
  ground: ?string,
  classes: ?[]string,
  rule: ?PolicyRule,
  name: ?string,
  words: ?string
)

# start_words, start_directory: the command line that starts another such instance, which may take the
# place of this one by --take-over, and the directory from which its paths lead; not if that cannot be
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
  control_path: ?string,
  start_words: ?[]string,
  start_directory: ?string
)

method GetCounters() -> (total: Counts, workers: []Counts)

method ListRules() -> (rules: []Rule)

# Rules change as a whole or not at all, and those that stay go on undisturbed. A port below 1024 that
# was not bound at the start is refused.

# Adds a rule, or several. What is there already is no error and stays whose it is. owner: of what is
# new; control if it is not said.
method AddRule(rule: ?RuleSpec, rules: ?[]RuleSpec, owner: ?string) -> (rules: []Rule)

# Deletes the rule with that id, or what is written like it was added. owner: whose it has to be.
# Flows that came through it go on.
method DeleteRule(id: ?int, rule: ?RuleSpec, rules: ?[]RuleSpec, owner: ?string) -> ()

# Exchanges the rules of that owner, or those of everybody, for these
method ReplaceRules(rules: []RuleSpec, owner: ?string) -> (rules: []Rule)

# A name that the guest has asked for, and that a rule of the egress policy allows. seconds: for how
# long the address may still be connected to; longer, if a flow has it then.
type Name (name: string, addresses: [](address: string, seconds: int))

# With `more`: several replies, each with some of the names
method ListNames() -> (names: []Name)

# With `more`: several replies, each with some of the flows
method ListFlows(filter: ?Filter, details: ?bool) -> (flows: []Flow)

# Where the guest may connect. fixed: there is no --egress, and a policy cannot come later
method GetPolicy() -> (policy: Policy, locked: bool, fixed: bool)

# Exchanges the policy for what these files say together, as several --egress do, or changes nothing.
# Then flows are reset that it denies, and that is done when the reply comes. findings: warnings
method ReplacePolicy(files: []PolicyFile) -> (findings: []Finding)

# From now on only a policy is taken that lets no more through
method LockPolicy() -> ()

# Whether the guest may connect there, judged as if it did. destination: an address as the guest sees it,
# or a name, which means the addresses that it has led to; asked: whether the name may be asked for.
# protocol: tcp if it is missing, udp, or echo without a port
method WhyDestination(destination: string, port: ?int, protocol: ?string) -> (
  profile: string,
  mode: string,
  asked: ?(name: string, may_ask: bool, rule: ?PolicyRule),
  answers: []Answer
)

# With `more`: an empty reply at once, then one whenever something has happened, without end.
# Each event has `event`, what has happened; `topic`; and `time`, in milliseconds since 1970.
# lost: events that followed, which this client was too slow for.
# flow_opened, flow_closed, connect_failed: with id, protocol, way, origin, guest, remote and rule
# of the flow; with reason, words and duration_ms; octets_from_guest and octets_to_guest; error
# egress_denied: with protocol, origin, guest, remote and words; egress, the PolicyRule that denies it
method WatchFlows() -> (events: []object, lost: int)

# dropped: what was dropped within a second, as drops: [](reason, packets, total, words)
method WatchDrops() -> (events: []object, lost: int)

# topics: flows, drops, host; all of them if it is missing
method WatchEvents(topics: ?[]string) -> (events: []object, lost: int)

# Ends a flow; both its ends are told as far as the protocol lets them
method EndFlow(id: string) -> ()

# Captures frames of the guest's link, for clients that may change something, with `more`. A
# connected AF_UNIX socket of the type SOCK_SEQPACKET comes with the call (SCM_RIGHTS). Blocks
# of pcapng are sent to it, the first message being the beginning of a file; what it has no room
# for is lost, and the next block says how many frames that were. One reply says that it has
# begun; it lasts until the client says anything more, for which it may send its next call,
# or closes either socket, and then another reply has the counts.
# filter: a program of classic BPF for Ethernet, each instruction 8 octets in network order (code,
# jt, jf, k), in base64; empty, or without it: every frame. snaplen: octets of a frame that are
# kept. drops_only: only frames that are dropped. Those are there twice otherwise, the second
# time with a comment: drop_, the reason's name, a colon, and the reason in words. direction: in,
# from the guest, or out, to it; both without it.
method Capture(filter: ?string, snaplen: ?int, drops_only: ?bool, direction: ?string)
  -> (chosen: int, lost: int)

# The audit log goes on in the file that comes with the call (SCM_RIGHTS), opened to append. Its first
# line says that it was reopened. No line is lost, and none is written twice but one that the other
# file has not taken as a whole.
method ReopenAuditLog() -> ()

# For another process of the same user, which takes the place of this one; by a call with `upgrade`.
# What the two say to each other behind the reply is not varlink: doc/take_over.md
method HandOver() -> ()

error NoSuchFlow (id: string)
error AuditLogRefused (why: string)
error NoFrames (why: string)
error SocketNeeded ()
error TooManyCaptures (most: int)

# rule: which one, or empty
error RuleRefused (rule: string, why: string)

# rule: the id, or the rule as it would be shown
error NoSuchRule (rule: string)
error RuleOfAnother (id: int, owner: string)
error PermissionDenied (why: string)

error PolicyFaulty (findings: []Finding)
# why: what it would let through
error PolicyLocked (why: string)
error PolicyFixed (why: string)
)";

} // namespace

std::string_view description_of(std::string_view interface) noexcept
{
    return interface == service_interface ? service : interface == control_interface ? control : std::string_view{};
}

} // namespace tapioca::varlink
