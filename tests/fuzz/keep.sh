#!/bin/sh
# tests/fuzz/keep.sh [TARGET...]: what fuzzing has found so far (run.sh), reduced to the fewest inputs that reach all the code it
# reached, becomes the committed corpus of every target, or of those named.
set -eu
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- $(cd tests/fuzz && ls -- *_fuzz.cpp | sed 's/_fuzz\.cpp$//')
for target; do
    program=build/fuzz/tests/fuzz/fuzz_$target
    seeds=tests/fuzz/corpus/$target
    kept=$(mktemp -d)
    mkdir -p "$seeds" "build/fuzz/tests/fuzz/corpus/$target"
    # How often a branch was taken counts for finding new inputs, not for keeping them.
    "$program" -set_cover_merge=1 -use_counters=0 "$kept" "build/fuzz/tests/fuzz/corpus/$target" "$seeds" > /dev/null 2>&1
    rm -f "$seeds"/*
    cp "$kept"/* "$seeds"
    rm -r "$kept"
    printf '%-14s %4d inputs\n' "$target" "$(ls "$seeds" | wc -l)"
done
