#!/usr/bin/env bats
# Submission: who logs in at ssmtp, or is in a network that may relay, sends to the outside; nobody else does.

load helper
load postfix
load tls

setup_file() {
  tls_authority
  tls_certificate good DNS:localhost,IP:127.0.0.1
}

setup() {
  cd "$BATS_TEST_TMPDIR" || return 1
  PORT=$(free_port)
  OPEN=$(free_port)
  SINK=$(free_port)
}

# A site with an ordinary service at $OPEN and one for submission at $PORT. $1: keywords of SMTP; $2: of the
# submission SERVICE; then options. The passwords are "pencil" of CDoaks and "crayon" of ABaker.
submission() {
  local smtp=${1-} service=${2-} options=("${@:3}")
  site "DOMAIN(*) HOST([127.0.0.1]) PORT($SINK)"
  sed -i "s|REMOTE(RMT21)|REMOTE(RMT21) CERT($TLS/good.crt) KEY($TLS/good.key) PASSWORDS($SITE/PASSWORD) $smtp|" "$MEMBER"
  cat >>"$MEMBER" <<EOM
SERVICE NAME(SMTP) MODULE(SSMTP) PORT($OPEN) ADDRESS(127.0.0.1)
SERVICE NAME(SUBMIT) MODULE(SSMTP) PORT($PORT) ADDRESS(127.0.0.1) SUBMISSION $service
EOM
  "$BUILD/usertable" password -C "$MEMBER" CDoaks <<<pencil
  "$BUILD/usertable" password -C "$MEMBER" ABaker <<<crayon
  start_server ssmtp "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 1 --per-client 1000 "${options[@]}"
  wait_for_port "$PORT"
  wait_for_port "$OPEN"
}

log_has() {
  grep -q -- "$1" "$(servers_dir)/ssmtp.log"
}

logged_times() {
  (($(grep -c -- "$1" "$(servers_dir)/ssmtp.log") == $2))
}

# by_swaks [OPTION...]: as CDoaks, to the outside.
by_swaks() {
  swaks --server "127.0.0.1:$PORT" -tls --ehlo client.example --from cdoaks@mail.example.org --to someone@far.example \
    --timeout 60 --body 'the text' "$@"
}

# What is in the one spool file.
submitted() {
  cat "$(spooled SUBMIT)"
}

# sent: spool4 and usmtp make one pass each; what the sink got.
sent() {
  start_server sink "$(tool smtpsink)" -p "$SINK" --maildir "$BATS_TEST_TMPDIR/sink"
  wait_for_port "$SINK"
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr && "$BUILD/usmtp" -C "$MEMBER" --once --log stderr &&
    cat "$BATS_TEST_TMPDIR"/sink/new/*
}

started=$'<reply 220\n-> EHLO client.example\n<reply 250\n-> STARTTLS\n<reply 220\ntls\n-> EHLO client.example\n<reply 250'

encoded() {
  printf "$@" | base64 -w0
}

@test "swaks by PLAIN and LOGIN: a spool file of ours, then a data set, then the sink" {
  local how
  submission
  for how in PLAIN LOGIN; do
    run by_swaks --auth "$how" --auth-user cdoaks --auth-password pencil
    assert_success
    assert_output --partial '250 AUTH SCRAM-SHA-256 PLAIN LOGIN'
    assert_output --partial '235 2.7.0'
    assert_output --partial '250 2.0.0 SPOOLED AS'
    wait_spooled 1 SUBMIT
    run submitted
    assert_line --index 0 'X-From: <cdoaks@mail.example.org>'
    assert_line --index 1 'X-To: <someone@far.example>'
    assert_line --index 2 'Received: from client.example ([127.0.0.1])'
    assert_line --index 4 --regexp $'^\tby mail\\.example\\.org \\(SSMTP\\) with ESMTPSA id '
    rm "$(spooled SUBMIT)"
  done
  log_has 'T01SM130I USER CZQ14CD LOGGED IN, CLIENT \[127.0.0.1\]'
  assert_equal "$(spooled POST | wc -l)" 0
  run by_swaks --auth PLAIN --auth-user CZQ14CD@mail.example.org --auth-password pencil --to 'someone@far.example,else@near.example'
  assert_success
  wait_spooled 1 SUBMIT
  run sent
  assert_success
  assert_output --partial 'T01SM030I'
  assert_output --partial 'from=<cdoaks@mail.example.org>, to=<someone@far.example>'
  assert_output --partial 'from=<cdoaks@mail.example.org>, to=<else@near.example>'
  assert_output --partial 'the text'
  assert_equal "$(spooled SUBMIT | wc -l)" 0
}

@test "curl by both, under TLS at once; Date and Message-ID are added where they miss" {
  submission '' 'TLS(IMPLICIT)'
  printf 'Subject: t\r\nFrom: cdoaks@mail.example.org\r\nTo: someone@far.example\r\n\r\nthe text\r\n' >mail
  run curl -sS --cacert "$TLS/ca.pem" --ssl-reqd --url "smtps://127.0.0.1:$PORT/client.example" --user 'CDoaks:pencil' \
    --login-options AUTH=PLAIN --mail-from CDoaks@mail.example.org --mail-rcpt someone@far.example --upload-file mail
  assert_success
  wait_spooled 1 SUBMIT
  run sent
  assert_success
  assert_line --regexp $'^Date: .*$'
  assert_line --regexp $'^Message-ID: <SSMTP\\.JOB[0-9]+\\..*@mail\\.example\\.org>$'
  run curl -sS --cacert "$TLS/ca.pem" --ssl-reqd --url "smtps://127.0.0.1:$PORT/client.example" --user 'CDoaks:pencil' \
    --login-options AUTH=LOGIN --mail-from CDoaks@mail.example.org --mail-rcpt someone@far.example --upload-file mail
  assert_success
  run curl -sS --cacert "$TLS/ca.pem" --ssl-reqd --url "smtps://127.0.0.1:$PORT/client.example" --user 'CDoaks:wrong' \
    --mail-from CDoaks@mail.example.org --mail-rcpt someone@far.example --upload-file mail
  assert_failure 67
}

@test "SCRAM-SHA-256 by a client of its own; an unknown user's salt is his for good" {
  local name first
  submission
  run "$ROOT/tests/scramplay" "127.0.0.1:$PORT" cdoaks pencil
  assert_success
  assert_output --partial '235 2.7.0'
  run "$ROOT/tests/scramplay" --gs2 'y,a=cdoaks,' "127.0.0.1:$PORT" cdoaks pencil
  assert_success
  for name in nobody Nobody@mail.example.org cdoaks; do
    first=$("$ROOT/tests/scramplay" --salt "127.0.0.1:$PORT" "$name" x | tail -1)
    [[ $first == *' 20000' ]]
    stop_server ssmtp
    rm "$(servers_dir)"/ssmtp.*
    start_server ssmtp "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 1
    wait_for_port "$PORT"
    assert_equal "$("$ROOT/tests/scramplay" --salt "127.0.0.1:$PORT" "$name" x | tail -1)" "$first"
  done
  # However a name is written, it tells nothing.
  assert_equal "$("$ROOT/tests/scramplay" --salt "127.0.0.1:$PORT" NOBODY x | tail -1)" \
    "$("$ROOT/tests/scramplay" --salt "127.0.0.1:$PORT" nobody@mail.example.org x | tail -1)"
  run "$ROOT/tests/scramplay" "127.0.0.1:$PORT" cdoaks wrong
  assert_failure
  assert_output --partial '535 5.7.8'
  run "$ROOT/tests/scramplay" --gs2 'n,a=abaker,' "127.0.0.1:$PORT" cdoaks pencil
  assert_failure
  assert_output --partial '535 5.7.8'
  run "$ROOT/tests/scramplay" --gs2 'p=tls-unique,,' "127.0.0.1:$PORT" cdoaks pencil
  assert_failure
  assert_output --partial '501 5.5.2'
}

@test "wrong password, unknown user, a user without one: one reply, counted, ever slower, and the end" {
  local name times=() begun reply
  submission
  for name in cdoaks no-such-user postmaster; do
    begun=$(now_ms)
    run by_swaks --auth PLAIN --auth-user "$name" --auth-password wrong --quit-after AUTH
    assert_failure
    reply=$(grep -o '535.*' <<<"$output")
    assert_equal "$reply" '535 5.7.8 Name or password is wrong'
    times+=($(($(now_ms) - begun)))
  done
  # Each waits for the one before: 1 s, 2 s.
  ((times[1] >= 900 && times[2] >= 1900)) || { echo "${times[@]}"; false; }
  log_has 'T01SM131W LOGIN OF USER CZQ14CD FAILED, CLIENT \[127.0.0.1\] (1 OF LATE)'
  log_has 'T01SM131W LOGIN OF USER (UNKNOWN) FAILED, CLIENT \[127.0.0.1\] (3 OF LATE)'
  # The right one waits, too, and is let in.
  begun=$(now_ms)
  run by_swaks --auth PLAIN --auth-user cdoaks --auth-password pencil
  assert_success
  (($(now_ms) - begun >= 3000))
}

@test "three failures end the connection; who leaves meanwhile gains nothing" {
  local bad
  bad=$(encoded '\0cdoaks\0wrong')
  submission
  run tls_client "$started
-> AUTH PLAIN $bad
<reply 535
-> AUTH PLAIN $bad
<reply 535
-> AUTH PLAIN $bad
<reply 535
<reply 421
expect-close"
  assert_success
  tls_client "$started
-> AUTH PLAIN $bad" || true
  # It is still waited for, and nobody's session suffers meanwhile.
  run by_swaks --quit-after EHLO
  assert_success
  run swaks --server "127.0.0.1:$OPEN" --from a@b.example --to cdoaks@mail.example.org --body x
  assert_success
}

@test "in clear nobody logs in, and nothing is taken" {
  submission
  run swaks --server "127.0.0.1:$PORT" --ehlo c.example --from cdoaks@mail.example.org --to a@far.example --body x
  refute_output --partial 'AUTH SCRAM'
  assert_output --partial '530 5.7.0 Issue STARTTLS first'
  run tls_client $'<reply 220\n-> EHLO c.example\n<reply 250\n-> AUTH PLAIN AGEAYg==\n<reply 538\n-> AUTH LOGIN\n<reply 538'
  assert_success
  run by_swaks
  assert_output --partial '530 5.7.0 Log in first'
  # And at the ordinary service nobody logs in at all.
  PORT=$OPEN
  run tls_client "$started"$'\n-> AUTH PLAIN AGEAYg==\n<reply 502\n-> MAIL FROM:<a@b.example> AUTH=<>\n<reply 555'
  assert_success
  run by_swaks
  assert_output --partial '550 5.7.1'
}

@test "another's address is refused, and so is the null one" {
  local from
  submission
  for from in ABaker@mail.example.org cdoaks@far.example '<>' cdoaks@MYHOST; do
    run by_swaks --auth PLAIN --auth-user cdoaks --auth-password pencil --from "$from" --quit-after MAIL
    assert_output --partial '553 5.7.1'
  done
  run by_swaks --auth PLAIN --auth-user cdoaks --auth-password pencil --from czq14cd@MAIL.example.org --quit-after MAIL
  assert_output --partial '250 2.1.0'
  run by_swaks --auth PLAIN --auth-user abaker --auth-password crayon --from ABaker@mail.example.org --to no-such@mail.example.org
  assert_output --partial '550 5.1.1'
}

@test "the exchange: cancelled, no base64, NULs, out of place, too long, dripped" {
  local good long
  good=$(encoded '\0cdoaks\0pencil')
  long=$(head -c 20000 /dev/zero | tr '\0' A)
  submission
  run tls_client "$started
-> AUTH PLAIN
<- ^334 \$
-> *
<reply 501
-> AUTH PLAIN !!!!
<reply 501
-> AUTH PLAIN AAA
<reply 501
-> AUTH
<reply 501
-> AUTH PLAIN $good $good
<reply 501
-> AUTH PLAIN $(encoded 'a\0b\0c\0d')
<reply 501
-> AUTH PLAIN =
<reply 501
-> AUTH LOGIN $(encoded 'cd\0oaks')
<reply 501
-> AUTH CRAM-MD5
<reply 504
-> AUTH PLAIN $long
<reply 500
-> AUTH PLAIN
<- ^334
-> $long
<reply 500
-> NOOP
<reply 250
-> AUTH LOGIN
<- ^334 VXNlcm5hbWU6\$
-> $(encoded 'cdoaks')
<- ^334 UGFzc3dvcmQ6\$
-> $(encoded 'pencil')
<reply 235
-> AUTH PLAIN $good
<reply 503
-> MAIL FROM:<cdoaks@mail.example.org> AUTH=<>
<reply 250
-> AUTH PLAIN $good
<reply 503"
  assert_success
  run tls_client "$started
-> MAIL FROM:<cdoaks@mail.example.org>
<reply 530
-> AUTH PLAIN
<- ^334
-> $(head -c 9000 /dev/zero | base64 -w0)
<reply 501"
  assert_success
  # What comes with AUTH ends the session.
  run tls_client "$started
->> AUTH PLAIN $good\\r\\nNOOP\\r\\n
<reply 554
expect-close"
  assert_success
}

@test "a dripped response has its end" {
  submission 'TIMECMD(1S)'
  run tls_client "$started
-> AUTH PLAIN
<- ^334
->> A
sleep 0.4
->> G
sleep 0.4
->> E
sleep 0.4
->> A
<reply 421"
  assert_success
}

@test "--trace shows no secret, in whatever pieces it comes" {
  local good
  good=$(encoded '\0cdoaks\0pencil')
  submission '' '' --trace
  run tls_client "$started
->> AUTH PLA
any" || true
  tls_client "$started
->> AU
sleep 0.2
->> TH PLAIN $good\\r\\n
<reply 235" || true
  tls_client "$started
->> AUTH PLAIN ${good:0:9}
sleep 0.2
->> ${good:9}\\r\\n
<reply 235" || true
  tls_client "$started
-> AUTH PLAIN
<reply 334
-> $good
<reply 235"
  logged_times 'T01SM130I' 3
  log_has '<- AUTH PLAIN$'
  log_has '(not shown)'
  run ! grep -q -e "$good" -e "${good:9}" -e "${good:0:9}" "$(servers_dir)/ssmtp.log"
}

@test "SIGHUP: a new password counts, a faulty file is told and the old one stays" {
  submission
  "$BUILD/usertable" password -C "$MEMBER" CDoaks <<<'new one'
  kill -HUP "$(server_pid ssmtp)"
  wait_until 5 log_has T01SM025I
  run by_swaks --auth PLAIN --auth-user cdoaks --auth-password 'new one'
  assert_success
  echo 'ABCDEF secret' >>"$SITE/PASSWORD"
  kill -HUP "$(server_pid ssmtp)"
  wait_until 5 log_has "T01SM003E.*PASSWORDS($SITE/PASSWORD), line 5, column 8: write SCRAM-SHA-256"
  run by_swaks --auth PLAIN --auth-user cdoaks --auth-password 'new one'
  assert_success
  run "$BUILD/ssmtp" -C "$MEMBER" --check
  assert_failure 78
  rm "$SITE/PASSWORD"
  run "$BUILD/ssmtp" -C "$MEMBER" --check
  assert_failure 78
  assert_output --partial 'usertable password makes it'
}

@test "RELAY: a network sends to the outside without a login, and to our own as ever; a stranger does neither" {
  submission 'RELAY(127.0.0.2,[2001:db8::]/32)'
  run swaks --server "127.0.0.1:$OPEN" --local-interface 127.0.0.2 --from 'other@else.example' --to 'a@far.example,cdoaks@mail.example.org' --body x
  assert_success
  wait_spooled 1 SUBMIT
  run submitted
  assert_line --index 0 'X-From: <other@else.example>'
  assert_line --index 1 'X-To: <a@far.example>'
  assert_line --index 2 'X-To: <cdoaks@mail.example.org>'
  rm "$(spooled SUBMIT)"
  run swaks --server "127.0.0.1:$PORT" --local-interface 127.0.0.2 --from '<>' --to a@far.example --body x
  assert_success
  wait_spooled 1 SUBMIT
  run sent
  assert_success
  assert_output --partial 'from=<>, to=<a@far.example>'
  # Own users alone: once each, as the user table has them, whoever sends.
  run swaks --server "127.0.0.1:$OPEN" --local-interface 127.0.0.2 --from a@b.example --to 'cdoaks@mail.example.org,CZQ14CD@mail.example.org,postmaster' --body x
  assert_success
  wait_spooled 1
  run cat "$(spooled POST)"
  assert_line --index 1 'X-To: <CZQ14CD@MYHOST>'
  assert_line --index 2 'X-To: <POSTMAST@MYHOST>'
  assert_line --index 3 --partial 'Received:'
  assert_equal "$(spooled SUBMIT | wc -l)" 0
  run swaks --server "127.0.0.1:$OPEN" --local-interface 127.0.0.2 --from a@b.example --to no-such@mail.example.org --body x
  assert_output --partial '550 5.1.1'
  run swaks --server "127.0.0.1:$OPEN" --local-interface 127.0.0.3 --from a@b.example --to a@far.example --body x
  assert_output --partial '550 5.7.1'
  sed -i 's/RELAY([^)]*)/RELAY(0.0.0.0\/0)/' "$MEMBER"
  run "$BUILD/ssmtp" -C "$MEMBER" --check
  assert_failure 78
  assert_output --partial 'never everybody'
}

@test "a whole mail for one recipient becomes a data set by a rename; what lacks a field is converted" {
  local before
  submission
  by_swaks --auth PLAIN --auth-user cdoaks --auth-password pencil
  wait_spooled 1 SUBMIT
  before=$(stat -c '%i %s' "$(spooled SUBMIT)")
  run "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  assert_success
  assert_output --regexp 'T01SM030I .*SSMTP\.JOB[0-9]+\.D[0-9]+\.MAIL\.T'
  assert_equal "$(stat -c '%i %s' "$SPOOL"/mail/OUT.*)" "$before"
  rm "$SPOOL"/mail/OUT.*
  by_swaks --auth PLAIN --auth-user cdoaks --auth-password pencil --data 'From: cdoaks@mail.example.org\nDate: x\n\nno id\n'
  wait_spooled 1 SUBMIT
  before=$(stat -c %i "$(spooled SUBMIT)")
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  refute [ "$(stat -c %i "$SPOOL"/mail/OUT.*)" = "$before" ]
  grep -q '^Message-ID: <SSMTP\.' "$SPOOL"/mail/OUT.*
  grep -q '^no id' "$SPOOL"/mail/OUT.*
}

@test "jes/SUBMIT is believed only where the system's own user wrote, and nobody else can write there" {
  submission
  printf 'X-From: ABaker@mail.example.org\nX-To: a@far.example\n\nx\n' >"$SPOOL/jes/SUBMIT/MAIL"
  run sent
  assert_output --partial 'from=<ABaker@mail.example.org>'
  assert_equal "$(stat -c %a "$SPOOL/jes/SUBMIT")" 750
  ((EUID == 0)) || return 0
  printf 'X-From: ABaker@mail.example.org\nX-To: a@far.example\n\nx\n' >"$SPOOL/jes/SUBMIT/MAIL"
  chown nobody "$SPOOL/jes/SUBMIT/MAIL"
  run "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  assert_output --partial 'only what ssmtp wrote itself is taken'
  assert_equal "$(spooled HOLD | wc -l)" 2
  open_site
  run setpriv --reuid nobody --regid nogroup --clear-groups sh -c "ln /etc/hostname '$SPOOL/jes/SUBMIT/x' || echo x >'$SPOOL/jes/SUBMIT/y'"
  assert_failure
  assert_output --partial 'Permission denied'
}

@test "as USER: the password file is his alone, also after SIGHUP, and his files are believed" {
  ((EUID == 0)) || skip 'needs root'
  site "DOMAIN(*) HOST([127.0.0.1]) PORT($SINK)"
  mkdir "$SPOOL"
  chown nobody "$SPOOL"
  open_site
  cp "$TLS/good.pem" "$SITE/good.pem"
  chown nobody "$SITE/good.pem"
  sed -i "s|SPOOL($SPOOL)|SPOOL($SPOOL) USER(nobody)|; s|REMOTE(RMT21)|REMOTE(RMT21) CERT($SITE/good.pem) PASSWORDS($SITE/PASSWORD)|" "$MEMBER"
  echo "SERVICE NAME(SUBMIT) MODULE(SSMTP) PORT($PORT) ADDRESS(127.0.0.1) SUBMISSION" >>"$MEMBER"
  "$BUILD/usertable" password -C "$MEMBER" CDoaks <<<pencil
  assert_equal "$(stat -c '%U %a' "$SITE/PASSWORD")" 'nobody 600'
  start_server ssmtp "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 2
  wait_for_port "$PORT"
  "$BUILD/usertable" password -C "$MEMBER" CDoaks <<<'new one'
  kill -HUP "$(server_pid ssmtp)"
  wait_until 5 logged_times T01SM025I 3
  run by_swaks --auth LOGIN --auth-user cdoaks --auth-password 'new one'
  assert_success
  wait_spooled 1 SUBMIT
  assert_equal "$(stat -c %U "$(spooled SUBMIT)")" nobody
  run sent
  assert_success
  assert_output --partial 'from=<cdoaks@mail.example.org>, to=<someone@far.example>'
}

@test "whatever CODEPAGE, RECFM and DIVERT say, what ssmtp took is mail, up to MAXSIZE" {
  submission 'CODEPAGE(IBM-1047) RECFM(FB80) DIVERT(1K) MAXSIZE(100K)'
  { printf 'Subject: gr\xc3\xbc\xc3\x9fe\n\n'; head -c 74000 /dev/zero | base64 -w 70; } >mail
  run by_swaks --auth PLAIN --auth-user cdoaks --auth-password pencil --data - <mail
  assert_success
  wait_spooled 1 SUBMIT
  run sent
  assert_success
  assert_line 'Subject: =?UTF-8?Q?gr=C3=BC=C3=9Fe?='
  assert_equal "$(spooled HOLD | wc -l)" 0
}

@test "killed after 250: the next start has what was accepted" {
  submission
  by_swaks --auth PLAIN --auth-user cdoaks --auth-password pencil >out
  grep -q 'SPOOLED AS' out
  stop_server ssmtp KILL || true
  rm "$(servers_dir)"/ssmtp.*
  start_server ssmtp "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 1
  wait_for_port "$PORT"
  wait_spooled 1 SUBMIT
}

@test "Postfix as a client that logs in" {
  require_postfix
  chmod a+rx "$BATS_FILE_TMPDIR" "$TLS"
  chmod a+r "$TLS/ca.pem"
  submission
  local POSTFIX_SERVICES='smtp unix - - n - - smtp'
  start_postfix "$BATS_TEST_TMPDIR/postfix" far.example "default_transport = smtp:[127.0.0.1]:$PORT" \
    'smtp_tls_security_level = encrypt' 'smtp_sasl_auth_enable = yes' 'smtp_sasl_security_options = noanonymous' \
    "smtp_sasl_password_maps = inline:{ { [127.0.0.1]:$PORT = cdoaks:pencil } }" \
    "smtp_sasl_mechanism_filter = ${MECHANISM:-scram-sha-256}" \
    'smtpd_relay_restrictions = permit_mynetworks, reject' 'smtpd_recipient_restrictions = permit_mynetworks, reject'
  swaks --server "127.0.0.1:$POSTFIX_PORT" --from cdoaks@mail.example.org --to someone@else.example \
    --body 'the text'
  wait_until 30 eval '(($(spooled SUBMIT | wc -l) >= 1))' || { cat "$POSTFIX_DIR/log"; false; }
  run cat "$(spooled SUBMIT | head -1)"
  assert_output --partial 'from mta.far.example ([127.0.0.1])'
  assert_output --partial 'with ESMTPSA id'
}

teardown() {
  stop_postfix
  stop_all
}
