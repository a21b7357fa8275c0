#!/usr/bin/env bash
# Both directions end to end, on loopback, with nothing but our own programs: two JCL jobs, a dropped file and a user at
# a terminal send mail from one site to another. There it is delivered, printed where it is too large, and refused
# where there is no such user. Needs no root and leaves nothing behind.
set -eu
: "${BUILD:=$PWD/build}"
ROOT=$(cd "$(dirname "$0")" && pwd)
TOP=$(mktemp -d "${TMPDIR:-/tmp}/spoolmail-demo.XXXXXX")
RECEIVER=
finish() {
  [ -z "$RECEIVER" ] || kill "$RECEIVER" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$TOP"
}
trap finish EXIT

title() {
  printf '\n\033[1m== %s\033[0m\n' "$*"
}
show() {
  sed 's/^/    /' "$@"
}
quiet() {
  sed 's/^[^:]*: //' | show
}

# The far site: ssmtp, post office and printer. Its port is whichever is free.
mkdir -p "$TOP/near/maildir" "$TOP/far/maildir"
cat >"$TOP/far/USERTBL" <<'EOM'
OPERATNS  operations  'The Operators'
ABCDEF    abcdef      'A. B. Cdef'
T01TCP    t01tcp
EOM
start_receiver() {
  local port=$1
  cat >"$TOP/far/APPCFG00" <<EOM
SYSTEM  HOST(far.example) SPOOL($TOP/far/spool)
SMTP    POSTOFFICE(FAROFF) DOMAINS(remotehost.example,host2.md.company.com)
        DIVERT(8K) USERTABLE($TOP/far/USERTBL)
DELIVER MAILDIR($TOP/far/maildir/%i)
SERVICE NAME(SMTP) MODULE(SSMTP) PORT($port) ADDRESS(127.0.0.1)
EOM
  "$BUILD/ssmtp" -C "$TOP/far/APPCFG00" --log stderr 2>"$TOP/far/ssmtp.log" &
  RECEIVER=$!
  for _ in $(seq 100); do
    grep -q READY "$TOP/far/ssmtp.log" && return 0
    kill -0 "$RECEIVER" 2>/dev/null || return 1
    sleep 0.05
  done
  return 1
}
for try in 1 2 3 4 5; do
  PORT=$((20000 + (RANDOM * 7 + try * 131) % 12000))
  start_receiver "$PORT" && break
done
grep -q READY "$TOP/far/ssmtp.log" || { cat "$TOP/far/ssmtp.log"; exit 1; }

# The near site: submit, sndmsg, spool4, usmtp, and its own post office for notices.
MEMBER=$TOP/near/APPCFG00
SPOOL=$TOP/near/spool
cat >"$MEMBER" <<EOM
SYSTEM  HOST(mail.example.org) SPOOL($SPOOL)
SMTP    PATH(OUT) REMOTE(RMT21) POSTOFFICE(MYHOST)
        USERTABLE($TOP/near/USERTBL) CATALOG($ROOT/jobs/samples)
DELIVER MAILDIR($TOP/near/maildir/%i)
SERVICE NAME(SPOOL#4)
SERVICE NAME(USMTP)
ROUTE   DOMAIN(*) HOST([127.0.0.1]) PORT($PORT)
EOM
echo "CZQ14CD  CDoaks  LOGIN($(id -un)) 'Chris Doaks'" >"$TOP/near/USERTBL"

title 'A site: configuration and user table'
show "$MEMBER" "$TOP/near/USERTBL"
"$BUILD/spool4" -C "$MEMBER" --check
"$BUILD/spool4" -C "$MEMBER" --once --log stderr

title 'Two jobs, as the manual of the original prints them, are submitted'
for deck in ICSGENER ICSGENRM; do
  "$BUILD/submit" -C "$MEMBER" "$ROOT/jobs/samples/$deck.jcl" >"$TOP/$deck.log"
done
show "$TOP/ICSGENRM.log"

title 'A third program drops files: one of its recipients does not exist, one mail is large'
cat >"$TOP/report" <<'EOM'
X-From: CDoaks@mail.example.org
X-To: operations@far.example
X-To: nobody@far.example
To: operations@far.example
Subject: Status of the nightly run

All steps ended with condition code 0.
EOM
{
  printf 'X-From: CDoaks@mail.example.org\nX-To: operations@far.example\nSubject: Listing of step 7\n\n'
  seq -f 'record %05.0f of the listing, as the step wrote it' 200
} >"$TOP/listing"
mv "$TOP/report" "$TOP/listing" "$SPOOL/jes/RMT21/"
(cd "$SPOOL/jes/RMT21" && for f in *; do
  echo "jes/RMT21/$f"
done) | show

title 'A user at a terminal writes with SNDMSG'
for line in '' abcdef@remotehost.example '' 'new test' 'We test mail from a terminal.' \
  'This is the last line.' ''; do
  sleep 0.3
  [ -z "${typing:-}" ] || printf '%s\n' "$line"
  typing=yes
done | HOME=$TOP TERM=dumb script -qec "$BUILD/sndmsg -C $MEMBER" /dev/null | tr -d '\r' | show

title 'spool4 makes one mail data set for each recipient'
"$BUILD/spool4" -C "$MEMBER" --once --log stderr 2>&1 | quiet
(cd "$SPOOL/mail" && ls -1) | show

title 'usmtp sends them: the dialogue'
"$BUILD/usmtp" -C "$MEMBER" --once --trace --log stderr 2>&1 | quiet

title 'The far end: spool files with their envelope, delivered by the post office'
# What the receiver confirmed stands in its journal; some milliseconds later its readers see it.
confirmed=$(grep -c T01SM050I "$TOP/far/ssmtp.log")
for _ in $(seq 500); do
  [ "$(find "$TOP/far/spool/jes" -name 'SSMTP.*' -type f | wc -l)" -lt "$confirmed" ] || break
  sleep 0.01
done
show "$(find "$TOP/far/spool/jes/POST" -type f | sort | head -1)"
"$BUILD/postoffice" -C "$TOP/far/APPCFG00" --once --log stderr 2>&1 | quiet
(cd "$TOP/far/maildir" && find . -path '*/new/*' -type f) | show

title 'What was too large for the post office is printed'
"$BUILD/printer" -C "$TOP/far/APPCFG00" --once --log stderr 2>&1 | quiet
"$BUILD/jes" -C "$TOP/far/APPCFG00" list | show
sed -n 1,70p "$(find "$TOP/far/spool/print" -name '*.txt' | head -1)" | cut -c1-132 | show

title 'The refused recipient: a notice for its sender, delivered at the near end'
"$BUILD/postoffice" -C "$MEMBER" --once --log stderr 2>&1 | quiet
show "$(find "$TOP/near/maildir" -path '*/new/*' -type f)"

delivered=$(find "$TOP/far/maildir" -path '*/new/*' -type f | wc -l)
printed=$(find "$TOP/far/spool/print" -name '*.txt' | wc -l)
notices=$(find "$TOP/near/maildir" -path '*/new/*' -type f | wc -l)
left=$(find "$SPOOL/mail" -name 'OUT.*' | wc -l)
title "Result: $delivered mails delivered, $printed printed, $notices notice, $left data sets left"
[ "$delivered" -eq 4 ] && [ "$printed" -eq 1 ] && [ "$notices" -eq 1 ] && [ "$left" -eq 0 ]
