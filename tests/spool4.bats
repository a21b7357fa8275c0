#!/usr/bin/env bats
# spool4: files dropped into jes/RMT21 become mail data sets, all or none, exactly once.

load helper

setup() {
  site
  spool4 --check >/dev/null
  spool4 --once
  QUEUE=$SPOOL/jes/RMT21
}

spool4() {
  "$BUILD/spool4" -C "$MEMBER" --log stderr "$@"
}

# drop NAME: standard input, whole at once, as mv would do it.
drop() {
  cat >"$SPOOL/jes/RMT21/.$1"
  mv "$SPOOL/jes/RMT21/.$1" "$SPOOL/jes/RMT21/$1"
}

data_sets() {
  find "$SPOOL/mail" -type f ! -name '.*' | sort
}

has_data_sets() {
  [ -n "$(data_sets)" ]
}

# data_set N: the text of the Nth data set.
data_set() {
  cat "$(data_sets | sed -n "${1}p")"
}

# expect_held NAME TEXT: it lies unchanged in HOLD, its reason holds TEXT, and nothing was sent.
expect_held() {
  assert_file_exists "$SPOOL/jes/HOLD/$1.REASON"
  run cat "$SPOOL/jes/HOLD/$1.REASON"
  assert_output --partial "$2"
  [ -e "$SPOOL/jes/HOLD/$1" ] || [ -L "$SPOOL/jes/HOLD/$1" ]
  run data_sets
  assert_output ''
}

mail() {
  printf 'X-From: CDoaks@mail.example.org\nX-To: abcdef@remotehost\nSubject: %s\n\ntext\n' "${1:-test}"
}

@test "a file for two recipients becomes two data sets of one recipient each" {
  printf 'X-From: CZQ14CD@mail.example.org\nX-To: a@one.example\nX-To: <b@two.example>\nSubject: s\n\nbody\n' | drop job
  run spool4 --once
  assert_success
  assert_output --partial 'T01SM030I'
  run data_sets
  assert_output --regexp 'OUT\.D[0-9]{5}\.T[0-9]{6}0\.N[0-9]{4}'
  assert_equal "${#lines[@]}" 2
  run data_set 1
  assert_line --index 0 'X-From: <CZQ14CD@mail.example.org>'
  assert_line --index 1 'X-To: <a@one.example>'
  assert_line --index 2 --regexp '^Received: by mail\.example\.org \(SPOOL#4, job DROPPED JOB[0-9]{5}, owner '
  assert_line --regexp '^Date: '
  assert_line --regexp '^Message-ID: <.*@mail\.example\.org>$'
  run data_set 2
  assert_line --index 1 'X-To: <b@two.example>'
  assert_dir_empty() { [ -z "$(ls "$1")" ]; }
  assert_dir_empty "$QUEUE"
}

@test "Date, Message-ID and From stay as the job wrote them" {
  printf 'X-From: a@b.example\nX-To: c@d.example\ndate: Tue, 7 Nov 89 11:08:49 EST\nMESSAGE-ID: <mine@b.example>\nFrom: x@y.example\n\nbody\n' | drop job
  run spool4 --once
  assert_success
  run data_set 1
  assert_equal "$(grep -ci '^date:' <<<"$output")" 1
  assert_equal "$(grep -ci '^message-id:' <<<"$output")" 1
  assert_equal "$(grep -ci '^from:' <<<"$output")" 1
}

@test "the envelope in every attested spelling" {
  printf 'X-FROM:a@b.example\nx-to:<c@d.example>\nX-To: e@f.example\nX-to:g@h.example  \nDATA\nSubject: s\n\nDATA\nX-To: not@an.envelope\n' | drop job
  run spool4 --once
  assert_success
  run data_sets
  assert_equal "${#lines[@]}" 3
  run data_set 3
  assert_line --index 1 'X-To: <g@h.example>'
  assert_line 'X-To: not@an.envelope'
  assert_line 'DATA'
  refute_line --index 3 'DATA'
}

@test "a body whose first line looks like an envelope is text" {
  printf 'X-From: a@b.example\nX-To: c@d.example\n\nX-To: e@f.example\n' | drop job
  run spool4 --once
  assert_success
  run data_sets
  assert_equal "${#lines[@]}" 1
  run data_set 1
  assert_line --index 2 --regexp '^Received: '
}

@test "fixed records padded with blanks" {
  { printf '%-80s' 'X-From: a@b.example' 'X-To: c@d.example' 'Subject: s' '' 'two  words'; } | drop JOB.FB80
  run spool4 --once
  assert_success
  run data_set 1
  assert_line --index 1 'X-To: <c@d.example>'
  assert_line 'Subject: s'
  assert_line 'two  words'
}

rdw() {
  local record=$1 n=$((${#1} + 4))
  printf "\\x$(printf %02x $((n / 256)))\\x$(printf %02x $((n % 256)))\\0\\0%s" "$record"
}

@test "variable records with RDWs; ASA control is kept and said so" {
  { rdw ' X-From: a@b.example'; rdw ' X-To: c@d.example'; rdw ' Subject: s'; rdw ' '; rdw '1page'; rdw '0gap'; rdw '+over'; } | drop LIST.VBA
  run spool4 --once
  assert_success
  run data_set 1
  assert_line --index 2 'X-Recfm: VBA'
  assert_line --index 3 --regexp '^ Received: '
  assert_line '1page'
  assert_line '0gap'
  assert_line '+over'
}

@test "a queue in EBCDIC" {
  sed -i 's/REMOTE(RMT21)/REMOTE(RMT21) CODEPAGE(IBM-1047)/' "$MEMBER"
  printf '%-80s' 'X-From: a@b.example' 'X-To: c@[192.0.2.1]' 'Subject: s' '' 'brackets [ ] | ! ^' | iconv -f UTF-8 -t IBM1047 | drop JOB.FB80
  run spool4 --once
  assert_success
  run data_set 1
  assert_line 'X-To: <c@[192.0.2.1]>'
  assert_line 'brackets [ ] | ! ^'
}

@test "an octet that the code page does not know holds the file" {
  sed -i 's/REMOTE(RMT21)/REMOTE(RMT21) CODEPAGE(US-ASCII)/' "$MEMBER"
  printf 'X-From: a@b.example\nX-To: c@d.example\n\n\xff\n' | drop job
  run spool4 --once
  assert_success
  expect_held job "X'FF' has no meaning in code page"
}

@test "Batch SMTP with several mails" {
  printf 'HELO host\nMAIL FROM:<a@b.example>\nRCPT TO:<c@d.example>\nRCPT TO:<e@f.example>\nDATA\nSubject: one\n\n..dot\n.\nmail from:<>\nrcpt to:<g@h.example>\nDATA\nno header here\n.\nQUIT\n' | drop batch
  run spool4 --once
  assert_success
  run data_sets
  assert_equal "${#lines[@]}" 3
  run data_set 1
  assert_line '.dot'
  run data_set 3
  assert_line --index 0 'X-From: <>'
  assert_line 'no header here'
}

@test "Batch SMTP faults hold the whole file" {
  local name text reason
  while IFS='|' read -r name text reason; do
    printf "$text" | drop "$name"
    run spool4 --once
    assert_success
    expect_held "$name" "$reason"
  done <<'T'
b1|HELO h\nEXPN list\n|no Batch SMTP command
b2|HELO h\nRCPT TO:<a@b.example>\n|out of order
b3|HELO h\nMAIL FROM:<a@b.example>\nRCPT TO:<c@d.example>\nDATA\ntext\n|last record must be a period
b4|HELO h\nMAIL FROM:<a@b.example>\nRCPT TO:<c@d.example>\n|before DATA
b5|HELO h\nMAIL FROM:<a@b.example\nRCPT TO:<c@d.example>\n|record 2
b6|HELO h\nMAIL FROM:<a@b.example> AUTH=<x>\n|not offered
b7|EHLO h\nSTARTTLS\n|TLS(MUST) in the destination
b8|HELO h\n|no mail in this file
T
}

@test "bad spool files go to HOLD with their reason, and the neighbours go on" {
  local name text reason
  while IFS='|' read -r name text reason; do
    printf "$text" | drop "$name"
    run spool4 --once
    assert_success
    expect_held "$name" "$reason"
    cmp <(printf "$text") "$SPOOL/jes/HOLD/$name"
  done <<'T'
f1||file is empty
f2|X-From: a@b.example\n\ntext\n|no recipient
f3|Subject: x\n\ntext\n|record 1
f4|X-To: c@d.example\n\ntext\n|record 1
f5|X-From: a@b.example\nX-To: c\rd@e.example\n\n|record 2
f6|X-From: a@b.example\nX-To: c\001@e.example\n\n|record 2
f7|X-From: a@b.example\nX-To: c\000@e.example\n\n|record 2
f8|X-From: a@b.example\nX-To: \377@e.example\n\n|record 2
f9|X-From: a@b.example\nX-From: a@b.example\nX-To: c@d.example\n\n|record 2
f10|X-From: a@b.example\nX-To: c@d.example> \n\n|record 2
f11|X-From: a@b.example\nX-To: c@d.example\n\nbody\000\n|NUL octet
f12.VB|\000\050\000\000X-From|record 1
T
  mail good | drop good
  run spool4 --once
  assert_success
  run data_sets
  assert_equal "${#lines[@]}" 1
}

@test "an address of 65,000 characters, and 5,001 recipients, are refused; 5,000 are taken" {
  { printf 'X-From: a@b.example\nX-To: '; head -c 65000 /dev/zero | tr '\0' a; printf '@d.example\n\ntext\n'; } | drop long
  { printf 'X-From: a@b.example\n'; seq -f 'X-To: u%.0f@d.example' 5001; printf '\ntext\n'; } | drop many
  run spool4 --once
  assert_success
  expect_held long 'record 2'
  expect_held many '5000'
  { printf 'X-From: a@b.example\n'; seq -f 'X-To: u%.0f@d.example' 5000; printf '\ntext\n'; } | drop lawful
  run spool4 --once
  assert_success
  assert_equal "$(data_sets | wc -l)" 5000
  # Ten digits of names a second, none twice, none missing.
  assert_equal "$(cat "$SPOOL"/mail/OUT* | grep -c '^X-To: <u[0-9]*@d.example>$')" 5000
  assert_equal "$(cat "$SPOOL"/mail/OUT* | grep '^X-To:' | sort -u | wc -l)" 5000
}

@test "a line of 10 MiB is mail like any other" {
  { printf 'X-From: a@b.example\nX-To: c@d.example\n\n'; head -c 10485760 /dev/zero | tr '\0' x; echo; } | drop big
  run spool4 --once
  assert_success
  assert_equal "$(awk '{ if (length($0) > n) n = length($0) } END { print n }' "$(data_sets)")" 10485760
}

@test "what is no plain file goes to HOLD: FIFO, symbolic link, hard link, directory" {
  sed -i 's/REMOTE(RMT21)/REMOTE(RMT21) QUIET(1S)/' "$MEMBER"
  mkfifo "$QUEUE/fifo"
  ln -s /etc/passwd "$QUEUE/link"
  mail | drop twin
  ln "$QUEUE/twin" "$BATS_TEST_TMPDIR/other"
  mkdir "$QUEUE/folder"
  truncate -s 8G "$QUEUE/sparse"
  sleep 2.1
  run timeout 20 "$BUILD/spool4" -C "$MEMBER" --log stderr --once
  assert_success
  expect_held fifo 'FIFO'
  expect_held link 'symbolic link'
  expect_held twin 'hard links'
  expect_held folder 'directory'
  expect_held sparse 'MAXSIZE'
}

@test "names that begin with a dot are left alone" {
  mail >"$QUEUE/.draft"
  run spool4 --once
  assert_success
  assert_file_exists "$QUEUE/.draft"
  run data_sets
  assert_output ''
}

@test "a held file may be mended and dropped again under its name" {
  printf 'X-From: a@b.example\n' | drop job
  spool4 --once
  mail | drop job2
  printf 'X-From: a@b.example\n' | drop job
  run spool4 --once
  assert_success
  assert_file_exists "$SPOOL/jes/HOLD/job"
  run find "$SPOOL/jes/HOLD" -name '????????-job'
  assert_equal "${#lines[@]}" 1
  assert_file_exists "${lines[0]}.REASON"
}

@test "the owner of a held file finds a notice in jes/POST, with the null reverse-path" {
  printf 'X-From: a@b.example\n\nno recipient\n' | drop job
  spool4 --once
  run cat "$SPOOL"/jes/POST/SPOOL4.*
  assert_line --index 0 'X-From: <>'
  assert_line --index 1 'X-To: <CZQ14CD@MYHOST>'
  assert_line --regexp '^Auto-Submitted: auto-replied$'
  assert_line --partial 'no recipient'
}

@test "a file still open for writing is never taken; a closed one is taken at once" {
  start_server spool4 "$BUILD/spool4" -C "$MEMBER" --log stderr
  wait_until 5 grep -q READY "$BATS_TEST_TMPDIR/servers/spool4.log"
  exec 4>"$QUEUE/slow"
  mail half >&4
  sleep 0.7
  assert_file_exists "$QUEUE/slow"
  run data_sets
  assert_output ''
  echo 'second half' >&4
  exec 4>&-
  wait_until 3 test ! -e "$QUEUE/slow"
  wait_until 3 has_data_sets
  run data_set 1
  assert_line 'second half'
  mail | drop moved
  wait_until 3 test ! -e "$QUEUE/moved"
}

@test "where no lease can be had, a file must have been quiet" {
  [ "$(id -u)" -eq 0 ] || skip 'needs root to be two users'
  sed -i 's/REMOTE(RMT21)/REMOTE(RMT21) QUIET(1S) POLL(1S)/' "$MEMBER"
  open_site
  chown -R nobody "$SPOOL"
  start_server spool4 setpriv --reuid=nobody --regid=nogroup --clear-groups "$BUILD/spool4" -C "$MEMBER" --log stderr
  wait_until 5 grep -q READY "$BATS_TEST_TMPDIR/servers/spool4.log"
  mail >"$QUEUE/other"
  chmod 644 "$QUEUE/other"
  sleep 0.4
  assert_file_exists "$QUEUE/other"
  wait_until 8 test ! -e "$QUEUE/other"
  wait_until 3 has_data_sets
}

@test "X-From must belong to the file's owner" {
  [ "$(id -u)" -eq 0 ] || skip 'needs root to be two users'
  sed -i 's/LOGIN(no-such-user)/LOGIN(nobody)/' "$SITE/USERTBL"
  open_site
  printf 'X-From: CDoaks@mail.example.org\nX-To: c@d.example\n\nforged\n' >"$QUEUE/.forged"
  printf 'X-From: abaker@MAIL.example.org\nX-To: c@d.example\n\nhonest\n' >"$QUEUE/.honest"
  printf 'X-From: ABaker@elsewhere.example\nX-To: c@d.example\n\nforeign\n' >"$QUEUE/.foreign"
  for f in forged honest foreign; do
    chown nobody "$QUEUE/.$f"
    mv "$QUEUE/.$f" "$QUEUE/$f"
  done
  run spool4 --once
  assert_success
  assert_equal "$(data_sets | wc -l)" 1
  run data_set 1
  assert_line 'honest'
  assert_file_contains "$SPOOL/jes/HOLD/forged.REASON" 'does not belong to user nobody'
  assert_file_exists "$SPOOL/jes/HOLD/foreign"
}

@test "a file that the spool's user may not read goes to HOLD" {
  [ "$(id -u)" -eq 0 ] || skip 'needs root to be two users'
  open_site
  chown -R nobody "$SPOOL"
  mail >"$QUEUE/.secret"
  chmod 600 "$QUEUE/.secret"
  mv "$QUEUE/.secret" "$QUEUE/secret"
  sed -i 's/REMOTE(RMT21)/REMOTE(RMT21) QUIET(1S)/' "$MEMBER"
  sleep 2.1
  run setpriv --reuid=nobody --regid=nogroup --clear-groups "$BUILD/spool4" -C "$MEMBER" --log stderr --once
  assert_success
  expect_held secret 'mode 0640'
}

@test "names are never used again, though the clock steps back" {
  mail | drop one
  spool4 --once
  local first
  first=$(data_sets)
  rm "$first"
  mail | drop two
  run faketime '2016-01-01 00:00:00' "$BUILD/spool4" -C "$MEMBER" --log stderr --once
  assert_success
  [[ ${first##*/} < $(basename "$(data_sets)") ]]
}

@test "without NAMES no name that stands in mail/ is handed out" {
  mail | drop one
  faketime '2031-05-05 05:05:05' "$BUILD/spool4" -C "$MEMBER" --log stderr --once
  rm "$SPOOL/work/NAMES"
  mail | drop two
  run spool4 --once
  assert_success
  run data_sets
  assert_equal "${#lines[@]}" 2
  assert_line --index 1 --regexp 'D31125\.T05050[5-9]0\.N000[12]'
  refute_line --index 1 "${lines[0]}"
}

@test "SIGKILL before and after every file-changing call: each recipient exactly one data set" {
  local killat count n when
  killat=$(tool killat)
  two() { printf 'X-From: a@b.example\nX-To: one@d.example\nX-To: two@d.example\n\ntext\n' | drop job; }
  two
  count=$("$killat" count --path "$SPOOL" -- "$BUILD/spool4" -C "$MEMBER" --log stderr --once 2>/dev/null | tail -1 | grep -oE '[0-9]+')
  [ "$count" -gt 10 ]
  for ((n = 1; n <= count; n++)); do
    for when in before after; do
      rm -f "$SPOOL"/mail/OUT*
      two
      run "$killat" "$when" "$n" --path "$SPOOL" -- "$BUILD/spool4" -C "$MEMBER" --log stderr --once
      assert_failure 137
      spool4 --once 2>/dev/null
      spool4 --once 2>/dev/null
      run sh -c "cat '$SPOOL'/mail/OUT* | grep '^X-To:'"
      [ "$output" = "$(printf 'X-To: <one@d.example>\nX-To: <two@d.example>')" ] || fail "$when call $n: $output"
      run find "$SPOOL/jes/RMT21" "$SPOOL/work" -mindepth 1 ! -name NAMES ! -name '*.lock'
      assert_output ''
    done
  done
}

@test "a name as long as a name may be is held whole, with its reason" {
  local name
  name=$(printf 'a%.0s' $(seq 250))
  echo garbage >"$QUEUE/$name"
  run spool4 --once
  assert_success
  run find "$SPOOL/jes/HOLD" -type f ! -name '*.REASON'
  assert_equal "${#lines[@]}" 1
  assert_equal "$(cat "${lines[0]}")" garbage
  assert_file_exists "${lines[0]}.REASON"
}

@test "HELO in the middle of a batch mail forgets its recipients, as RSET does" {
  printf 'HELO h\nMAIL FROM:<a@b.example>\nRCPT TO:<victim@d.example>\nEHLO h\nMAIL FROM:<a@b.example>\nRCPT TO:<c@d.example>\nDATA\nx\n.\n' | drop batch
  run spool4 --once
  assert_success
  assert_equal "$(data_sets | wc -l)" 1
  run data_set 1
  assert_line 'X-To: <c@d.example>'
}

@test "a full disk: no storm, nothing lost, and all goes on when there is room" {
  [ "$(id -u)" -eq 0 ] || skip 'needs root to mount'
  mkdir "$BATS_TEST_TMPDIR/small"
  mount -t tmpfs -o size=600k none "$BATS_TEST_TMPDIR/small" || skip 'may not mount'
  sed -i "s#SPOOL([^)]*)#SPOOL($BATS_TEST_TMPDIR/small/spool)#" "$MEMBER"
  SPOOL=$BATS_TEST_TMPDIR/small/spool
  spool4 --once
  { printf 'X-From: a@b.example\nX-To: one@d.example\nX-To: two@d.example\nX-To: three@d.example\n\n'; head -c 150000 /dev/zero | tr '\0' x; echo; } | drop big
  start_server spool4 "$BUILD/spool4" -C "$MEMBER" --log stderr
  sleep 2
  local lines_said
  lines_said=$(wc -l <"$BATS_TEST_TMPDIR/servers/spool4.log")
  mount -o remount,size=8m "$BATS_TEST_TMPDIR/small"
  wait_until 12 sh -c "[ \$(find '$SPOOL/mail' -name 'OUT*' | wc -l) -eq 3 ]"
  stop_server spool4
  umount "$BATS_TEST_TMPDIR/small"
  [ "$lines_said" -lt 20 ]
}

# on_image FS OCTETS: the spool moves to a fresh file system of that kind, mounted at $IMAGE.
on_image() {
  IMAGE=$BATS_TEST_TMPDIR/$1
  [ "$(id -u)" -eq 0 ] || skip 'needs root to mount'
  command -v "mkfs.$1" >/dev/null || skip "no mkfs.$1 here"
  mkdir "$IMAGE"
  truncate -s "$2" "$IMAGE.img"
  "mkfs.$1" -q "$IMAGE.img"
  mount -o loop "$IMAGE.img" "$IMAGE" || skip 'may not mount a loop device'
  sed -i "s#SPOOL([^)]*)#SPOOL($IMAGE/spool)#" "$MEMBER"
  SPOOL=$IMAGE/spool QUEUE=$IMAGE/spool/jes/RMT21
  spool4 --once
}

teardown() {
  stop_all
  [ -z "${IMAGE:-}" ] || ! mountpoint -q "$IMAGE" || umount "$IMAGE"
}

# 40 data sets of one text of 2 MiB, each with its own recipient in an envelope of one length.
large_for_many() {
  { printf 'X-From: CDoaks@mail.example.org\n'; seq -f 'X-To: user%.0f@d.example' 1 40; printf 'Subject: s\n\n'
    seq -f 'line %.0f of a long text' 80000; } | drop large
  sync -f "$IMAGE"
  local before
  before=$(stat -f -c %f "$IMAGE")
  run spool4 --once
  assert_success
  sync -f "$IMAGE"
  USED=$(((before - $(stat -f -c %f "$IMAGE")) * $(stat -f -c %S "$IMAGE")))
  assert_equal "$(data_sets | wc -l)" 40
  assert_equal "$(cat "$SPOOL"/mail/OUT* | grep -ao '^X-To: <user[0-9]*@d.example>' | sort -u | wc -l)" 40
  assert_equal "$(for f in "$SPOOL"/mail/OUT*; do tail -n +3 "$f" | md5sum; done | sort -u | wc -l)" 1
  assert_equal "$(for f in "$SPOOL"/mail/OUT*; do stat -c %s "$f"; done | sort -u | wc -l)" 1
}

@test "a large mail for many recipients is on the disk once where extents are shared" {
  on_image xfs 400M
  cp --reflink=always "$SPOOL/work/NAMES" "$IMAGE/b" 2>/dev/null || skip 'this xfs shares no extents'
  large_for_many
  refute_output --partial T01SM033I
  [ "$USED" -lt $((8 << 20)) ] || fail "$USED octets used"
}

@test "where extents are not shared, a large mail for many is written in full, and that is said once" {
  on_image ext4 400M
  large_for_many
  assert_equal "$(grep -c 'T01SM033I FILE SYSTEM OF mail SHARES NO EXTENTS: 40 DATA SETS OF' <<<"$output")" 1
  [ "$USED" -gt $((60 << 20)) ]
}

@test "units that follow each other are all finished at the end" {
  local i
  sed -i 's/REMOTE(RMT21)/REMOTE(RMT21) UNIT(2)/' "$MEMBER"
  for i in $(seq 6); do
    mail "s$i" | drop "job$i"
  done
  run spool4 --once
  assert_success
  assert_equal "$(grep -c T01SM030I <<<"$output")" 6
  assert_equal "$(cat "$SPOOL"/mail/OUT* | grep '^Subject: ' | sort -u | wc -l)" 6
  run find "$SPOOL/work" "$QUEUE" -mindepth 1 ! -name NAMES ! -name spool4.lock
  assert_output ''
}

@test "a unit that may not be durable ends the program, though others follow; the next start finds out" {
  local i
  sed -i 's/REMOTE(RMT21)/REMOTE(RMT21) UNIT(1)/' "$MEMBER"
  for i in 1 2 3; do
    mail "s$i" | drop "job$i"
  done
  run "$(tool killat)" -o /dev/null --only '^fsync$' --path 'RMT21' fail 1 EIO once -- "$BUILD/spool4" -C "$MEMBER" --log stderr --once
  assert_failure 74
  assert_output --partial T01SM024E
  run data_sets
  assert_output ''
  run spool4 --once
  assert_success
  assert_equal "$(cat "$SPOOL"/mail/OUT* | grep '^Subject: ' | sort | xargs)" 'Subject: s1 Subject: s2 Subject: s3'
}

@test "without its SERVICE statement, or with words it does not know, it does not run" {
  sed -i '/SPOOL#4/d' "$MEMBER"
  run spool4 --once
  assert_failure 78
  assert_output --partial 'SERVICE NAME(SPOOL#4)'
  run spool4 --once foo
  assert_failure 64
}
