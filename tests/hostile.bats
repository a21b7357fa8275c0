#!/usr/bin/env bats
# A hostile local user and the directories that he may write to: jes/<REMOTE> and mail/; jes/POST is closed to him. He is
# nobody, the programs run as daemon, and another user's mail lies beside what he drops.

load helper

setup() {
  [ "$(id -u)" -eq 0 ] || skip 'needs root, to become a user and to see what he did'
  PORT=$(free_port)
  site "DOMAIN(*) HOST([127.0.0.1]) PORT($PORT)"
  sed -i 's/REMOTE(RMT21)/REMOTE(RMT21) QUIET(1S)/; s/LOGIN(no-such-user)/LOGIN(games)/' "$MEMBER" "$SITE/USERTBL"
  open_site
  install -d -o daemon -g daemon "$SPOOL"
  service spool4
  service usmtp
  SECRET=$BATS_TEST_TMPDIR/secret
  echo 'the word is XYZZY' >"$SECRET"
  chown games "$SECRET"
  chmod 600 "$SECRET"
}

# service NAME [OPTION]...: one pass of a daemon as the spool's user, bounded in time.
service() {
  as daemon timeout 60 "$BUILD/$1" -C "$MEMBER" --log stderr --once "${@:2}" 2>&1
}

as() {
  local user=$1
  shift
  setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups --inh-caps=-all "$@"
}

# hostile COMMAND...: as the hostile user, with the queue and the secret in its environment.
hostile() {
  as nobody env Q="$1" SECRET="$SECRET" HOME=/ sh -c "cd / && $2"
}

mail() {
  printf 'X-From: ABaker@mail.example.org\nX-To: friend@far.example\nSubject: s\n\nhonest\n'
}

# honest DIR NAME: mail of games, readable for the spool's group as its program makes it.
honest() {
  mail >"$BATS_TEST_TMPDIR/honest"
  chown games "$BATS_TEST_TMPDIR/honest"
  chmod 644 "$BATS_TEST_TMPDIR/honest"
  cp -p "$BATS_TEST_TMPDIR/honest" "$1/.$2"
  mv "$1/.$2" "$1/$2"
}

# What a hostile user makes: its name, a command that makes it at @, and the word that its reason has.
ATTACKS='link|ln -s "$SECRET" @|symbolic link
dangling|ln -s /nowhere/at/all @|symbolic link
loop|ln -s loop @|symbolic link
parent|ln -s ../../../../../../etc/passwd @|symbolic link
hard|echo x >"$Q/.hard" && ln "$Q/.hard" @|hard link
fifo|mkfifo @|FIFO
socket|python3 -c "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])" @|socket
sparse|truncate -s 8G @|MAXSIZE|no end within
closed|(umask 777 && echo x >@)|mode
-rf|echo x >@|Reason'

# as_data_sets: the same under the names of data sets.
as_data_sets() {
  local n=0 line
  ATTACKS=$(while read -r line; do
    n=$((n + 1))
    printf 'OUT.D26001.T0000000.N%04d|%s\n' "$n" "${line#*|}"
  done <<<"$ATTACKS")
}

# root makes what the user cannot, and gives it to him.
gifts() {
  mknod "$1/null" c 1 3
  mknod "$1/zero" c 1 5
  mknod "$1/disk" b 7 200
  chown nobody "$1/null" "$1/zero" "$1/disk"
  chmod 666 "$1/null" "$1/zero" "$1/disk"
}

make_attacks() {
  local name command reason
  while IFS='|' read -r name command reason; do
    hostile "$1" "${command//@/\"\$Q/$name\"}" || fail "$name cannot be made"
  done <<<"$ATTACKS"
  gifts "$1"
}

# expect_refused: each lies in HOLD as it is, with its reason; nothing is left, nothing was read.
expect_refused() {
  local name command reason
  while IFS='|' read -r name command reason; do
    [ -e "$SPOOL/jes/HOLD/$name" ] || [ -L "$SPOOL/jes/HOLD/$name" ] || fail "$name is not in HOLD"
    grep -qE -- "$reason" "$SPOOL/jes/HOLD/$name.REASON" || fail "$name: $(cat -- "$SPOOL/jes/HOLD/$name.REASON")"
  done <<<"$ATTACKS"
  for name in null zero disk; do
    grep -qE "device|no mail data set's name" "$SPOOL/jes/HOLD/$name.REASON"
  done
  expect_secret
}

# The other user's file is as it was, and nothing of it is anywhere else.
expect_secret() {
  assert_equal "$(cat "$SECRET")" 'the word is XYZZY'
  assert_equal "$(stat -c '%U %a %h' "$SECRET")" 'games 600 1'
  run grep -rls -D skip XYZZY "$SPOOL"
  assert_output ''
}

count_sent() {
  ls "$BATS_TEST_TMPDIR/sink/new" 2>/dev/null | wc -l
}

sink() {
  start_server sink "$(tool smtpsink)" -p "$PORT" --maildir "$BATS_TEST_TMPDIR/sink"
  wait_for_port "$PORT"
}

@test "jes/RMT21: links, FIFO, socket, devices, 8 GiB of nothing are held with a reason; the neighbour goes on" {
  make_attacks "$SPOOL/jes/RMT21"
  honest "$SPOOL/jes/RMT21" neighbour
  sleep 2.1 # QUIET, twice
  run service spool4
  assert_success
  refute_output --partial XYZZY
  expect_refused
  assert_equal "$(find "$SPOOL/mail" -name 'OUT*' | wc -l)" 1
  grep -q honest "$SPOOL"/mail/OUT*
}

@test "mail/: the same of usmtp" {
  as_data_sets
  make_attacks "$SPOOL/mail"
  honest "$SPOOL/mail" OUT.D26001.T0000000.N0099
  sink
  sleep 2.1
  run service usmtp
  assert_success
  refute_output --partial XYZZY
  expect_refused
  assert_equal "$(count_sent)" 1
}

@test "mail/: other names, false offers, and junk in the wake FIFO" {
  local q=$SPOOL/mail
  hostile "$q" '{
    ln -s "$SECRET" "$Q/notes"; mkfifo "$Q/pipe"; truncate -s 8G "$Q/hole"
    ln -s / "$Q/.OFFER-0123456789ABCDEF.done"; echo x >"$Q/.OFFER-1123456789ABCDEF.done"
    mkfifo "$Q/.OFFER-2123456789ABCDEF.done"; mkdir -m 0 "$Q/.OFFER-3123456789ABCDEF.done"
    mkdir -m 777 "$Q/.OFFER-4123456789ABCDEF.done" && cd "$Q/.OFFER-4123456789ABCDEF.done" &&
    ln -s "$SECRET" 0001; mkfifo 0002; ln -s "$SECRET" OUT.D26001.T0000000.N0009; truncate -s 8G 0003; echo x >-rf; }'
  honest "$q" OUT.D26001.T0000000.N0010
  sink
  sleep 2.1
  run service usmtp
  assert_success
  expect_secret
  assert_equal "$(count_sent)" 1
  # Junk in the FIFO: filled while nobody reads, it keeps no daemon from its work.
  run hostile "$q" 'timeout 1 dd if=/dev/zero of="$Q/.WAKE" oflag=nonblock bs=1000 count=100'
  run service usmtp
  assert_success
  for name in notes pipe hole; do
    assert_file_exists "$SPOOL/jes/HOLD/$name.REASON"
  done
}

@test "a directory that cannot be moved away is told once, and nobody waits for it" {
  hostile "$SPOOL/jes/RMT21" 'mkdir -m 700 "$Q/mine" && echo x >"$Q/mine/file"'
  honest "$SPOOL/jes/RMT21" neighbour
  sleep 2.1
  run service spool4
  assert_success
  assert_equal "$(grep -c T01SM032W <<<"$output")" 1
  assert_equal "$(find "$SPOOL/mail" -name 'OUT*' | wc -l)" 1
}

@test "nobody reads, alters, moves or removes another's mail, or what was made of it" {
  local q
  for q in "$SPOOL/jes/RMT21" "$SPOOL/mail"; do
    honest "$q" theirs
    chmod 640 "$q/theirs"
    run hostile "$q" 'ls "$Q"'
    assert_failure
    run hostile "$q" 'cat "$Q/theirs"'
    assert_failure
    run hostile "$q" 'echo x >>"$Q/theirs"'
    assert_failure
    run hostile "$q" 'mv "$Q/theirs" "$Q/mine"'
    assert_failure
    run hostile "$q" 'rm -f "$Q/theirs"'
    assert_failure
    run hostile "$q" 'echo x >"$Q/new" && mv -f "$Q/new" "$Q/theirs"'
    assert_failure
    run hostile "$q" 'ln "$Q/theirs" "$Q/twin"'
    assert_failure
    cmp "$BATS_TEST_TMPDIR/honest" "$q/theirs"
    rm "$q/theirs"
  done
  honest "$SPOOL/jes/RMT21" theirs
  service spool4
  for q in "$SPOOL"/mail/OUT* "$SPOOL/work/NAMES"; do
    run hostile "$q" 'cat "$Q"'
    assert_failure
  done
}

@test "jes/POST, PRT, HOLD, DEAD and work are closed: nothing can be dropped, listed or read" {
  local q
  for q in jes/POST jes/PRT jes/HOLD jes/DEAD work; do
    echo theirs >"$SPOOL/$q/theirs"
    run hostile "$SPOOL/$q" 'echo x >"$Q/new"'
    assert_failure
    run hostile "$SPOOL/$q" 'ln -s "$SECRET" "$Q/link"'
    assert_failure
    run hostile "$SPOOL/$q" 'mkfifo "$Q/fifo"'
    assert_failure
    run hostile "$SPOOL/$q" 'ls "$Q" || cat "$Q/theirs"'
    assert_failure
    assert_equal "$(ls "$SPOOL/$q" | grep -cxE 'new|link|fifo')" 0
    rm "$SPOOL/$q/theirs"
  done
}

@test "jes/POST: what its own group puts there is refused with a reason as well" {
  echo "DELIVER MAILDIR($BATS_TEST_TMPDIR/box/%i)" >>"$MEMBER"
  install -d -o daemon "$BATS_TEST_TMPDIR/box"
  chmod 1777 "$SPOOL/jes/POST"
  make_attacks "$SPOOL/jes/POST"
  printf 'X-From: <a@b.example>\nX-To: <ABCDEF@MYHOST>\nReceived: by x\nSubject: s\n\nhonest\n' >"$SPOOL/jes/POST/neighbour"
  chown daemon "$SPOOL/jes/POST/neighbour"
  sleep 2.1
  run service postoffice
  assert_success
  refute_output --partial XYZZY
  expect_refused
  assert_equal "$(find "$BATS_TEST_TMPDIR/box/ABCDEF/new" -type f | wc -l)" 1
}
