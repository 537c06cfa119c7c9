#!/bin/sh
# tests/fuzz/run_one.sh PROGRAM TARGET: fuzzes for TAPIOCA_FUZZ_SECONDS (60) and prints how many runs that were. What is found stays
# in findings/TARGET beside the program, and the corpus grows in corpus/TARGET there; the committed seeds are only read.
set -eu
program=$1 target=$2
seeds=$(cd "$(dirname "$0")" && pwd)/corpus/$target
work=$(dirname "$program")
grown=$work/corpus/$target
findings=$work/findings/$target
mkdir -p "$grown" "$findings"
[ -d "$seeds" ] || seeds=
verdict=ok
"$program" -max_total_time="${TAPIOCA_FUZZ_SECONDS:-60}" -timeout=60 -print_final_stats=1 -artifact_prefix="$findings/" \
    "$grown" ${seeds:+"$seeds"} > "$findings/log" 2>&1 || verdict=FAILED
runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$findings/log")
printf '%-12s %12s runs  %s\n' "$target" "${runs:-?}" "$verdict"
[ $verdict = ok ] && exit
tail -n 40 "$findings/log"
exit 1
