#!/usr/bin/env bats
# ssmtp: mail from the network becomes spool files, and bad clients get nowhere. Real clients are swaks,
# curl and smtp-source; bad ones are dialogues in dialogs/ssmtp, one bad behaviour a file.

load helper

setup() {
  cd "$BATS_TEST_TMPDIR" || return 1
  PORT=$(free_port)
  site
  keywords 'DIVERT(1M) MAXSIZE(10M)'
  echo "SERVICE NAME(SMTP) MODULE(SSMTP) PORT($PORT) ADDRESS(127.0.0.1)" >>"$MEMBER"
}

# keywords TEXT: more keywords of the SMTP statement.
keywords() {
  sed -i "s/REMOTE(RMT21)/REMOTE(RMT21) $1/" "$MEMBER"
}

# receiver [OPTION...]: one process, so that its id is the server's.
receiver() {
  start_server ssmtp "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 1 --per-client 1000 "$@"
  wait_for_port "$PORT"
}

# play SCRIPT: the client's side, from a file or from standard input.
play() {
  local script=${1:-$BATS_TEST_TMPDIR/script}
  [[ $# -gt 0 ]] || cat >"$script"
  "$(tool smtpplay)" client "127.0.0.1:$PORT" "$script"
}

# send [OPTION...]: one message by swaks.
send() {
  swaks --server "127.0.0.1:$PORT" --from a@client.example --to cdoaks@mail.example.org \
    --header 'Subject: test' --body 'the text' "$@"
}

# The directories are there, so that what follows is about messages alone.
prepare_spool() {
  receiver
  stop_server ssmtp
}

queued() {
  spooled "${1:-POST}"
}

count() {
  queued "${1:-POST}" | wc -l
}

# Whether no temporary file is left.
no_leftovers() {
  [[ -z $(find "$SPOOL/jes" "$SPOOL/work" -name '.*') ]]
}

# Messages in both queues.
stored() {
  echo $(($(count POST) + $(count PRT)))
}

needs() {
  local command
  for command in "$@"; do
    [[ -n $(type -P "$command") ]] || skip "$command is not installed"
  done
}

transaction=$'<reply 220\n-> EHLO client.example\n<reply 250\n-> MAIL FROM:<a@client.example>\n<reply 250\n-> RCPT TO:<CDoaks@mail.example.org>\n<reply 250'

@test "a message of a real client: envelope, Received, then the text as it came" {
  needs swaks
  receiver
  run send --ehlo client.example --to 'CDoaks@mail.example.org,abcdef@MYHOST'
  assert_success
  assert_output --regexp '250 2\.0\.0 SPOOLED AS SSMTP\.JOB[0-9]{5}\.D001[0-9]{4}\.MAIL\.T'
  wait_spooled 1
  run cat "$(queued)"
  assert_line --index 0 'X-From: <a@client.example>'
  assert_line --index 1 'X-To: <CZQ14CD@MYHOST>'
  assert_line --index 2 'X-To: <ABCDEF@MYHOST>'
  assert_line --index 3 'Received: from client.example ([127.0.0.1])'
  assert_line --index 4 --regexp $'^\tby mail\\.example\\.org \\(SSMTP\\) with ESMTP id SSMTP\\.JOB[0-9]{5}\\.D001[0-9]{4}\\.MAIL\\.T;$'
  assert_line --index 5 --regexp $'^\t(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]+ [A-Z][a-z][a-z] 20[0-9][0-9] '
  assert_line 'Subject: test'
  assert_line 'the text'
  refute_output --partial $'\r'
  run server_log ssmtp
  assert_output --regexp 'T01SM010I RECEIVER FOR LOCAL HOST mail\.example\.org STARTING WITH REMOTE HOST client\.example \[127\.0\.0\.1\]'
  assert_output --regexp 'T01SM050I SSMTP[^ ]*: from=<a@client\.example>, size=[0-9]+, nrcpt=2, client=\[127\.0\.0\.1\], queue=jes/POST'
}

@test "above DIVERT a message goes to jes/PRT, octet by octet what curl sent" {
  needs curl
  receiver
  { printf 'Subject: large\r\n\r\n'; for i in {1..40000}; do printf '.%d dotted line number %d\r\n' "$i" "$i"; done; } >"$BATS_TEST_TMPDIR/large"
  run curl -sS --url "smtp://127.0.0.1:$PORT/client.example" --mail-from a@client.example \
    --mail-rcpt abaker@mail.example.org --upload-file "$BATS_TEST_TMPDIR/large"
  assert_success
  wait_spooled 1 PRT
  assert_equal "$(count POST)" 0
  # Five lines come first: X-From, X-To, Received.
  tail -n +6 "$(queued PRT)" | cmp - <(tr -d '\r' <"$BATS_TEST_TMPDIR/large")
  no_leftovers
}

@test "without a post office everything is diverted, for users of the host" {
  sed -i 's/POSTOFFICE(MYHOST)//' "$MEMBER"
  receiver
  send
  wait_spooled 1 PRT
  run cat "$(queued PRT)"
  assert_line --index 1 'X-To: <CZQ14CD@mail.example.org>'
}

@test "forwards and lists are the post office's: a spool file names users only, each once" {
  cat >>"$SITE/USERTBL" <<'EOM'
LOCALF    local.f    FORWARD(abaker@mail.example.org)
REMOTEF   remote.f   FORWARD(x@elsewhere.example)
LIST      several    FORWARD(local.f@far.example, CZQ14CD LIST)
EOM
  receiver
  send --to local.f@myhost,ABaker@myhost,remote.f@myhost,LOCALF@myhost,several@myhost,list@mail.example.org
  wait_spooled 1
  run sed -n '/^X-To/p' "$(queued)"
  assert_output 'X-To: <LOCALF@MYHOST>
X-To: <ABCDEF@MYHOST>
X-To: <REMOTEF@MYHOST>
X-To: <LIST@MYHOST>'
}

@test "postmaster works without an entry in the table" {
  sed -i '/POSTMAST/d' "$SITE/USERTBL"
  receiver
  send --to postmaster@mail.example.org
  wait_spooled 1
  run sed -n 2p "$(queued)"
  assert_output 'X-To: <POSTMASTER@MYHOST>'
}

@test "dialogues: every bad behaviour is answered, and nothing else is stored than its file says" {
  receiver
  local file before stores bad=0
  for file in "$ROOT"/tests/dialogs/ssmtp/*.smtp; do
    stores=$(sed -n 's/^# stores: //p' "$file")
    before=$(stored)
    if ! play "$file"; then
      bad=1
    elif ! wait_until 10 eval '(($(stored) >= before + stores))' || (($(stored) != before + stores)); then
      echo "${file##*/}: $(($(stored) - before)) messages stored, not $stores"
      bad=1
    fi
  done
  assert_equal "$bad" 0
  send >/dev/null
  wait_until 5 no_leftovers
  # No text of a client got anywhere raw, and nothing of the smuggled transactions exists.
  run grep -lr -e 'evil@client' -e smuggled "$SPOOL/jes/POST" "$SPOOL/jes/PRT"
  assert_output ''
  run grep -c "[[:cntrl:]]" "$BATS_TEST_TMPDIR/servers/ssmtp.log"
  assert_output 0
  stop_server ssmtp
}

@test "text that poses as envelope lines comes behind Received" {
  receiver
  play "$ROOT/tests/dialogs/ssmtp/text-poses-as-envelope.smtp"
  wait_spooled 1
  run cat "$(queued)"
  assert_line --index 1 'X-To: <CZQ14CD@MYHOST>'
  assert_line --index 2 --regexp '^Received: '
  assert_line --index 5 'X-To: <root@mail.example.org>'
}

@test "5,000 recipients; the next ones are told to wait" {
  local i
  for i in {1..5001}; do printf 'U%d u%d\n' "$i" "$i"; done >>"$SITE/USERTBL"
  receiver
  {
    echo "$transaction"
    for i in {2..5000}; do printf -- '-> RCPT TO:<u%d@mail.example.org>\n' "$i"; done
    for i in {2..5000}; do echo '<reply 250'; done
    printf '%s\n' '-> RCPT TO:<u5001@mail.example.org>' '<~ ^452 4\.5\.3' '-> DATA' '<reply 354' '-> .' '<reply 250'
  } | play
  wait_spooled 1
  assert_equal "$(grep -c '^X-To: ' "$(queued)")" 5000
}

@test "early talkers are refused" {
  receiver
  local pid
  pid=$(server_pid ssmtp)
  cat >early <<'EOM'
-> EHLO client.example
<~ ^554 5\.5\.0
expect-close
EOM
  # It can't greet before we have spoken.
  kill -STOP "$pid"
  (sleep 0.3; kill -CONT "$pid") &
  play early
}

@test "stable storage comes before 250: sync, rename, directory sync, where there is no journal" {
  needs strace
  prepare_spool
  without_leak_check
  start_server ssmtp strace -D -f -y -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=fsync,fdatasync,syncfs,renameat2,linkat,unlinkat,sendto,write \
    "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 1 --journal 0
  wait_for_port "$PORT"
  send
  stop_server ssmtp
  wait_until 5 grep -q 'SPOOLED' "$BATS_TEST_TMPDIR/trace"
  run awk '
    /fsync\([0-9]+<[^>]*\/jes\/POST\/\.spool-/ && / = 0$/ { order = order "F" }
    /renameat2\([0-9]+<[^>]*\/jes\/POST>, "\.spool-.*RENAME_NOREPLACE\) += 0$/ { order = order "R" }
    /fsync\([0-9]+<[^>]*\/jes\/POST>\)/ && / = 0$/ && order != "" { order = order "D" } # at the start, too
    /sendto\(.*"250 2\.0\.0 SPOOLED/ { order = order "S" }
    END { print order }' "$BATS_TEST_TMPDIR/trace"
  assert_output FRDS
}

# Under a tracer LeakSanitizer can't trace as well.
without_leak_check() {
  export ASAN_OPTIONS=detect_leaks=0
}

# failing_receiver CALL PATH ERRNO [KIB [N]]: that call fails once, the Nth time; with a journal of so many KiB, or none.
failing_receiver() {
  without_leak_check
  start_server ssmtp "$(tool killat)" -o "$BATS_TEST_TMPDIR/killat" --only "$1" --path "$2" fail "${5:-1}" "$3" once \
    -- "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 1 --journal "${4:-0}"
  wait_for_port "$PORT"
}

@test "what fails on the disk is never 250, nothing of it stays, and the next message is taken" {
  local case call path error reply number
  prepare_spool
  for case in 'write /jes/POST/.spool- ENOSPC 452' 'write /jes/POST/.spool- EDQUOT 452' 'write /jes/POST/.spool- EIO 451' \
    'openat /jes/POST/.spool- ENOSPC 452' 'openat /jes/POST/.spool- EMFILE 451' 'fsync /jes/POST/.spool- EIO 451' \
    'fsync /jes/POST/.spool- ENOSPC 452' 'renameat2 SSMTP EIO 451' 'renameat2 SSMTP ENOSPC 452' 'fsync jes/POST$ EIO 451 2'; do
    read -r call path error reply number <<<"$case"
    find "$SPOOL/jes/POST" -type f -delete
    failing_receiver "$call" "$path" "$error" 0 "${number:-1}"
    run play <<EOM
$transaction
-> DATA
<reply 354
-> x
-> .
<reply $reply
-> MAIL FROM:<b@client.example>
<reply 250
-> RCPT TO:<CDoaks@mail.example.org>
<reply 250
-> DATA
<reply 354
-> .
<reply 250
-> QUIT
<reply 221
EOM
    assert_success
    stop_server ssmtp
    # It did fail there.
    run grep -c "^failed ${number:-1} $call " "$BATS_TEST_TMPDIR/killat"
    assert_output 1
    assert_equal "$(count)" 1
    run cat "$(queued)"
    assert_line --index 0 'X-From: <b@client.example>'
    no_leftovers
  done
}

@test "a large message that meets a full disk is read to its end, then refused" {
  failing_receiver write /jes/POST/.spool- ENOSPC
  run play <<EOM
$transaction
-> DATA
<reply 354
repeat 3000 -> $(printf 'x%.0s' {1..100})
-> .
<reply 452
-> NOOP
<reply 250
EOM
  assert_success
  stop_server ssmtp
  assert_equal "$(count)" 0
  no_leftovers
}

@test "a full file system: 452 at MAIL, and mail again when there is room" {
  ((EUID == 0)) || skip 'needs root to mount'
  mkdir -p "$SPOOL"
  mount -t tmpfs -o size=1m tmpfs "$SPOOL" 2>/dev/null || skip 'no file system can be mounted here'
  receiver
  send
  head -c 2000000 /dev/zero >"$SPOOL/filler" 2>/dev/null || true
  sleep 1.1
  run send
  local full=$output
  rm "$SPOOL/filler"
  sleep 1.1
  run send
  local after=$status
  stop_server ssmtp
  local files
  files=$(count)
  umount "$SPOOL"
  assert_regex "$full" '<\*\* 452 4\.3\.1'
  assert_equal "$after" 0
  assert_equal "$files" 2
}

@test "kill -9 before and after every call that changes a file: what was accepted is there, whole" {
  local calls n how got files
  without_leak_check
  calls=$("$(tool killat)" -o "$BATS_TEST_TMPDIR/count" count -- true && cat "$BATS_TEST_TMPDIR/count")
  assert_equal "$calls" 0
  # The calls of one message: those that name the queue.
  start_server ssmtp "$(tool killat)" -o "$BATS_TEST_TMPDIR/count" --path 'jes/POST' count -- "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 1
  wait_for_port "$PORT"
  send >/dev/null
  stop_server ssmtp
  calls=$(cat "$BATS_TEST_TMPDIR/count")
  ((calls >= 5))
  for how in before after; do
    for ((n = 1; n <= calls; n++)); do
      find "$SPOOL/jes/POST" -type f -delete
      start_server "ssmtp-$how-$n" "$(tool killat)" -o "$BATS_TEST_TMPDIR/killat" --path 'jes/POST' "$how" "$n" -- \
        "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 1
      got=lost
      if wait_for_port "$PORT" 2 2>/dev/null && send >"$BATS_TEST_TMPDIR/sent" 2>&1; then got=accepted; fi
      stop_server "ssmtp-$how-$n" || true
      # The next start cleans up.
      start_server "next-$how-$n" "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 1
      wait_for_port "$PORT"
      stop_server "next-$how-$n"
      no_leftovers
      files=$(count)
      echo "$how $n: $got, $files files"
      ((files <= 1))
      [[ $got == lost || $files == 1 ]]
      [[ $files == 0 ]] || grep -q '^the text$' "$(queued)"
    done
  done
}

@test "memory does not grow with the message" {
  if grep -qE '__(a|t)san_init' "$BUILD/ssmtp"; then skip 'a sanitizer keeps what was freed'; fi
  receiver
  local pid most
  pid=$(server_pid ssmtp)
  play <<EOM
$transaction
-> DATA
<reply 354
timeout 30000
repeat 9000 -> $(printf 'x%.0s' {1..1000})
-> .
<reply 250
EOM
  most=$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status")
  ((most < 12000)) || { echo "$most KiB" >&2; return 1; }
}

@test "many sessions at once: every message is stored, under a name of its own" {
  needs smtp-source
  start_server ssmtp "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 2 --per-client 1000
  wait_for_port "$PORT"
  smtp-source -s 50 -m 500 -l 3000 -f a@client.example -t cdoaks@mail.example.org "127.0.0.1:$PORT"
  smtp-source -s 50 -m 500 -l 3000 -d -f a@client.example -t cdoaks@mail.example.org "127.0.0.1:$PORT"
  wait_spooled 1000
  assert_equal "$(queued | xargs grep -L '^X-To: <CZQ14CD@MYHOST>$' | wc -l)" 0
  stop_server ssmtp
  no_leftovers
}

@test "SIGHUP: a session goes on with the new table; a table with an error is not taken" {
  receiver
  local pid
  pid=$(server_pid ssmtp)
  cat >script <<'EOM'
<reply 220
-> EHLO client.example
<reply 250
-> MAIL FROM:<a@client.example>
<reply 250
-> RCPT TO:<new@mail.example.org>
<reply 550
sleep 1500
-> RCPT TO:<new@mail.example.org>
<reply 250
-> RCPT TO:<cdoaks@renamed.example.org>
<reply 250
sleep 1500
-> RCPT TO:<new@mail.example.org>
<reply 550
-> RCPT TO:<new@renamed.example.org>
<reply 250
-> DATA
<reply 354
-> .
<reply 250
EOM
  play script &
  local client=$!
  sleep 0.7
  echo 'NEWUSER new' >>"$SITE/USERTBL"
  sed -i 's/POSTOFFICE(MYHOST)/POSTOFFICE(renamed.example.org)/' "$MEMBER"
  kill -HUP "$pid"
  sleep 1.5
  sed -i 's/HOST(mail.example.org)/HOST(other.example.org)/' "$MEMBER"
  kill -HUP "$pid"
  sleep 0.3
  echo 'NEWUSER twice' >>"$SITE/USERTBL"
  kill -HUP "$pid"
  wait "$client"
  run server_log ssmtp
  assert_output --partial 'T01SM025I'
  assert_output --regexp 'T01SM003E .*line 6'
  wait_spooled 1
  run cat "$(queued)"
  assert_line 'X-To: <NEWUSER@MYHOST>' || assert_line 'X-To: <NEWUSER@renamed.example.org>'
}

@test "SIGHUP with a bad user table: told with line and column, and the old one stays in use" {
  local n column text i=0
  receiver
  cp "$SITE/USERTBL" good
  n=$(($(wc -l <good) + 2))
  while IFS='|' read -r column text; do
    { cat good && printf 'NEWUSER new\n%b\n' "$text"; } >"$SITE/USERTBL"
    : >"$BATS_TEST_TMPDIR/servers/ssmtp.log"
    kill -HUP "$(server_pid ssmtp)"
    wait_until 10 grep -q "T01SM003E CONFIGURATION ERROR IN $SITE/USERTBL: line $n, column $column: " "$BATS_TEST_TMPDIR/servers/ssmtp.log"
    printf '%s\n' '<reply 220' '-> HELO client.example' '<reply 250' '-> MAIL FROM:<>' '<reply 250' \
      '-> RCPT TO:<new@MYHOST>' '<reply 550' '-> RCPT TO:<cdoaks@MYHOST>' '<reply 250' '-> QUIT' '<reply 221' | play
    i=$((i + 1))
  done <<'EOM'
1|newuser twice
3|X NEW
2|X\0377 y
7|X y 'a\0033[2Jb'
13|X y FORWARD(nobody)
13|X y FORWARD(postmast)\nZ z FORWARD(x)
EOM
  assert_equal "$i" 6
  { cat good && printf 'X y ' && head -c 10485760 /dev/zero | tr '\0' "'"; } >"$SITE/USERTBL"
  kill -HUP "$(server_pid ssmtp)"
  wait_until 10 grep -q "line $((n - 1)), column 32769: the line has 10485764 octets" "$BATS_TEST_TMPDIR/servers/ssmtp.log"
  play <<'EOM'
<reply 220
-> HELO client.example
<reply 250
-> MAIL FROM:<>
<reply 250
-> RCPT TO:<cdoaks@MYHOST>
<reply 250
-> QUIT
<reply 221
EOM
}

@test "SIGTERM: idle clients get 421, a transaction in hand is finished" {
  receiver
  printf '%s\n' '<reply 220' 'timeout 10000' '<~ ^421 4\.3\.2' expect-close >idle
  printf '%s\n' "$transaction" '-> DATA' '<reply 354' '-> half' 'sleep 1500' '-> and half' '-> .' '<~ ^250 ' '<~ ^421 4\.3\.2' expect-close >busy
  play idle &
  local idle=$!
  play busy &
  local busy=$!
  sleep 0.7
  kill -TERM "$(server_pid ssmtp)"
  wait "$idle"
  wait "$busy"
  server_status ssmtp
  assert_equal "$(count)" 1
  run server_log ssmtp
  assert_output --partial 'T01SM021I ssmtp ENDED'
}

@test "a worker that dies is replaced, and its clients' places are free again" {
  start_server ssmtp "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 2 --per-client 3
  wait_for_port "$PORT"
  local parent worker i
  parent=$(server_pid ssmtp)
  for i in {1..6}; do
    sleep 0.2
    for worker in $(pgrep -P "$parent"); do kill -KILL "$worker"; done
    wait_until 5 eval '(($(pgrep -P '"$parent"' | wc -l) == 2))'
    ((i > 2)) && break
    sleep 1
  done
  send
  run server_log ssmtp
  assert_output --regexp 'T01SM055E WORKER [12] ENDED BY signal 9'
  stop_server ssmtp
  run pgrep -P "$parent"
  assert_output ''
  # Without a parent they end: whoever starts it anew gets the port.
  start_server orphans "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 2
  wait_for_port "$PORT"
  kill -KILL "$(server_pid orphans)"
  wait_until 5 eval '! port_listening '"$PORT"
}

@test "few connections are served by one worker, and by another when it is gone" {
  start_server ssmtp "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 3 --per-client 100
  wait_for_port "$PORT"
  local parent fd line i first
  parent=$(server_pid ssmtp)
  # Those of a worker: its sockets, less what it has without clients.
  connections() { find "/proc/$1/fd" -lname 'socket:*' 2>/dev/null | wc -l; }
  workers() { pgrep -P "$parent"; }
  all_listen() { workers | while read -r i; do (($(connections "$i") > 0)) || exit 1; done; }
  wait_until 5 all_listen
  declare -A before
  for i in $(workers); do before[$i]=$(connections "$i"); done
  talk() {
    local fds=()
    for _ in {1..8}; do
      exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
      read -r -t 10 -u "$fd" line
      [[ $line == 220\ * ]]
      fds+=("$fd")
    done
    first=
    for i in $(workers); do
      (($(connections "$i") == ${before[$i]:-0})) && continue
      first+=" $i=$(($(connections "$i") - ${before[$i]:-0}))"
    done
    for fd in "${fds[@]}"; do exec {fd}>&-; done
  }
  talk
  echo "served by$first"
  [[ $first =~ ^\ ([0-9]+)=8$ ]]
  # It ends: nobody is sent to who is not there, and its place is taken anew.
  kill -KILL "${BASH_REMATCH[1]}"
  send
  wait_until 10 eval '(($(pgrep -P '"$parent"' | wc -l) == 3))'
  for i in {1..12}; do send; done
  stop_server ssmtp
  assert_equal "$(count)" 13
}

@test "limits: of one client, in all, and places kept for others" {
  start_server ssmtp "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 1 --per-client 2
  wait_for_port "$PORT"
  printf '%s\n' '<reply 220' 'sleep 1500' '-> QUIT' '<reply 221' >hold
  local held=()
  play hold & held+=($!)
  play hold & held+=($!)
  sleep 0.7
  printf '%s\n' '<~ ^421 4\.7\.0 ' expect-close | play
  wait "${held[@]}"
  send
  stop_server ssmtp
  # Nine of ten places are for clients that have a connection already.
  start_server ssmtp2 "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 1 --connections 10
  wait_for_port "$PORT"
  local i
  held=()
  for i in {1..9}; do play hold & held+=($!); done
  sleep 0.7
  printf '%s\n' '<~ ^421 4\.3\.2 ' expect-close | play
  needs swaks
  run swaks --server "127.0.0.1:$PORT" --local-interface 127.0.0.2 --from a@b.example --to cdoaks@mail.example.org
  assert_success
  wait "${held[@]}"
  run server_log ssmtp2
  assert_output --regexp 'T01SM051W CONNECTION OF \[127\.0\.0\.1\] REFUSED'
}

# held_open N: connections that were greeted and stay, until let_go.
held_open() {
  local fd greeting
  while ((${#HELD[@]} < $1)); do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    HELD+=("$fd")
    IFS= read -r -t 10 greeting <&"$fd"
    [[ $greeting == 220* ]] || fail "$greeting"
  done
}

let_go() {
  local fd
  for fd in "${HELD[@]}"; do exec {fd}>&-; done
  HELD=()
}

@test "limits are configuration: workers, clients in all and each; a reload changes them, options go before them" {
  HELD=()
  keywords 'WORKERS(3) PERCLIENT(2) CLIENTS(10)'
  start_server ssmtp "$BUILD/ssmtp" -C "$MEMBER" --log stderr
  wait_for_port "$PORT"
  local pid log=$BATS_TEST_TMPDIR/servers/ssmtp.log
  pid=$(server_pid ssmtp)
  assert_equal "$(wc -w <"/proc/$pid/task/$pid/children")" 3
  held_open 2
  printf '%s\n' '<~ ^421 4\.7\.0 ' expect-close | play
  sed -i 's/PERCLIENT(2)/PERCLIENT(4)/' "$MEMBER"
  kill -HUP "$pid"
  # shellcheck disable=SC2016 # $0 and $1 of the inner shell
  wait_until 10 bash -c '(($(grep -c "T01SM025I" "$0") >= $1))' "$log" 4 # the parent and three workers
  held_open 4
  printf '%s\n' '<~ ^421 4\.7\.0 ' expect-close | play
  sed -i 's/CLIENTS(10)/CLIENTS(4)/; s/PERCLIENT(4)/PERCLIENT(50)/' "$MEMBER"
  kill -HUP "$pid"
  # shellcheck disable=SC2016
  wait_until 10 bash -c '(($(grep -c "T01SM025I" "$0") >= $1))' "$log" 8
  printf '%s\n' '<~ ^421 4\.3\.2 ' expect-close | play
  let_go
  stop_server ssmtp
  start_server ssmtp2 "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 1 --connections 100 --per-client 7
  wait_for_port "$PORT"
  assert_equal "$(wc -w <"/proc/$(server_pid ssmtp2)/task/$(server_pid ssmtp2)/children")" 0
  held_open 7
  printf '%s\n' '<~ ^421 4\.7\.0 ' expect-close | play
  let_go
}

@test "VRFY(YES): 250 with a mailbox that can be written to, 550, 553; a reload takes it back" {
  keywords 'VRFY(YES)'
  echo "CHRISB  cbaker  'Chris Baker'" >>"$SITE/USERTBL"
  receiver
  play <<'EOM'
<reply 220
-> EHLO client.example
<reply 250
-> VRFY CDoaks
<- 250 2.1.5 Chris Doaks <CDoaks@mail.example.org>
-> VRFY <czq14cd@MYHOST>
<- 250 2.1.5 Chris Doaks <CDoaks@mail.example.org>
-> VRFY Doaks
<- 250 2.1.5 Chris Doaks <CDoaks@mail.example.org>
-> VRFY Chris
<- 553 5.1.4 Ambiguous: several users have that name
-> VRFY nobody
<- 550 5.1.1 No such user here
-> VRFY CDoaks@far.example
<- 550 5.7.1 Not a domain of this host, and nothing is relayed
-> EXPN CDoaks
<~ ^502 5
-> QUIT
<reply 221
EOM
  sed -i 's/VRFY(YES)/VRFY(NO)/' "$MEMBER"
  kill -HUP "$(server_pid ssmtp)"
  wait_until 10 grep -q T01SM025I "$BATS_TEST_TMPDIR/servers/ssmtp.log"
  play "$ROOT/tests/dialogs/ssmtp/vrfy-oracle.smtp"
}

@test "no descriptors left: clients wait, nothing spins, and later all is well" {
  start_server ssmtp bash -c "ulimit -n 40; exec '$BUILD/ssmtp' -C '$MEMBER' --log stderr --workers 1"
  wait_for_port "$PORT"
  local pid fd fds=() before after i
  pid=$(server_pid ssmtp)
  for i in {1..45}; do
    exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
    fds+=("$fd")
  done
  wait_until 5 grep -q 'T01SM053W NO CONNECTIONS ARE TAKEN: Too many open files' "$BATS_TEST_TMPDIR/servers/ssmtp.log"
  before=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
  sleep 2
  after=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
  ((after - before < 20))
  (($(grep -c T01SM053W "$BATS_TEST_TMPDIR/servers/ssmtp.log") < 10))
  for fd in "${fds[@]}"; do exec {fd}>&-; done
  wait_until 5 send
  stop_server ssmtp
}

@test "time: for a command, for a client that drips, and for a whole session" {
  keywords 'TIMECMD(1S) TIMESESS(3S)'
  receiver
  printf '%s\n' '<reply 220' 'timeout 3000' '<~ ^421 4\.4\.2 ' expect-close | play
  # A drip gains no time.
  local start
  start=$(now_ms)
  printf '%s\n' '<reply 220' "drip 100 $(printf 'N%.0s' {1..40})" '<~ ^421 4\.4\.2 ' | play || true
  # Commands in time, but never an end of them; and a text that never ends.
  start=$(now_ms)
  { echo '<reply 220'; for _ in 1 2 3 4 5; do printf '%s\n' '-> NOOP' '<reply 250' 'sleep 500'; done
    printf '%s\n' 'timeout 2000' '<~ ^421 4\.4\.2 ' expect-close; } | play
  (($(now_ms) - start < 4500))
  start=$(now_ms)
  { echo "$transaction"; printf '%s\n' '-> DATA' '<reply 354' "drip 100 $(printf 'x%.0s' {1..60})"; } | play || true
  (($(now_ms) - start < 8000))
  wait_until 5 no_leftovers
  assert_equal "$(count)" 0
}

@test "sockets from the starter: LISTEN_FDS" {
  needs perl
  cat >starter <<'EOM'
use Socket; use POSIX;
my ($port, @command) = @ARGV;
$^F = 100;
socket(my $s, PF_INET, SOCK_STREAM, 0) or die; setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1);
bind($s, sockaddr_in($port, INADDR_LOOPBACK)) or die; listen($s, 10) or die;
POSIX::dup2(fileno($s), 3) or die unless fileno($s) == 3;
$ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDS} = 1;
exec @command;
EOM
  sed -i '/MODULE(SSMTP)/d' "$MEMBER"
  start_server ssmtp perl starter "$PORT" "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 2
  wait_for_port "$PORT"
  wait_until 5 send
  stop_server ssmtp
  assert_equal "$(count)" 1
}

@test "inetd: the connection is standard input, and nothing but replies goes out on it" {
  needs perl
  cat >starter <<'EOM'
use Socket; use POSIX;
my ($port, @command) = @ARGV;
socket(my $s, PF_INET, SOCK_STREAM, 0) or die; setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1);
bind($s, sockaddr_in($port, INADDR_LOOPBACK)) or die; listen($s, 10) or die;
accept(my $c, $s) or die; close $s;
POSIX::dup2(fileno($c), $_) for 0, 1, 2;
exec @command;
EOM
  start_server ssmtp perl starter "$PORT" "$BUILD/ssmtp" -C "$MEMBER" --inetd --log stderr
  wait_for_port "$PORT"
  printf '%s\n' "$transaction" '-> DATA' '<reply 354' '-> .' '<reply 250' '-> QUIT' '<reply 221' expect-close | play
  server_status ssmtp
  assert_equal "$(count)" 1
  run "$BUILD/ssmtp" -C "$MEMBER" --inetd </dev/null
  assert_failure 64
}

@test "IPv6: a service of its own, and the literal in Received" {
  [[ -e /proc/net/if_inet6 ]] && grep -q ' lo$' /proc/net/if_inet6 || skip 'no IPv6 loopback here'
  sed -i 's/ADDRESS(127.0.0.1)/ADDRESS(::1)/' "$MEMBER"
  receiver
  "$(tool smtpplay)" client "[::1]:$PORT" <(printf '%s\n' '<reply 220' '-> EHLO [IPv6:::1]' '<reply 250' '-> MAIL FROM:<>' '<reply 250' \
    '-> RCPT TO:<postmaster@[IPv6:0:0::1]>' '<reply 250' '-> RCPT TO:<postmaster@[127.0.0.1]>' '<reply 550' '-> DATA' '<reply 354' '-> .' '<reply 250')
  wait_spooled 1
  run cat "$(queued)"
  assert_line --index 2 'Received: from [IPv6:::1] ([IPv6:::1])'
}

@test "without ADDRESS both families are served" {
  sed -i 's/ADDRESS(127.0.0.1)//' "$MEMBER"
  receiver
  send
  wait_spooled 1
}

@test "what keeps it from starting is said" {
  run "$BUILD/ssmtp" -C "$MEMBER" --check
  assert_success
  run "$BUILD/ssmtp" -C "$MEMBER" --workers 0
  assert_failure 64
  assert_output 'ssmtp: --workers takes a number from 1 to 64'
  run "$BUILD/ssmtp" -C "$MEMBER" --per-client=many
  assert_failure 64
  run "$BUILD/ssmtp" -C "$MEMBER" --inetd=1
  assert_failure 64
  run "$BUILD/ssmtp" -C "$MEMBER" --connections
  assert_failure 64
  run "$BUILD/ssmtp" -C "$MEMBER" --once --log stderr
  assert_failure 64
  run "$BUILD/ssmtp" --help
  assert_output --partial -- '--per-client N'
  receiver
  # Also where both would share their sockets.
  for workers in 1 2; do
    run "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers "$workers"
    assert_failure 69
    assert_output --partial "cannot listen at 127.0.0.1, port $PORT: Address already in use"
  done
  stop_server ssmtp
  sed -i '/MODULE(SSMTP)/d' "$MEMBER"
  run "$BUILD/ssmtp" -C "$MEMBER" --log stderr
  assert_failure 69
  assert_output --partial 'add SERVICE NAME(SMTP) MODULE(SSMTP)'
  rm "$SITE/USERTBL"
  run "$BUILD/ssmtp" -C "$MEMBER" --log stderr
  assert_failure 78
}
