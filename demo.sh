#!/usr/bin/env bash
# The main job end to end, on loopback, in a throwaway folder: two JCL jobs and a dropped file become mail, one
# recipient is refused and its sender told. Needs no root and leaves nothing behind.
set -eu
: "${BUILD:=$PWD/build}"
ROOT=$(cd "$(dirname "$0")" && pwd)
SITE=$(mktemp -d "${TMPDIR:-/tmp}/spoolmail-demo.XXXXXX")
SINK=
finish() {
  [ -z "$SINK" ] || kill "$SINK" 2>/dev/null || true
  rm -rf "$SITE"
}
trap finish EXIT
SPOOL=$SITE/spool
MEMBER=$SITE/APPCFG00

title() {
  printf '\n\033[1m== %s\033[0m\n' "$*"
}
show() {
  sed 's/^/    /' "$@"
}

"$BUILD/tests/smtpsink" -p 0 --port-file "$SITE/port" --maildir "$SITE/farend" \
  --refuse-rcpt 'nobody@=550' >"$SITE/sink.log" 2>&1 &
SINK=$!
for _ in $(seq 100); do
  [ -s "$SITE/port" ] && break
  sleep 0.05
done

cat >"$MEMBER" <<EOM
SYSTEM  HOST(mail.example.org) SPOOL($SPOOL)
SMTP    PATH(OUT) REMOTE(RMT21) POSTOFFICE(MYHOST)
        USERTABLE($SITE/USERTBL) CATALOG($ROOT/jobs/samples)
SERVICE NAME(SPOOL#4)
SERVICE NAME(USMTP)
ROUTE   DOMAIN(*) HOST([127.0.0.1]) PORT($(cat "$SITE/port"))
EOM
echo "CZQ14CD  CDoaks  LOGIN($(id -un)) 'Chris Doaks'" >"$SITE/USERTBL"

title 'A site of its own: configuration and user table'
show "$MEMBER" "$SITE/USERTBL"
"$BUILD/spool4" -C "$MEMBER" --check
"$BUILD/spool4" -C "$MEMBER" --once --log stderr

title 'Two jobs, as the manual of the original prints them, are submitted'
for deck in ICSGENER ICSGENRM; do
  "$BUILD/submit" -C "$MEMBER" "$ROOT/jobs/samples/$deck.jcl" >"$SITE/$deck.log"
done
show "$SITE/ICSGENRM.log"

title 'A third program just drops a file; one of its recipients does not exist'
cat >"$SITE/report" <<'EOM'
X-From: CDoaks@mail.example.org
X-To: operations@far.example
X-To: nobody@far.example
To: operations@far.example
Subject: Status of the nightly run

All steps ended with condition code 0.
EOM
mv "$SITE/report" "$SPOOL/jes/RMT21/report"

title 'The queue, plain files'
(cd "$SPOOL/jes/RMT21" && for f in *; do
  echo "jes/RMT21/$f"
done)
echo 'and the first of them:'
show "$(find "$SPOOL/jes/RMT21" -name 'ICSGENRM*')"

title 'spool4 makes one mail data set for each recipient'
"$BUILD/spool4" -C "$MEMBER" --once --log stderr
(cd "$SPOOL/mail" && ls -1)

title 'usmtp sends them: the dialogue'
"$BUILD/usmtp" -C "$MEMBER" --once --trace --log stderr 2>&1 | sed 's/^[^:]*: //' | show

title 'What the far end got'
for mail in "$SITE"/farend/new/*; do
  show "$mail"
  echo
done | tr -d '\r'

title 'The refused recipient: a notice for the sender in jes/POST'
show "$SPOOL"/jes/POST/USMTP.*

received=$(find "$SITE/farend/new" -type f | wc -l)
left=$(find "$SPOOL/mail" -name 'OUT.*' | wc -l)
notices=$(find "$SPOOL/jes/POST" -type f | wc -l)
title "Result: $received mails received, $notices notice, $left data sets left"
[ "$received" -eq 3 ] && [ "$left" -eq 0 ] && [ "$notices" -eq 1 ]
