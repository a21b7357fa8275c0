#!/usr/bin/env bats
# The simulation, in short: seeds through everything, the same run from the same seed, mistakes found.
load helper

simulate() { "$BUILD/tests/simulate" "$@"; }

@test "simulate: no seed loses, doubles or tears a message" {
  run simulate --jobs 2 --rounds 60 --messages 400 20261121
  assert_success
  assert_output --partial '; none lost'
}

# trace SEED: without what a sanitizer says of itself, which names its process.
trace() { simulate --messages 300 --trace "$1" 2>&1 >/dev/null | grep -v '^==[0-9]'; }

@test "simulate: the same seed gives the same run to the octet" {
  trace 7 >"$BATS_TEST_TMPDIR/first"
  trace 7 >"$BATS_TEST_TMPDIR/second"
  cmp "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/second"
  [ "$(wc -l <"$BATS_TEST_TMPDIR/first")" -gt 1000 ]
  trace 8 >"$BATS_TEST_TMPDIR/other"
  run cmp -s "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/other"
  assert_failure 1
}

@test "simulate: planted mistakes are found, with the seed that repeats them" {
  run simulate --jobs 2 --mistake all 1
  assert_success
  assert_output --partial ' 0 missed'
  run simulate --messages 500 --mistake no-dir-sync 1
  assert_failure
  assert_output --partial 'repeat it with: simulate --messages 500 --mistake no-dir-sync 1'
}
