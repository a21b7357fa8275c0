#!/usr/bin/env bats
# Each daemon gives up what it does not need: shown from inside its own jail.

load helper

setup() {
  site
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  nm "$(tool jailprobe)" 2>/dev/null | grep -q __asan && skip 'no jail under a sanitizer'
  ! "$(tool jailprobe)" spool4 "$MEMBER" 2>&1 | grep -q T01SM026W || skip 'this kernel has no Landlock'
}

# probe PROGRAM MEMBER [DIRECTORY]: refused to all of them.
probe() {
  run "$(tool jailprobe)" "$@"
  assert_success
  assert_line 'refused exec'
  assert_line 'refused mount'
  assert_line 'refused ptrace'
  assert_line 'refused core-dump'
  assert_line 'refused make-device'
  assert_line 'refused make-link'
  assert_line 'refused tcp-listen'
  rm -f /tmp/jailprobe.*
}

# The spool and nothing else.
spool_only() {
  assert_line 'allowed write-spool'
  assert_line 'refused write-outside'
  assert_line 'refused read-home'
  assert_line 'refused setuid'
}

no_network() {
  assert_line 'refused tcp-connect'
  assert_line 'refused udp'
}

@test "spool4: its spool and nothing else, no network at all" {
  probe spool4 "$MEMBER"
  spool_only
  no_network
  assert_line 'refused fork'
}

@test "usmtp: connects, never listens, never runs a program" {
  probe usmtp "$MEMBER"
  spool_only
  assert_line 'allowed tcp-connect'
}

@test "ssmtp: listens" {
  run "$(tool jailprobe)" ssmtp "$MEMBER"
  spool_only
  assert_line 'refused exec'
  assert_line 'allowed tcp-listen'
}

@test "printer: the child that converts has no network" {
  probe printer "$MEMBER"
  spool_only
  no_network
}

@test "postoffice: files of its users, no program, no network unless its LMTP server is a host" {
  probe postoffice "$MEMBER"
  assert_line 'allowed write-outside'
  assert_line 'allowed setuid'
  assert_line 'allowed fork'
  no_network
  { cat "$MEMBER" && echo 'DELIVER LMTP(127.0.0.1:24)'; } >"$BATS_TEST_TMPDIR/tcp"
  probe postoffice "$BATS_TEST_TMPDIR/tcp"
  assert_line 'allowed tcp-connect'
}

@test "postoffice: a delivery agent has one Maildir and nothing else" {
  mkdir -p "$BATS_TEST_TMPDIR/Maildir/work"
  probe agent - "$BATS_TEST_TMPDIR/Maildir"
  spool_only
  no_network
  assert_line 'refused fork'
  assert_line 'refused read-config'
}

@test "postoffice: who looks up a name reads the resolver's files and writes none" {
  probe lookup -
  assert_line 'allowed read-config'
  assert_line 'allowed udp'
  assert_line 'refused write-spool'
  assert_line 'refused write-outside'
  assert_line 'refused read-home'
  assert_line 'refused fork'
}

@test "submit and sndmsg: their user's files, no program, no network" {
  local program
  for program in submit sndmsg; do
    probe "$program" "$MEMBER"
    no_network
    assert_line 'refused fork'
    assert_line 'refused setuid'
  done
  probe submit-job "$MEMBER"
  assert_line 'allowed write-spool'
  assert_line 'refused write-outside'
}

@test "usertable and jes write nothing" {
  local program
  for program in usertable jes; do
    probe "$program" -
    no_network
    assert_line 'refused write-spool'
    assert_line 'refused write-outside'
    assert_line 'allowed read-home'
    assert_line 'refused fork'
    assert_line 'refused setuid'
  done
}
