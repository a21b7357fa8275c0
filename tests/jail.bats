#!/usr/bin/env bats
# Each daemon gives up what it does not need: shown from inside its own jail.

load helper

setup() {
  site
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  nm "$(tool jailprobe)" 2>/dev/null | grep -q __asan && skip 'no jail under a sanitizer'
  ! "$(tool jailprobe)" spool4 "$MEMBER" 2>&1 | grep -q T01SM026W || skip 'this kernel has no Landlock'
}

probe() {
  run "$(tool jailprobe)" "$1" "$MEMBER"
  assert_success
  assert_line 'allowed write-spool'
  assert_line 'refused write-outside'
  assert_line 'refused read-home'
  assert_line 'refused exec'
  assert_line 'refused mount'
  assert_line 'refused ptrace'
  assert_line 'refused setuid'
  assert_line 'refused core-dump'
}

@test "spool4: its spool and nothing else, no network at all" {
  probe spool4
  assert_line 'refused tcp-connect'
  assert_line 'refused tcp-listen'
}

@test "usmtp: connects, never listens, never runs a program" {
  probe usmtp
  assert_line 'allowed tcp-connect'
  assert_line 'refused tcp-listen'
}

@test "ssmtp: listens" {
  probe ssmtp
  assert_line 'allowed tcp-listen'
}
