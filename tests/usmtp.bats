#!/usr/bin/env bats
# usmtp: mail data sets go to real and scripted SMTP servers, stay for a retry, or come back as notices.

load helper
load postfix

setup() {
  PORT=$(free_port)
  site "DOMAIN(*) HOST([127.0.0.1]) PORT($PORT)"
  sed -i 's/REMOTE(RMT21)/REMOTE(RMT21) RETRYINT(2S) RETRYCEIL(4S) TIMEGREET(2S) TIMECMD(2S) TIMEDATA(2S) TIMEBLOCK(2S) TIMETERM(2S) TIMEALL(6S)/' "$MEMBER"
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
}

usmtp() {
  "$BUILD/usmtp" -C "$MEMBER" --log stderr "$@"
}

# queue_mail [TO...]: one job's mail for each, as data sets.
queue_mail() {
  local to
  for to in "${@:-someone@far.example}"; do
    printf 'X-From: CDoaks@mail.example.org\nX-To: %s\nSubject: test\n\n%s\n' "$to" "${TEXT:-text}" >"$SPOOL/jes/RMT21/.m"
    mv "$SPOOL/jes/RMT21/.m" "$SPOOL/jes/RMT21/m"
    "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  done
}

waiting() {
  find "$SPOOL/mail" -type f ! -name '.*' | wc -l
}

notices() {
  find "$SPOOL/jes/POST" -type f -name 'USMTP.*'
}

# play SCRIPT...: a scripted server on $PORT, each argument the script of one connection, the last repeats.
play() {
  local i=0 files=()
  for script in "$@"; do
    printf '%s\n' "$script" >"$BATS_TEST_TMPDIR/script.$i"
    files+=("$BATS_TEST_TMPDIR/script.$i")
    i=$((i + 1))
  done
  start_server play "$(tool smtpplay)" server -n 0 -p "$PORT" "${files[@]}"
  wait_for_port "$PORT"
}

sink() {
  start_server sink "$(tool smtpsink)" -p "$PORT" --maildir "$BATS_TEST_TMPDIR/sink" "$@"
  wait_for_port "$PORT"
}

@test "a data set is sent and deleted; the log line has the well-known shape" {
  sink
  queue_mail
  run usmtp --once
  assert_success
  assert_output --regexp 'T01SM040I OUT\.[^ ]*: from=<CDoaks@mail.example.org>, to=<someone@far.example>, relay=\[127\.0\.0\.1\]:[0-9]+, delay=[0-9]+, dsn=2\.[0-9.]+, status=sent \(250 '
  assert_equal "$(waiting)" 0
  run cat "$BATS_TEST_TMPDIR"/sink/new/*
  assert_line --regexp '^Received: by mail.example.org \(SPOOL#4'
  assert_line 'text'
}

@test "dots and the lines that could end the text" {
  sink
  TEXT=$'.\n..\n.hidden\n\n.' queue_mail
  run usmtp --once
  assert_success
  stop_server sink
  run sh -c "sed '1,/^\r*$/d' '$BATS_TEST_TMPDIR'/sink/new/* | tr -d '\r'"
  assert_output $'.\n..\n.hidden\n\n.'
}

@test "a mail of 5 MiB arrives whole" {
  local sum
  sink
  seq -f 'line %.0f of a long mail' 200000 >"$BATS_TEST_TMPDIR/long"
  { printf 'X-From: CDoaks@mail.example.org\nX-To: someone@far.example\n\n'; cat "$BATS_TEST_TMPDIR/long"; } >"$SPOOL/jes/RMT21/.m"
  mv "$SPOOL/jes/RMT21/.m" "$SPOOL/jes/RMT21/m"
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  run usmtp --once
  assert_output --partial 'status=sent'
  stop_server sink
  sed '1,/^\r*$/d' "$BATS_TEST_TMPDIR"/sink/new/* | tr -d '\r' | cmp - "$BATS_TEST_TMPDIR/long"
}

@test "carriage control becomes format effectors" {
  sink
  local name
  queue_mail
  name=$(find "$SPOOL/mail" -name 'OUT*')
  printf 'X-From: <CDoaks@mail.example.org>\nX-To: <a@far.example>\nX-Recfm: VBA\n Subject: list\n \n1first\n second\n0third\n-fourth\n1page two\n' >"$name.new"
  mv "$name.new" "$name"
  run usmtp --once
  assert_success
  run sh -c "sed '1,/^\r*$/d' '$BATS_TEST_TMPDIR'/sink/new/* | tr -d '\r'"
  assert_output "$(printf 'first\nsecond\n\nthird\n\n\nfourth\n\fpage two')"
}

@test "8 bit text is encoded for a host without 8BITMIME, and long lines for all" {
  sink --no-8bitmime
  TEXT="Grüße $(head -c 3000 /dev/zero | tr '\0' z) ende" queue_mail
  run usmtp --once
  assert_success
  stop_server sink
  run python3 - "$BATS_TEST_TMPDIR"/sink/new/* <<'P'
import email, email.policy, sys
raw = open(sys.argv[1], 'rb').read().replace(b'\r\n', b'\n')
raw = b'\n'.join(l for l in raw.split(b'\n') if not l.startswith(b'X-Envelope'))
assert max(len(l) for l in raw.split(b'\n')) <= 998 and all(b < 128 for b in raw)
m = email.message_from_bytes(raw, policy=email.policy.default)
assert m['MIME-Version'] == '1.0'
assert m.get_content().strip() == 'Grüße ' + 'z' * 3000 + ' ende', m.get_content()
P
  assert_success
}

@test "a 4xx keeps the mail for its retry, and the checkpoint remembers it across a restart" {
  sink --refuse-rcpt 'someone=451'
  queue_mail
  run usmtp --once
  assert_success
  assert_output --partial 'status=deferred (451'
  assert_equal "$(waiting)" 1
  assert_file_contains "$SPOOL/work/CHKPT" '^KEPT OUT.* 4\.'
  run usmtp --once
  assert_success
  refute_output --partial 'status='
  sleep 2.1
  run usmtp --once
  assert_output --partial 'status=deferred'
}

@test "a 5xx brings the notice: RFC 3464, null X-From, the original with it" {
  sink --refuse-rcpt 'someone=550'
  queue_mail
  run usmtp --once
  assert_success
  assert_output --partial 'status=bounced (550'
  assert_equal "$(waiting)" 0
  run cat "$(notices)"
  assert_line --index 0 'X-From: <>'
  assert_line --index 1 'X-To: <CZQ14CD@MYHOST>'
  assert_output --partial 'multipart/report'
  assert_output --partial 'Final-Recipient: rfc822; someone@far.example'
  assert_line 'Action: failed'
  assert_line --regexp '^Status: 5\.'
  assert_line --regexp '^Diagnostic-Code: smtp; 550'
  assert_output --partial 'message/rfc822'
  assert_line 'text'
  run python3 - "$(notices)" <<'P'
import email, sys
raw = open(sys.argv[1], 'rb').read().split(b'\n', 2)[2]
m = email.message_from_bytes(raw)
assert m.get_content_type() == 'multipart/report', m.get_content_type()
types = [p.get_content_type() for p in m.get_payload()]
assert types == ['text/plain', 'message/delivery-status', 'message/rfc822'], types
assert m.get_payload()[2].get_payload()[0]['Subject'] == 'test'
P
  assert_success
}

@test "NOTICE(APPEND) writes the form of the S/390" {
  sed -i 's/REMOTE(RMT21)/REMOTE(RMT21) NOTICE(APPEND)/' "$MEMBER"
  sink --refuse-rcpt 'someone=550'
  queue_mail
  run usmtp --once
  assert_success
  run cat "$(notices)"
  assert_line --index 0 'X-From: <>'
  assert_line --index 2 --regexp '^Received: '
  assert_line 'text'
  assert [ "$(grep -n '^text$' <<<"$output" | cut -d: -f1)" -lt "$(grep -n '550' <<<"$output" | tail -1 | cut -d: -f1)" ]
}

@test "a notice is never answered by a notice: dead letters have a folder of their own" {
  sink --refuse-rcpt 'someone=550'
  printf 'MAIL FROM:<>\nRCPT TO:<someone@far.example>\nDATA\nSubject: x\n\nbounce\n.\n' >"$SPOOL/jes/RMT21/b"
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  run usmtp --once
  assert_success
  assert_output --partial 'T01SM043E'
  assert_equal "$(notices | wc -l)" 0
  run find "$SPOOL/jes/DEAD" -type f
  assert_output --partial 'REASON'
  assert_equal "${#lines[@]}" 2
  assert_equal "$(waiting)" 0
}

@test "mail is given up after RETRYMAX, by a notice that says so" {
  sed -i 's/REMOTE(RMT21)/REMOTE(RMT21) RETRYMAX(3S)/' "$MEMBER"
  queue_mail
  run usmtp --once
  assert_output --partial 'T01SM042I'
  assert_equal "$(waiting)" 1
  sleep 4
  run usmtp --once
  assert_equal "$(waiting)" 0
  assert_equal "$(notices | wc -l)" 1
}

@test "a dead destination is tried once for all its mail" {
  queue_mail a@far.example b@far.example c@far.example
  run usmtp --once
  assert_success
  assert_equal "$(grep -c T01SM042I <<<"$output")" 1
  assert_equal "$(waiting)" 3
}

@test "the next address of a host is tried when the first refuses" {
  sink
  printf '\nROUTE DOMAIN(two.example) HOST(localhost) PORT(%s)\n' "$PORT" >>"$MEMBER"
  queue_mail x@two.example
  run usmtp --once
  assert_success
  assert_output --partial 'status=sent'
}

@test "HELO where EHLO is refused" {
  play $'-> 220 old\n<~ ^EHLO mail.example.org$\n-> 502 what?\n<~ ^HELO mail.example.org$\n-> 250 hi\n<~ ^MAIL FROM:<CDoaks@mail.example.org>$\n-> 250 ok\n<~ ^RCPT TO:<someone@far.example>$\n-> 250 ok\n<- DATA\n-> 354 go\n<.\n-> 250 done\n<- QUIT\n-> 221 bye'
  queue_mail
  run usmtp --once
  assert_output --partial 'status=sent (250 done'
}

@test "pipelining: one group of commands; a refused recipient in it costs the host nothing" {
  play $'-> 220 x\n<* \n-> 250-x\n-> 250-PIPELINING\n-> 250 SIZE 1000000\n<~ ^MAIL FROM:.* SIZE=[0-9]+$\n<~ ^RCPT\n<- DATA\n-> 250 ok\n-> 550 5.1.1 no\n-> 503 no recipients\n<- RSET\n-> 250 ok\n<~ ^MAIL\n<~ ^RCPT\n<- DATA\n-> 250 ok\n-> 250 ok\n-> 354 go\n<.\n-> 250 done\n<- QUIT\n-> 221 x'
  queue_mail one@far.example two@far.example
  run usmtp --once
  assert_output --partial 'status=bounced (550 5.1.1 no'
  assert_output --partial 'status=sent (250 done'
  stop_server play || true
}

# What a host with PIPELINING says, and one group of commands.
PIPED=$'-> 220 x\n<* \n-> 250-x\n-> 250 PIPELINING'
GROUP=$'<~ ^MAIL\n<~ ^RCPT\n<- DATA'
GOOD=$'-> 250 ok\n-> 250 ok\n-> 354 go\n<.'

@test "the commands of the next mail come with the end of the text, before its reply" {
  play "$PIPED"$'\n'"$GROUP"$'\n'"$GOOD"$'\n'"$GROUP"$'\n-> 554 5.7.1 not this one\n'"$GOOD"$'\n'"$GROUP"$'\n-> 250 second\n'"$GOOD"$'\n-> 250 third\n<- QUIT\n-> 221 x'
  queue_mail {one,two,three}@far.example
  run usmtp --once
  assert_success
  assert_line --partial 'status=bounced (554 5.7.1 not this one'
  assert_line --partial 'status=sent (250 second'
  assert_line --partial 'status=sent (250 third'
  assert_equal "$(waiting)" 0
  stop_server play || true
}

@test "a host that forgets what came with the text, or hangs up: the next mail goes at once, and no try is counted" {
  local after
  for after in close $'timeout 9000\nexpect-close'; do
    rm -f "$SPOOL"/mail/OUT*
    play "$PIPED"$'\n'"$GROUP"$'\n'"$GOOD"$'\n'"$GROUP"$'\n-> 250 first\n'"$after" "$PIPED"$'\n'"$GROUP"$'\n'"$GOOD"$'\n-> 250 second\n'"$GROUP"$'\n'"$GOOD"$'\n-> 250 third\n<- QUIT\n-> 221 x'
    queue_mail {one,two,three}@far.example
    run usmtp --once
    assert_success
    assert_line --partial 'status=sent (250 first'
    assert_line --partial 'status=sent (250 second'
    assert_line --partial 'status=sent (250 third'
    refute_line --partial 'status=deferred'
    stop_server play || true
  done
}

@test "a peer that takes DATA though the recipient was refused gets a lone dot" {
  play $'-> 220 x\n<* \n-> 250-x\n-> 250 PIPELINING\n<* \n<* \n<* \n-> 250 ok\n-> 550 no\n-> 354 go\n<- .\n-> 554 nobody\n<- QUIT\n-> 221 x'
  queue_mail
  run usmtp --once
  assert_output --partial 'status=bounced (550 no'
}

@test "larger than the host's SIZE: a notice, nothing sent" {
  sink --size 200
  TEXT=$(head -c 500 /dev/zero | tr '\0' z) queue_mail
  run usmtp --once
  assert_output --partial 'dsn=5.3.4'
  assert_equal "$(notices | wc -l)" 1
}

# What a server does at each step: the mail is kept, later sent, and usmtp neither hangs nor crashes.
steps() {
  local before=('' $'-> 220 x\n<* ' $'-> 220 x\n<* \n-> 250 x\n<* ' $'-> 220 x\n<* \n-> 250 x\n<* \n-> 250 ok\n<* ' $'-> 220 x\n<* \n-> 250 x\n<* \n-> 250 ok\n<* \n-> 250 ok\n<* ' $'-> 220 x\n<* \n-> 250 x\n<* \n-> 250 ok\n<* \n-> 250 ok\n<* \n-> 354 go\n<.')
  local i
  for ((i = 0; i < ${#before[@]}; i++)); do
    printf '%s\n%s\n' "${before[i]}" "$1" >"$BATS_TEST_TMPDIR/step.$i"
  done
}

misbehaves() {
  local i rest
  queue_mail
  steps "$1"
  for i in 0 1 2 3 4 5; do
    rm -rf "$SPOOL/work/CHKPT"
    play "$(cat "$BATS_TEST_TMPDIR/step.$i")"
    run timeout 20 "$BUILD/usmtp" -C "$MEMBER" --once --log stderr
    rest=$output
    assert_success
    [ "$(waiting)" -eq 1 ] || fail "step $i of <$1>: the mail is gone: $rest"
    grep -qE 'T01SM042I|status=deferred' <<<"$rest" || fail "step $i of <$1>: $rest"
    stop_server play || true
  done
  rm -rf "$SPOOL/work/CHKPT"
  sink
  run usmtp --once
  assert_output --partial 'status=sent'
  stop_server sink
}

@test "4xx at every step" {
  misbehaves $'-> 421 4.3.2 later\ntimeout 3000\nexpect-close'
  misbehaves $'-> 450-4.2.0 several\n-> 450 4.2.0 lines\ntimeout 3000\n<* \n-> 221 x\nexpect-close'
}

@test "dropped at every step" {
  misbehaves 'close'
  misbehaves 'reset'
}

@test "silence at every step" {
  misbehaves $'timeout 9000\nexpect-close'
}

@test "garbage at every step" {
  misbehaves $'-> HTTP/1.1 400 Bad Request\ntimeout 3000\nexpect-close'
  misbehaves $'-> 250-one\n-> 451 mixed codes\ntimeout 3000\nexpect-close'
  misbehaves $'->> \\x00\\xff\\x1b[2J\\r\\n\ntimeout 3000\nexpect-close'
  misbehaves $'-> 999 what\ntimeout 3000\nexpect-close'
}

@test "endless replies and lines of a megabyte at every step" {
  misbehaves $'repeat 5000 -> 450-again\ntimeout 3000\nexpect-close'
}

@test "replies that drip one octet at a time are bounded by the whole attempt" {
  queue_mail
  play $'-> 220 x\n<* \n-> 250 x\n<* \ntimeout 20000\ndrip 400 250-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
  run timeout 20 "$BUILD/usmtp" -C "$MEMBER" --once --log stderr
  assert_success
  assert_output --partial 'time-out'
  assert_equal "$(waiting)" 1
}

@test "no control octet of a reply reaches the log or the notice" {
  play $'-> 220 x\n<* \n-> 250 x\n<* \n-> 250 ok\n<* \n->> 550 \\x1b[31mred\\x07 \\xc2\\x9b31m\\r\\n\n<* \n-> 250 x\n<* \n-> 221 x'
  queue_mail
  run usmtp --once
  refute_output --partial $'\033'
  run grep -c $'\033\|\007' "$(notices)"
  assert_output 0
}

@test "a file in mail/ that is no data set, or not its owner's, is held with its reason" {
  sink
  printf 'X-From: a@b.example\nX-To: c@d.example\n\nx\n' >"$SPOOL/mail/notes.txt"
  printf 'no envelope\n' >"$SPOOL/mail/OUT.D26001.T0000000.N0001"
  mkfifo "$SPOOL/mail/OUT.D26001.T0000000.N0002"
  ln -s /etc/passwd "$SPOOL/mail/OUT.D26001.T0000000.N0003"
  printf 'X-From: a@b.example\nX-To: c@d.example\nX-To: e@f.example\n\nx\n' >"$SPOOL/mail/OUT.D26001.T0000000.N0004"
  queue_mail
  run timeout 20 "$BUILD/usmtp" -C "$MEMBER" --once --log stderr
  assert_success
  assert_output --partial 'status=sent'
  assert_equal "$(waiting)" 0
  for f in notes.txt OUT.D26001.T0000000.N000{1,2,3,4}; do
    assert_file_exists "$SPOOL/jes/HOLD/$f.REASON"
  done
}

@test "a damaged checkpoint costs nothing but the time of the next try" {
  sink
  queue_mail
  printf 'KEPT nonsense\n\0\0\0garbage\nTIME x y\n' >"$SPOOL/work/CHKPT"
  run usmtp --once
  assert_success
  assert_output --partial 'T01SM044W'
  assert_output --partial 'status=sent'
}

@test "the clock steps ten years ahead: nothing is given up; ten back: no storm" {
  sink --refuse-rcpt 'someone=451'
  sed -i 's/RETRYINT(2S) RETRYCEIL(4S)/RETRYINT(1H) RETRYCEIL(4H) RETRYMAX(5D)/' "$MEMBER"
  queue_mail
  run usmtp --once
  assert_output --partial 'status=deferred'
  run faketime '+10 years' "$BUILD/usmtp" -C "$MEMBER" --once --log stderr
  assert_success
  assert_equal "$(waiting)" 1
  assert_equal "$(notices | wc -l)" 0
  run faketime '-10 years' "$BUILD/usmtp" -C "$MEMBER" --once --log stderr
  refute_output --partial 'status='
  assert_equal "$(waiting)" 1
}

@test "the daemon wakes by its FIFO and sends at once" {
  sink
  start_server usmtp "$BUILD/usmtp" -C "$MEMBER" --log stderr
  wait_until 5 grep -q READY "$BATS_TEST_TMPDIR/servers/usmtp.log"
  queue_mail
  wait_until 3 sh -c "[ -z \"\$(find '$SPOOL/mail' -name 'OUT*')\" ]"
  echo junk >"$SPOOL/mail/.WAKE"
  queue_mail
  wait_until 3 sh -c "[ -z \"\$(find '$SPOOL/mail' -name 'OUT*')\" ]"
  stop_server usmtp
}

@test "a second usmtp does not start beside the first" {
  start_server usmtp "$BUILD/usmtp" -C "$MEMBER" --log stderr
  wait_until 5 grep -q READY "$BATS_TEST_TMPDIR/servers/usmtp.log"
  run usmtp --once
  assert_failure 75
  assert_output --partial 'runs already'
}

@test "SIGKILL at every file-changing call: never lost, at most twice, and only between 250 and the delete" {
  local killat count n when dump=$BATS_TEST_TMPDIR/dump sent twice=0
  killat=$(tool killat)
  start_server sink "$(tool smtpsink)" -p "$PORT" --dump "$dump"
  wait_for_port "$PORT"
  queue_mail one@far.example two@far.example
  count=$("$killat" count --path "$SPOOL" -- "$BUILD/usmtp" -C "$MEMBER" --log stderr --once 2>/dev/null | tail -1 | grep -oE '[0-9]+')
  [ "$count" -ge 4 ]
  for ((n = 1; n <= count; n++)); do
    for when in before after; do
      : >"$dump"
      queue_mail one@far.example two@far.example
      run "$killat" "$when" "$n" --path "$SPOOL" -- "$BUILD/usmtp" -C "$MEMBER" --log stderr --once
      rm -f "$SPOOL/work/CHKPT"
      run usmtp --once
      assert_equal "$(waiting)" 0
      for to in one two; do
        sent=$(grep -c "$to@far.example" "$dump")
        { [ "$sent" -ge 1 ] && [ "$sent" -le 2 ]; } || fail "$when call $n: $to was sent $sent times"
        [ "$sent" -eq 1 ] || twice=$((twice + 1))
      done
    done
  done
  # Two data sets, each with one window: killed before its unlink.
  [ "$twice" -le 4 ]
}

@test "Postfix takes the mail and delivers it" {
  start_postfix "$BATS_TEST_TMPDIR/postfix" far.example
  sed -i "s/PORT($PORT)/PORT($POSTFIX_PORT)/" "$MEMBER"
  TEXT=$'first\n.dot\nlast' queue_mail someone@far.example other@far.example
  run usmtp --once
  assert_success
  assert_equal "$(waiting)" 0
  wait_for_mails 2
  run cat $(postfix_mails)
  assert_line '.dot'
  assert_line --regexp '^Received: by mail.example.org \(SPOOL#4'
  stop_postfix
}

@test "SIGTERM while the host thinks about the text: the mail is sent once, not twice" {
  play $'-> 220 x\n<* \n-> 250 x\n<* \n-> 250 ok\n<* \n-> 250 ok\n<* \n-> 354 go\n<.\nsleep 1000\n-> 250 accepted\ntimeout 3000\n<* \n-> 221 x'
  start_server usmtp "$BUILD/usmtp" -C "$MEMBER" --log stderr
  wait_until 5 grep -q READY "$BATS_TEST_TMPDIR/servers/usmtp.log"
  queue_mail
  sleep 0.6
  stop_server usmtp
  assert_file_contains "$BATS_TEST_TMPDIR/servers/usmtp.log" 'status=sent (250 accepted'
  assert_equal "$(waiting)" 0
}

@test "SIGTERM before the text: the mail stays, and no try is counted" {
  play $'-> 220 x\n<* \n-> 250 x\n<* \ntimeout 5000\nexpect-close'
  start_server usmtp "$BUILD/usmtp" -C "$MEMBER" --log stderr
  wait_until 5 grep -q READY "$BATS_TEST_TMPDIR/servers/usmtp.log"
  queue_mail
  sleep 0.6
  stop_server usmtp
  refute grep -q 'status=' "$BATS_TEST_TMPDIR/servers/usmtp.log"
  assert_equal "$(waiting)" 1
}

@test "a host that takes one connection at a time is not stormed" {
  play $'-> 220 x\n<* \n-> 250 x\n<* \n-> 250 ok\n<* \n-> 250 ok\n<* \n-> 354 go\n<.\nsleep 1500\n-> 250 ok\ntimeout 9000\n<* \n-> 421 enough' $'-> 421 only one'
  queue_mail {a,b,c,d,e,f,g,h,i,j,k,l}@far.example
  run timeout 10 "$BUILD/usmtp" -C "$MEMBER" --once --log stderr --trace
  [ "$(grep -c '421 only one' <<<"$output")" -lt 8 ]
}

@test "a greeting that drips is bounded too" {
  queue_mail
  play $'timeout 20000\ndrip 400 220-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
  run timeout 10 "$BUILD/usmtp" -C "$MEMBER" --once --log stderr
  assert_success
  assert_output --partial 'T01SM042I'
}

@test "PATH cannot change while it runs: no mail is sent twice" {
  sink
  start_server usmtp "$BUILD/usmtp" -C "$MEMBER" --log stderr
  wait_until 5 grep -q READY "$BATS_TEST_TMPDIR/servers/usmtp.log"
  sed -i 's/PATH(OUT)/PATH(NEW)/' "$MEMBER"
  kill -HUP "$(server_pid usmtp)"
  wait_until 5 grep -q 'needs a new start' "$BATS_TEST_TMPDIR/servers/usmtp.log"
  sed -i 's/PATH(NEW)/PATH(OUT)/' "$MEMBER"
  queue_mail
  wait_until 3 sh -c "[ -z \"\$(find '$SPOOL/mail' -name 'OUT*')\" ]"
}

@test "a user's own data set that a host refuses: one notice, though usmtp is another user" {
  [ "$(id -u)" -eq 0 ] || skip 'needs root to be two users'
  sink --refuse-rcpt 'someone=550'
  sed -i 's/LOGIN(no-such-user)/LOGIN(daemon)/; ' "$SITE/USERTBL"
  sed -i 's/REMOTE(RMT21)/REMOTE(RMT21) QUIET(1S) POLL(1S)/' "$MEMBER"
  open_site
  chown -R nobody "$SPOOL"
  printf 'X-From: ABaker@mail.example.org\nX-To: someone@far.example\n\nx\n' >"$SPOOL/mail/.m"
  chown daemon "$SPOOL/mail/.m"
  chmod 644 "$SPOOL/mail/.m"
  mv "$SPOOL/mail/.m" "$SPOOL/mail/OUT.D26001.T0000000.N0001"
  start_server usmtp setpriv --reuid=nobody --regid=nogroup --clear-groups "$BUILD/usmtp" -C "$MEMBER" --log stderr
  wait_until 15 sh -c "[ -n \"\$(find '$SPOOL/jes/POST' -name 'USMTP*')\" ]"
  assert_equal "$(notices | wc -l)" 1
  assert_equal "$(grep -c 'status=bounced' "$BATS_TEST_TMPDIR/servers/usmtp.log")" 1
}

@test "it takes as many descriptors as it may have" {
  sink
  open_site
  start_server usmtp bash -c 'ulimit -Sn 64; exec "$@"' sh "$BUILD/usmtp" -C "$MEMBER" --log stderr
  wait_until 10 awk '/Max open files/ { exit $4 != $5 }' "/proc/$(server_pid usmtp)/limits"
}
