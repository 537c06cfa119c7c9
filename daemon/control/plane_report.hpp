// What the workers say and count, as lines of the log.
#pragma once

#include "daemon/loop/worker_pool.hpp"
#include "daemon/report/event_table.hpp"

#include <string>

namespace tapioca::report {

/// One line for an event of a worker.
[[nodiscard]] std::string to_text(const worker_event& event);

[[nodiscard]] const char* words_of(end_reason why);

/// Writes it to the log, if that is to have it.
void log_event(const worker_event& event);

/// Under which names the reasons are counted, as doc/counters.md has them.
[[nodiscard]] std::string counter_name(end_reason why);
[[nodiscard]] std::string counter_name(drop_reason why);

/// Writes "counter NAME VALUE" for each sum that is not zero, and "worker N NAME VALUE" where there are several workers.
void log_counters(const worker_pool& workers);

/// How often each kind of descriptor woke the workers, together.
[[nodiscard]] event_counts events_of(const worker_pool& workers);

} // namespace tapioca::report
