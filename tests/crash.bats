#!/usr/bin/env bats
# The short form of the sweeps below tests/crash: kills, faults, power cuts, orders of calls, clocks, and some of the planted
# mistakes that they must catch. `make crash` is the long form.

load helper

CRASH=$ROOT/tests/crash

# counts WORD: the figure before WORD in the last line of what a sweep said.
counts() {
  tail -n 1 <<<"$output" | grep -oE "[0-9]+ $1" | grep -oE '^[0-9]+' || echo 0
}

# sweep LEAST WORD OPTION...: it holds, and struck at least so often.
sweep() {
  local least=$1 word=$2
  shift 2
  run "$CRASH/sweep" --short -j 2 "$@"
  [ "$status" -ne 77 ] || skip "$(grep -m 1 -o 'skipped.*' <<<"$output")"
  assert_success
  [ "$(counts "$word")" -ge "$least" ] || fail "only $(counts "$word") $word: $output"
}

@test "killed before and after calls of every scenario: nothing lost, half, or doubled" {
  sweep 400 kills kill
}

# NFS, some of FUSE; the second as where the kernel forbids links to another's file.
@test "the same where no rename can be told not to replace, nor a link be made" {
  sweep 100 kills kill --refuse renameat2=EINVAL -- spool4-mixed spool4-taken usmtp-offer sndmsg submit-two post-maildir ssmtp-journal
  sweep 80 kills kill --refuse renameat2=EINVAL --refuse linkat=EPERM -- spool4-mixed spool4-taken usmtp-offer sndmsg submit-two
}

@test "killed again while recovering" {
  sweep 100 'double kills' twice -- spool4-mixed usmtp-mixed submit-two sndmsg post-mixed printer-mail ssmtp
}

@test "disk full, over quota, failing, out of descriptors, out of processes" {
  sweep 500 faults fault -- spool4-mixed usmtp-mixed submit-two sndmsg post-mixed printer-mail ssmtp
}

@test "writes that take a part" {
  sweep 100 'short writes' short
}

@test "a sync that fails is never tried again as proof" {
  sweep 100 'failed syncs' sync
}

# Allocations of our own code; libraries' are in the long form.
@test "allocations fail: no mail without a part of its text" {
  export SPARE=/lib/
  run "$CRASH/sweep" -j 2 malloc -- spool4-good printer-mail
  [ "$status" -ne 77 ] || skip "$(grep -m 1 -o 'skipped.*' <<<"$output")"
  assert_success
  [ "$(counts allocations)" -ge 150 ]
  sweep 100 allocations malloc -- spool4-mixed usmtp-mixed submit-two sndmsg post-mixed ssmtp
}

@test "a file system that is really full" {
  sweep 50 'full file systems' full -- spool4-mixed usmtp-mixed submit-two sndmsg post-mixed printer-mail ssmtp
}

# powercut FS
powercut() {
  run "$CRASH/powercut" --short --fs "$1"
  [ "$status" -ne 77 ] || skip "$(grep -m 1 -o 'skipped.*' <<<"$output")"
  assert_success
  [ "$(counts cuts)" -ge 150 ] || fail "only $(counts cuts) cuts: $output"
}

@test "the power fails: ext4" {
  powercut ext4
}

@test "the power fails: xfs" {
  powercut xfs
}

@test "no call comes before the sync that it rests on" {
  run "$CRASH/order"
  assert_success
  [ "$(counts 'calls in order')" -ge 800 ]
}

@test "the clock steps and jumps: no name twice, nothing given up early, no storm" {
  run "$CRASH/clock"
  [ "$status" -ne 77 ] || skip "$output"
  assert_success
  assert_line --regexp '^2[0-9] moments, [0-9]+ steps, 0 failed$'
}

@test "every planted mistake fits the sources" {
  local mistake
  for mistake in "$CRASH"/mistakes/*.patch; do
    run patch -d "$ROOT" -p1 --dry-run -f -i "$mistake"
    assert_success
  done
}

@test "planted mistakes are caught" {
  ! grep -q __asan_init "$BUILD/spool4" || skip 'the copy would not have the sanitizers of this build'
  run "$CRASH/plant" rename-before-sync delete-before-250 sync-error-ignored
  assert_success
  assert_line --regexp '^3 mistakes, 3 caught, 0 not'
}

@test "a sweep that strikes nothing is none" {
  printf '%s\n' "row idle 'nothing is done'" "command_is 'bash -c :'" "recover 'spool4 --once'" "expect '0 mail a a'" >"$BATS_TEST_TMPDIR/idle"
  printf '%s\n' "row absent 'a program that is not there'" 'needs no-such-program' >"$BATS_TEST_TMPDIR/absent"
  run env SCENARIOS="$BATS_TEST_TMPDIR/idle" "$CRASH/sweep" kill
  assert_failure 1
  assert_line --partial 'nothing was struck'
  run env SCENARIOS="$BATS_TEST_TMPDIR/absent" "$CRASH/sweep" kill
  assert_failure 77
  assert_line 'skipped: absent: no-such-program is not built'
}

# What 10,000 files cost at the next start, in ms of the processor: under load the clock on the wall says nothing.
cost_of() {
  local TIMEFORMAT='%U %S' times
  times=$({ time "$@" >"$BATS_TEST_TMPDIR/out" 2>&1; } 2>&1) || fail "$(cat "$BATS_TEST_TMPDIR/out")"
  awk '{ printf "%d", ($1 + $2) * 1000 }' <<<"$times"
}

# many: two spool files for 5000 recipients each.
many() {
  local i
  for i in 1 2; do
    { echo 'X-From: CDoaks@mail.example.org'; seq -f "X-To: u%.0f@d$i.example" 5000; printf 'Subject: s\n\ntext\n'; } >"$SPOOL/jes/RMT21/.m$i"
    mv "$SPOOL/jes/RMT21/.m$i" "$SPOOL/jes/RMT21/m$i"
  done
}

# nothing_left: all 10,000 are in mail/, and nothing is where only work has its place.
nothing_left() {
  assert_equal "$(grep -c '^X-To: <u[0-9]*@d[12].example>$' <(sed -s -n 2p "$SPOOL"/mail/OUT*))" 10000
  assert_equal "$(sed -s -n 2p "$SPOOL"/mail/OUT* | sort -u | wc -l)" 10000
  run find "$SPOOL" -name '.spool-*' -o -path '*/work/*' ! -name '*.lock' ! -name NAMES ! -name CHKPT ! -name POSTCHK
  assert_output ''
}

@test "recovery of 10,000 files costs less than 2 s, and leaves no temporary file" {
  local killat when ms asan=1 i
  killat=$(tool killat)
  ! grep -q __asan_init "$BUILD/spool4" || asan=10
  site "DOMAIN(*) HOST([127.0.0.1]) PORT($(free_port))"
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  # Just not committed, just committed: all files are the recovery's.
  for when in before after; do
    many
    run "$killat" -o /dev/null --limit 100 --only renameat --path '\.done$' "$when" 1 -- "$BUILD/spool4" -C "$MEMBER" --once --log stderr
    assert_failure 137
    assert_equal "$(find "$SPOOL/work" -name 'OUT*' | wc -l)" 10000
    for i in $(seq 100); do
      : >"$SPOOL/jes/RMT21/.spool-$(printf '%016x' "$i")"
    done
    # What goes back to its queue would be converted at once: that is another matter.
    [ "$when" = after ] || rm "$SPOOL"/work/spool4.*.open/in/*
    ms=$(cost_of "$BUILD/spool4" -C "$MEMBER" --once --log stderr)
    echo "# $when the commit: $ms ms" >&3
    ((ms < 2000 * asan))
  done
  nothing_left
  # usmtp finds them all; nobody answers there.
  ms=$(cost_of "$BUILD/usmtp" -C "$MEMBER" --once --log stderr)
  echo "# usmtp: $ms ms" >&3
  ((ms < 2000 * asan))
  nothing_left
}
