// The stages of the start, in the order in which run() lists them: what each needs, and what it leaves for the next.
#pragma once

#include "daemon/config/port_rules.hpp"
#include "daemon/control/audit_log.hpp"
#include "daemon/control/control.hpp"
#include "daemon/control/egress_in_force.hpp"
#include "daemon/control/pesto_server.hpp"
#include "daemon/control/plane_watch.hpp"
#include "daemon/control/port_follower.hpp"
#include "daemon/follow/resolver_watcher.hpp"
#include "daemon/migrate/hand_over.hpp"
#include "daemon/migrate/predecessor.hpp"
#include "daemon/names/name_forwarder.hpp"
#include "daemon/os/daemonize.hpp"
#include "daemon/os/notify.hpp"
#include "daemon/start_up/plane_parts.hpp"

namespace tapioca {

class migration;

// egress.cpp
/// Where the guest may connect, as --egress says.
struct egress_at_start {
    std::shared_ptr<const egress_policy> policy; ///< null: anywhere
    written_policy written;                      ///< what it was made from
    std::vector<std::string> warnings;           ///< for the log, in order
};
/// Reads the policies with the rights that the program was started with. Throws early_exit with a line for each fault.
[[nodiscard]] egress_at_start read_egress(const options& opts);
/// Tells the log. The policy.
[[nodiscard]] std::shared_ptr<const egress_policy> told_of(const egress_at_start& egress);
/// What was opened and read before the parts were there.
void complete(plane_parts& parts, os::unique_fd pcap, const egress_at_start& egress);

// descriptors.cpp
/// The guest that whoever started us has connected already: a descriptor that neither stands in the way of standard input and
/// output nor is closed with the other inherited ones. Empty without --fd.
[[nodiscard]] os::unique_fd inherited_client(const options& opts);
/// The one whose other end is open as long as we are wanted, under the number that it has. Empty without --exit-fd.
[[nodiscard]] os::unique_fd inherited_exit(const options& opts);

/// Files that the user named, created with the rights that the program was started with.
struct named_files {
    os::unique_fd null, pid, log, pcap, audit;
};
[[nodiscard]] named_files create_files(const options& opts);
/// And tells it of a limit that is low.
void start_log(const options& opts, named_files& files);
/// Listening sockets, and as many flows as an ordinary guest has at once.
void make_room_for_descriptors(const options& opts) noexcept;

// caller.cpp
/// The service manager that waits for our READY=1. In the background the end of the parent says that we are ready, and that is
/// all.
[[nodiscard]] os::service_manager connect_service_manager(const options& opts);
/// Who reads resolv.conf for us once we cannot; empty where that cannot be, or is of no use. While the host's files are there.
[[nodiscard]] std::optional<resolver_watcher> watch_resolvers(const options& opts);
/// The last step with a filesystem, and the last with one process.
[[nodiscard]] os::readiness leave_the_caller(const options& opts, sandbox& box, named_files& files);

// rights.cpp
/// Root of the machine never goes on as root unless told to.
void assume_identity(const options& opts, sandbox& box);
/// The system calls that this run still needs. `bypass`: traffic may go past the tap.
[[nodiscard]] seccomp::profile what_is_left(const options& opts, const netns::target& target, const plane_config& config,
                                            bool bypass);

// succession.cpp
/// The sockets of the host's rules. Not with --take-over, where others have them; but low ports may be root's.
[[nodiscard]] opened_listeners listen_on_host(const options& opts);
/// Who served before us, with what it had, and the rest of the sockets of the host's rules; null without --take-over.
[[nodiscard]] std::unique_ptr<migrate::predecessor> find_predecessor(const options& opts, opened_listeners& on_host);
/// Starts the workers; with a predecessor they stand still until its flows are here.
void start_workers(worker_pool& workers, const migrate::predecessor* before);

// kernel_report.cpp
/// Tells the log of the rules, and in detail of what was found out about the kernel. Behind all that may be refused: callers show
/// the first line of a failure.
void report_rules_and_kernel(const options& opts, const plane_parts& parts);

// assembly.cpp
/// Whether the guest is told of changes by taking the carrier of its interface away for a moment.
[[nodiscard]] bool sets_carrier(const options& opts);
/// Sockets of the namespace are needed while the program runs if loopback traffic goes past the tap, and its interface is given
/// what the host has if it was configured and is to follow. Null if there is nothing to do in there.
[[nodiscard]] std::unique_ptr<netns::resident> make_resident(const options& opts, const plane_parts& parts,
                                                             netns::target& target);
/// For the rules that follow the other side; null if there are none. The resident outlives it.
[[nodiscard]] std::unique_ptr<port_follower> follow_ports(const options& opts, plane_parts& parts, netns::resident* resident);
/// The rules in force, and the server of --conf-path, if it was given.
struct rule_service {
    os::unique_fd listener;
    rules_in_force::beginning beginning;
    std::unique_ptr<rules_in_force> rules;
    std::unique_ptr<pesto_server> pesto;
};
[[nodiscard]] rule_service serve_rules(const options& opts, plane_parts& parts);
/// What rules are made of while the program runs. All of it outlives the loop.
struct rule_makers {
    const port_facts& facts;
    worker_pool& workers;
    netns::resident* resident;
    port_follower* follower;
};
void begin_service(const options& opts, rule_service& service, const rule_makers& makers, control& ctl);
/// Who is told of changes. All of it outlives the loop.
struct told_of_changes {
    int tap; ///< its descriptor; -1 if there is none
    worker_pool& workers;
    event_stream& events;
    netns::resident* resident;
};
/// For --follow; null if nothing is followed.
[[nodiscard]] std::unique_ptr<control_service> begin_following(const options& opts, plane_parts& parts,
                                                               std::optional<resolver_watcher> resolvers,
                                                               const rules_in_force& rules, const told_of_changes& who,
                                                               control& ctl);
/// For a guest that shares its memory; null: there is none. The workers outlive it.
[[nodiscard]] std::unique_ptr<migration> make_migration(const options& opts, plane_parts& parts, worker_pool& workers);
void begin_migration(migration* migrates, control& ctl);
/// Who writes what the workers record; null without --audit-log.
[[nodiscard]] std::unique_ptr<audit_log> keep_audit(const options& opts, named_files& files, worker_pool& workers);
/// Who hears of what the workers tell. All of it outlives the loop.
struct told_by_workers {
    plane_watch& watch;
    audit_log* audit;          ///< null: there is none
    const migration* migrates; ///< null: no guest can
};
/// What the loop does with the workers, what they tell, and the follower, if there is one; all outlive it.
[[nodiscard]] control_hooks hooks_of(const options& opts, worker_pool& workers, const told_by_workers& told,
                                     port_follower* follower);

// names.cpp
/// If the egress policy has names, what the guest's queries are led to, which the policy is told of; else nothing.
[[nodiscard]] std::optional<name_forwarder::beginning> open_names(const options& opts, plane_parts& parts);
/// Serves them; null if there are none. It outlives the loop. `audit` may be null; else it learns of names from here.
[[nodiscard]] std::unique_ptr<name_forwarder> begin_names(std::optional<name_forwarder::beginning> begun, worker_pool& workers,
                                                          audit_log* audit, control& ctl);

// egress.cpp
/// What of the policy goes on while the program runs. It outlives the loop.
struct served_egress {
    std::unique_ptr<name_forwarder> names; ///< null: the policy has none
    std::unique_ptr<egress_in_force> policies;
};
[[nodiscard]] served_egress serve_egress(const options& opts, egress_at_start egress,
                                         std::optional<name_forwarder::beginning> names, worker_pool& workers, audit_log* audit,
                                         control& ctl);

// control_sockets.cpp
/// What clients see and change beside the workers. All of it outlives the loop.
struct shown_parts {
    rules_in_force& rules;
    egress_in_force& egress;
    plane_watch& watch;
    const name_register* names;  ///< null: the policy has none
    audit_log* audit;            ///< null: there is none
    migrate::link_at_start link; ///< for who takes our place
};
/// Serves --control, which tells what is watched; null if nobody is to see us. It is called in the process that serves, in the
/// host's network namespace.
[[nodiscard]] std::unique_ptr<control_service> begin_control(const options& opts, control_access access, os::readiness& ready,
                                                             worker_pool& workers, const shown_parts& shown, control& ctl);

// serve.cpp
/// What waits for us to be ready.
struct waiting {
    os::readiness& caller;
    os::service_manager& manager;
    migrate::predecessor* before; ///< whose place we take first; null: nobody's
};
/// What is left to do when everything is sealed: say so, and serve. `tap`: its descriptor; -1 if there is none. `audit`: null if
/// there is none. The exit status.
[[nodiscard]] int serve(const options& opts, netns::target& target, int tap, waiting who, worker_pool& workers, audit_log* audit,
                        control& ctl) noexcept;

} // namespace tapioca
