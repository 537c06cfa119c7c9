#!/bin/sh
# tests/fuzz/run.sh SECONDS [TARGET...]: fuzzes every target (or those named) for SECONDS each and prints how many runs it made.
# What is found stays in build/fuzz/findings/TARGET; the corpus grows in build/fuzz/corpus, the committed seeds are only read.
set -eu
seconds=${1:?usage: run.sh SECONDS [TARGET...]}
shift
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
cmake --preset fuzz > /dev/null
cmake --build --preset fuzz --target fuzzers > /dev/null
[ $# -gt 0 ] || set -- $(cd tests/fuzz && ls -- *_fuzz.cpp | sed 's/_fuzz\.cpp$//')

failed=0
for target; do
    grown=build/fuzz/corpus/$target findings=build/fuzz/findings/$target
    mkdir -p "$grown" "$findings"
    log=$findings/log
    if "build/fuzz/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$findings/" "$grown" "tests/fuzz/corpus/$target" > "$log" 2>&1; then
        verdict=ok
    else
        verdict=FAILED
        failed=1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    printf '%-12s %12s runs  %s\n' "$target" "${runs:-?}" "$verdict"
    [ $verdict = ok ] || tail -n 40 "$log"
done
exit $failed
