#!/usr/bin/env bats
# ssmtp's journal: what was confirmed is there exactly once, whichever call is the last one, whatever fails, and
# whatever of the journal is damaged. The journal is of the smallest size and made before; the
# client says three messages in one session.

load helper

KIB=256
MESSAGES=3

setup() {
  cd "$BATS_TEST_TMPDIR" || return 1
  PORT=$(free_port)
  site
  echo "SERVICE NAME(SMTP) MODULE(SSMTP) PORT($PORT) ADDRESS(127.0.0.1)" >>"$MEMBER"
  # Under a tracer LeakSanitizer can't trace as well.
  export ASAN_OPTIONS=detect_leaks=0
  ssmtp=("$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 1 --journal "$KIB" --per-client 1000)
  client_says >script
  # The directories, the journal, and a job number.
  receiver
  wait_until 5 minds_sigterm ssmtp
  stop_server ssmtp
  rm "$BATS_TEST_TMPDIR/servers/ssmtp".*
}

# One session of a message with the text "text N" each; what goes wrong ends it.
client_says() {
  local i
  printf '%s\n' '<reply 220' '-> EHLO client.example' '<reply 250'
  for ((i = 1; i <= MESSAGES; i++)); do
    printf '%s\n' '-> MAIL FROM:<a@client.example>' '<reply 250' '-> RCPT TO:<CDoaks@mail.example.org>' '<reply 250' \
      '-> DATA' '<reply 354' "-> text $i" '-> .' '<reply 250'
  done
}

# receiver [WRAPPER...]
receiver() {
  start_server ssmtp "$@" "${ssmtp[@]}"
  wait_for_port "$PORT"
}

# struck KILLAT-ARGUMENT...: a receiver under killat gets the messages. CONFIRMED: how many it confirmed; STATUS: how
# it ended.
struck() {
  rm -f servers/ssmtp.* report client
  start_server ssmtp "$(tool killat)" --limit 20 -o report "$@" -- "${ssmtp[@]}"
  if wait_until 5 eval "port_listening $PORT || test -s servers/ssmtp.status" && [[ ! -s servers/ssmtp.status ]]; then
    timeout 10 "$(tool smtpplay)" client --log client "127.0.0.1:$PORT" script >/dev/null 2>&1 || true
    # Until all is shown, so that every call is made.
    [[ -s servers/ssmtp.status ]] || wait_until "${PATIENCE:-2}" quiet 2>/dev/null || true
  fi
  STATUS=0
  stop_server ssmtp >/dev/null 2>&1 || STATUS=$?
  CONFIRMED=$(grep -c 'SPOOLED AS' client 2>/dev/null) || true
  REFUSED=$(grep -c '4[0-9][0-9] ' client 2>/dev/null) || true
}

# The receiver under killat has recovered.
quiet_now() {
  local pid
  pid=$(pgrep -P "$(server_pid ssmtp)") && [[ -z $(unshown jes) ]] &&
    ((0x$(awk '/^SigCgt/ { print $2 }' "/proc/$pid/status") & 1 << 14))
}

quiet() {
  [[ -s servers/ssmtp.status ]] || [[ -z $(unshown jes) && $(stored) == "$(grep -c 'SPOOLED AS' client)" ]]
}

# unshown FOLDER...: what readers do not see, in either form.
unshown() {
  find "${@/#/$SPOOL/}" -name '.*' -o -type f -perm -1000
}

stored() {
  spooled POST | wc -l
}

# recovers: the next start, without anything in its way.
recovers() {
  rm -f servers/next.*
  start_server next "${ssmtp[@]}"
  wait_for_port "$PORT" 5 && wait_until 5 minds_sigterm next && stop_server next
}

# It listens a little before it minds signals.
minds_sigterm() {
  local caught
  caught=$(awk '/^SigCgt/ { print $2 }' "/proc/$(server_pid "$1")/status") && ((0x$caught & 1 << 14))
}

# judge: every confirmed message is there, no more than were sent, each once and whole, and nothing else.
judge() {
  local i n bad=0
  for ((i = 1; i <= MESSAGES; i++)); do
    n=$({ spooled POST; spooled PRT; } | xargs -r grep -lx "text $i" | wc -l)
    ((n == 1 || (n == 0 && i > CONFIRMED))) || { echo "text $i: $n times, $CONFIRMED confirmed"; bad=1; }
  done
  [[ -z $(unshown jes work) ]] || { echo "left: $(unshown jes work)"; bad=1; }
  seals_good || bad=1
  ((bad == 0)) || { cat report client servers/next.log; }
  return $bad
}

seals_good() {
  local f
  while read -r f; do
    [[ $(tail -n 1 "$f") == text* ]] || { echo "$f is cut"; return 1; }
  done < <(spooled POST)
}

clear_queues() {
  find "$SPOOL/jes" -type f ! -name JOBNO -delete
}

keep_spool() {
  rm -rf kept
  cp -a "$SPOOL" kept
}

restore_spool() {
  rm -rf "$SPOOL"
  cp -a kept "$SPOOL"
}

WHERE='jes/P|work/'
MADE='/(\.ssmtp-|SSMTP\.JOB)' # files that are made of the journal

@test "order: record synced, 250; file and queue synced, record released, shown, queue synced" {
  [[ -n $(type -P strace) ]] || skip 'strace is not installed'
  MESSAGES=1
  client_says >script
  receiver strace -D -f -y -qq -o trace -e trace=fsync,fdatasync,syncfs,fchmodat,renameat2,sendto,pwrite64
  "$(tool smtpplay)" client "127.0.0.1:$PORT" script
  wait_spooled 1
  stop_server ssmtp
  wait_until 5 grep -q 'T01SM021I' servers/ssmtp.log
  steps() {
    awk '/pwrite64\(.*SSMTP\.1\.JOURNAL.*SSMTPREC/ { o = o "W" } /pwrite64\(.*SSMTP\.1\.JOURNAL.*SSMTPJNL/ { o = o "H" }
      /fdatasync\(.*SSMTP\.1\.JOURNAL/ { o = o "J" } /fsync\([0-9]+<[^>]*\/(\.ssmtp-|SSMTP\.JOB)/ { o = o "F" }
      /fsync\([0-9]+<[^>]*jes\/POST>/ { o = o "D" } /renameat2\(.*\.ssmtp-|fchmodat\(.*SSMTP\.JOB/ { o = o "N" } '"$1"'
      END { sub(/^[^W]*/, "", o); print o }' trace # the start syncs the head that it finds
  }
  assert_equal "$(steps '')" WJFDHHJND
  assert_equal "$(steps '/sendto.*250 2.0.0 SPOOLED/ { sub(/^[^W]*/, "", o); print o }' | head -n 1 | cut -c 1-2)" WJ
}

@test "kill -9 before and after every call of accepting and of the checkpoint" {
  local n how
  MESSAGES=2
  client_says >script
  for how in before after; do
    for ((n = 1; n < 200; n++)); do
      clear_queues
      struck --path "$WHERE" "$how" "$n"
      ((STATUS == 137)) || break
      recovers
      judge || { echo "$how $n"; return 1; }
    done
    # Some two dozen calls, and at the end it passed untouched.
    ((n > 15)) || { cat report; return 1; }
    assert_equal "$CONFIRMED" "$MESSAGES"
  done
}

# What there is to be recovered, in kept: records without files; files of released records.
leave() {
  clear_queues
  struck --only "$1" --path "$MADE" before 1
  assert_equal "$STATUS" 137
  assert_equal "$(stored)" 0
  keep_spool
}

@test "kill -9 before and after every call of recovery" {
  local n how what
  for what in 'openat' 'fchmodat'; do
    leave "$what"
    local confirmed=$CONFIRMED
    ((confirmed > 0))
    for how in before after; do
      for ((n = 1; n < 200; n++)); do
        restore_spool
        rm -f servers/ssmtp.*
        start_server ssmtp "$(tool killat)" --limit 20 -o report --path "$WHERE" "$how" "$n" -- "${ssmtp[@]}"
        wait_until 5 eval "port_listening $PORT || test -s servers/ssmtp.status"
        wait_until 5 eval "test -s servers/ssmtp.status || quiet_now"
        STATUS=0
        stop_server ssmtp >/dev/null 2>&1 || STATUS=$?
        ((STATUS == 137)) || break
        CONFIRMED=$confirmed
        recovers
        judge || { echo "$what: $how $n"; return 1; }
      done
      ((n > 3)) || { cat report; return 1; }
    done
  done
}

@test "every call fails, once and from then on: nothing confirmed is lost, and it ends or goes on" {
  local n how
  MESSAGES=2 PATIENCE=0.2
  client_says >script
  for how in 'ENOSPC once' 'EIO from'; do
    for ((n = 1; n < 200; n++)); do
      clear_queues
      # shellcheck disable=SC2086 # two words
      struck --path "$WHERE" fail "$n" $how
      grep -q '^failed' report || break
      # It was told to stop, could not start, or had doubt.
      [[ $STATUS == @(0|71|73|74) ]] || { cat report servers/ssmtp.log; echo "$how $n: $STATUS"; return 1; }
      if ((STATUS == 74)); then grep -q T01SM024E servers/ssmtp.log; fi
      recovers
      judge || { echo "$how $n"; return 1; }
    done
    ((n > 15)) || { cat report; return 1; }
  done
}

@test "short writes: all is written in the end" {
  local n
  for ((n = 1; n < 50; n++)); do
    clear_queues
    struck --only 'p?write(64)?' --path "$WHERE" short "$n" once
    grep -q '^short' report || break
    assert_equal "$STATUS" 0
    assert_equal "$CONFIRMED" "$MESSAGES"
    judge
  done
  ((n > 3)) || { cat report; return 1; }
}

@test "a failed sync of the journal: 451, and the program ends in doubt; a failed write: 451 alone" {
  local reply
  local -a served=(--socket --begin sendto --path JOURNAL) # not what the start writes and syncs
  struck "${served[@]}" --only 'sendto|fdatasync' fail 1 EIO once
  assert_equal "$STATUS" 74
  assert_equal "$CONFIRMED" 0
  assert_equal "$REFUSED" 1
  run cat servers/ssmtp.log
  assert_output --partial 'T01SM024E RECEIVER STOPS: COMMIT IN DOUBT (Input/output error)'
  recovers
  judge
  clear_queues
  for reply in 'EIO 451' 'ENOSPC 452'; do
    struck "${served[@]}" --only 'sendto|pwrite64' fail 1 "${reply% *}" once
    assert_equal "$STATUS" 0
    run cat client
    assert_output --partial "${reply#* } 4.3."
    # The next session is served; what was refused does not come back.
    receiver
    "$(tool smtpplay)" client "127.0.0.1:$PORT" script
    wait_spooled "$MESSAGES"
    stop_server ssmtp
    clear_queues
  done
}

@test "no room for the files after the 250: kept, 452 for new mail, and all is well when there is room" {
  rm -f servers/ssmtp.*
  start_server ssmtp "$(tool killat)" -o report --only openat --path "$MADE" fail 1 ENOSPC once -- "${ssmtp[@]}"
  wait_for_port "$PORT"
  MESSAGES=1
  client_says >one
  MESSAGES=3
  "$(tool smtpplay)" client "127.0.0.1:$PORT" one
  wait_until 5 grep -q 'T01SM001I .* SSMTP.*No space left on device (NO NEW MAIL IS TAKEN UNTIL IT PASSES)' servers/ssmtp.log
  sed 's/^<reply 250$/&/; $s/250/452/' one | "$(tool smtpplay)" client "127.0.0.1:$PORT" /dev/stdin
  wait_spooled 1
  "$(tool smtpplay)" client "127.0.0.1:$PORT" script
  wait_spooled $((1 + MESSAGES))
  stop_server ssmtp
}

# damage COMMAND...: damages the journal of `kept`; after recovery, FOUND says which messages are there.
damage() {
  restore_spool
  "$@" "$SPOOL/work/SSMTP.1.JOURNAL"
  recovers
  local f
  while read -r f; do
    [[ $(tail -n 1 "$f") == text* && $(head -n 1 "$f") == X-From:* ]] || { echo "$f is torn"; return 1; }
  done < <(spooled POST)
  [[ -z $(find "$SPOOL/jes" -name '.*') ]]
  FOUND=$(spooled POST | xargs -r grep -hx 'text [0-9]' | sort | tr -d 'a-z \n')
}

zero() { dd if=/dev/zero of="$3" bs=1 seek="$1" count="$2" conv=notrunc status=none; }
flip() {
  local octet
  octet=$(od -An -tu1 -j "$1" -N 1 "$2")
  # shellcheck disable=SC2059 # an octet
  printf "\\$(printf %o $((octet ^ 16)))" | dd of="$2" bs=1 seek="$1" conv=notrunc status=none
}
cut_at() { truncate -s "$1" "$2"; }

@test "a damaged journal: what is whole in it is recovered, once, and nothing torn is shown" {
  leave openat
  # A session is one batch a message: each begins at a block of the second half.
  local journal=kept/work/SSMTP.1.JOURNAL at block offset i wanted all=''
  mapfile -t at < <(grep -aob SSMTPREC "$journal" | cut -d : -f 1)
  # The last one may have been synced and not confirmed.
  ((${#at[@]} >= CONFIRMED && CONFIRMED > 0))
  CONFIRMED=${#at[@]}
  for ((i = 1; i <= CONFIRMED; i++)); do all+=$i; done
  damage true
  assert_equal "$FOUND" "$all"
  for ((i = 0; i < CONFIRMED; i++)); do
    block=${at[i]} wanted=${all/$((i + 1))/}
    for offset in 0 10 30 40 44 50 70 75 110 200; do
      damage flip $((block + offset))
      assert_equal "$FOUND" "$wanted"
    done
    damage zero "$block" 512
    assert_equal "$FOUND" "$wanted"
    damage cut_at "$block"
    assert_equal "$FOUND" "${all:0:i}"
    damage cut_at $((block + 100))
    assert_equal "$FOUND" "${all:0:i}"
  done
  # One that a later one shows to be lost is told.
  damage zero "${at[0]}" 512
  ((CONFIRMED < 2)) || grep -q 'T01SM056E JOURNAL 1 IS DAMAGED: at least 1 messages are lost' servers/next.log
  # Heads: one copy is enough.
  damage zero 0 8192
  assert_equal "$FOUND" "$all"
  damage zero $((KIB * 1024 - 8192)) 8192
  assert_equal "$FOUND" "$all"
  damage cut_at $((KIB * 1024 - 8192))
  assert_equal "$FOUND" "$all"
  damage cut_at 0
  assert_equal "$FOUND" ''
  grep -q 'T01SM056E JOURNAL 1 IS DAMAGED: it has no valid head' servers/next.log
  assert_file_exists "$SPOOL/work/SSMTP.1.JOURNAL.DAMAGED.1"
}

@test "a file that has left its queue does not come back" {
  receiver
  "$(tool smtpplay)" client "127.0.0.1:$PORT" script
  wait_spooled "$MESSAGES"
  rm "$SPOOL"/jes/POST/*
  stop_server ssmtp KILL || true
  recovers
  assert_equal "$(stored)" 0
  # Nor with an older head.
  dd if=/dev/zero of="$SPOOL/work/SSMTP.1.JOURNAL" bs=4096 seek=1 count=1 conv=notrunc status=none
  recovers
  assert_equal "$(stored)" 0
}

@test "files whose journal is gone: shown with a good seal, else left" {
  leave fchmodat
  rm "$SPOOL/work/SSMTP.1.JOURNAL"
  recovers
  if [[ -n $(type -P getfattr) ]] && getfattr -d "$(find "$SPOOL/jes/POST" -type f | head -n 1)" 2>/dev/null | grep -q seal; then
    CONFIRMED=$(stored)
    ((CONFIRMED > 0))
    restore_spool
    rm "$SPOOL/work/SSMTP.1.JOURNAL"
    find "$SPOOL/jes/POST" -perm -1000 -exec sh -c 'echo more >>"$1"' x {} \;
    recovers
    assert_equal "$(stored)" 0
    find "$SPOOL/jes/POST" -name '.left.SSMTP.*' | grep -q .
    grep -q T01SM059E servers/next.log
  fi
}

@test "a worker that is killed: the next one recovers its journal, and the others go on" {
  start_server crew "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 2 --journal "$KIB" --per-client 1000
  wait_for_port "$PORT"
  local parent i worker said=0
  parent=$(server_pid crew)
  for i in 1 2 3; do
    wait_until 10 eval '(($(pgrep -P '"$parent"' | wc -l) == 2))'
    rm -f client
    "$(tool smtpplay)" client --log client "127.0.0.1:$PORT" script >/dev/null 2>&1 || true
    for worker in $(pgrep -P "$parent"); do kill -KILL "$worker"; done
    said=$((said + $(grep -c 'SPOOLED AS' client)))
    wait_until 10 eval '(($(pgrep -P '"$parent"' | wc -l) == 2))'
    sleep 1.1
  done
  ((said > 0))
  wait_spooled "$said"
  stop_server crew
}

@test "a journal that another process has is left alone; one that no worker has is recovered" {
  [[ -n $(type -P flock) ]] || skip 'flock is not installed'
  touch held
  flock "$SPOOL/work/SSMTP.1.JOURNAL" sh -c 'while test -e held; do sleep 0.1; done' 3>&- &
  sleep 0.3
  leave openat
  rm held
  wait
  assert_file_exists "$SPOOL/work/SSMTP.2.JOURNAL"
  ((CONFIRMED > 0))
  recovers
  judge
  grep -q "T01SM054I $(stored) MESSAGES OF JOURNAL 2 RECOVERED" servers/next.log
}

@test "a full journal waits for its checkpoint; many sessions, every message once" {
  [[ -n $(type -P smtp-source) ]] || skip 'smtp-source is not installed'
  receiver
  smtp-source -s 20 -m 600 -l 20000 -f a@client.example -t cdoaks@mail.example.org "127.0.0.1:$PORT"
  wait_spooled 600
  stop_server ssmtp
  assert_equal "$(spooled POST | xargs grep -L '^X-To: <CZQ14CD@MYHOST>$' | wc -l)" 0
  [[ -z $(find "$SPOOL/jes" -name '.*') ]]
}
