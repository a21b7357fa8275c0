#!/usr/bin/env bats
# usertable: the commands on the password file.

load helper

# A site with a password file, whose folder is the test's own.
password_site() {
  site
  sed -i "s|REMOTE(RMT21)|REMOTE(RMT21) PASSWORDS($SITE/PASSWORD)|" "$MEMBER"
}

@test "password: set, listed, set anew, removed; the file is its owner's alone, and no password is in it" {
  local before
  password_site
  run "$BUILD/usertable" password -C "$MEMBER" cdoaks <<<'a good one'
  assert_success
  assert_output "CZQ14CD: password set in $SITE/PASSWORD; ssmtp takes it over at SIGHUP"
  assert_equal "$(stat -c %a "$SITE/PASSWORD")" 600
  run ! grep -q 'good' "$SITE/PASSWORD"
  run "$BUILD/usertable" password -C "$MEMBER" ABCDEF <<<'another'
  assert_success
  run "$BUILD/usertable" passwords -C "$MEMBER"
  assert_output $'ABCDEF\nCZQ14CD'
  before=$(grep -v CZQ14CD "$SITE/PASSWORD")
  "$BUILD/usertable" password -C "$MEMBER" CZQ14CD <<<'a good one'
  assert_equal "$(grep -v CZQ14CD "$SITE/PASSWORD")" "$before"
  assert_equal "$(grep -c CZQ14CD "$SITE/PASSWORD")" 1
  run "$BUILD/usertable" nopassword -C "$MEMBER" czq14cd
  assert_success
  run "$BUILD/usertable" passwords -C "$MEMBER"
  assert_output ABCDEF
  run "$BUILD/usertable" nopassword -C "$MEMBER" CZQ14CD
  assert_failure 67
}

@test "password: what cannot be one is refused, and a faulty file is not touched" {
  local input
  password_site
  for input in '\n' 'a\nb\n' 'a\0b\n' '\a\n' '\xff\n' "$(printf 'x%.0s' {1..1100})\n"; do
    run bash -c "printf '$input' | '$BUILD/usertable' password -C '$MEMBER' CZQ14CD"
    assert_failure 65
    assert_output --partial 'the password: it '
    assert [ ! -e "$SITE/PASSWORD" ]
  done
  run "$BUILD/usertable" password -C "$MEMBER" nobody <<<x
  assert_failure 67
  run "$BUILD/usertable" password -f "$SITE/USERTBL" CZQ14CD <<<x
  assert_failure 64
  run "$BUILD/usertable" password -C "$MEMBER" <<<x
  assert_failure 64
  "$BUILD/usertable" password -C "$MEMBER" CZQ14CD <<<x
  echo 'ABCDEF secret' >>"$SITE/PASSWORD"
  cp "$SITE/PASSWORD" "$SITE/before"
  run "$BUILD/usertable" password -C "$MEMBER" CZQ14CD <<<y
  assert_failure 65
  assert_output --partial "$SITE/PASSWORD: line 4, column 8: write SCRAM-SHA-256"
  cmp "$SITE/PASSWORD" "$SITE/before"
  chmod 644 "$SITE/PASSWORD"
  run "$BUILD/usertable" passwords -C "$MEMBER"
  assert_failure 66
  assert_output --partial 'chmod 600'
}

@test "password: a terminal is asked twice and shows nothing" {
  password_site
  run expect -c "
    spawn $BUILD/usertable password -C $MEMBER CZQ14CD
    expect Password:; send \"hidden one\r\"; expect Again:; send \"hidden one\r\"; expect eof
    spawn $BUILD/usertable password -C $MEMBER CZQ14CD
    expect Password:; send \"hidden one\r\"; expect Again:; send \"hidden two\r\"; expect eof
    spawn $BUILD/usertable password -C $MEMBER CZQ14CD
    expect Password:; send \"\003\r\"; expect eof"
  refute_output --partial 'hidden'
  assert_output --partial 'CZQ14CD: password set'
  assert_output --partial 'it was not typed twice alike'
  assert_output --partial 'a control or another character'
}
