#!/bin/sh
# tests/fuzz/run.sh SECONDS [TARGET...]: fuzzes every target (or those named) for SECONDS each and prints how many runs that were.
set -eu
TAPIOCA_FUZZ_SECONDS=${1:?usage: run.sh SECONDS [TARGET...]}
export TAPIOCA_FUZZ_SECONDS
shift
cd "$(dirname "$0")/../.."
cmake --preset fuzz > /dev/null
cmake --build --preset fuzz --target fuzzers > /dev/null
[ $# -gt 0 ] || set -- $(cd tests/fuzz && ls -- *_fuzz.cpp | sed 's/_fuzz\.cpp$//')

failed=0
for target; do
    tests/fuzz/run_one.sh "build/fuzz/tests/fuzz/fuzz_$target" "$target" || failed=1
done
exit $failed
