#!/usr/bin/env bats
# usmtp logs in: each mechanism at Dovecot, tokens, secrets and their faults, and hosts that lie.

load helper
load postfix
load dovecot
load tls

setup_file() {
  tls_authority
  tls_certificate good DNS:localhost,IP:127.0.0.1
  tls_certificate client email:client@client.example
}

setup() {
  cd "$BATS_TEST_TMPDIR" || return 1
  PORT=$(free_port)
  SECRET=$PWD/secret
  (umask 077 && echo 'open sesame' >"$SECRET")
}

# A sender's site. $1: further keywords of its route; HOST if it is not localhost.
sender() {
  site "DOMAIN(*) HOST(${HOST:-localhost}) PORT($PORT) $1"
  sed -i "s|REMOTE(RMT21)|REMOTE(RMT21) RETRYINT(2S) RETRYCEIL(4S) TIMEGREET(3S) TIMECMD(3S) TIMEALL(9S) CA($TLS/ca.pem)|" "$MEMBER"
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
}

# login [KEYWORDS]: the same with the user and the secret of setup.
login() {
  sender "TLS(VERIFY) USER(chris@example.org) SECRETFILE($SECRET) $*"
}

queue_mail() {
  local i
  for ((i = 0; i < ${1:-1}; i++)); do
    printf 'X-From: CDoaks@mail.example.org\nX-To: someone@far.example\nSubject: test\n\ntext %s\n' "$i" >"$SPOOL/jes/RMT21/.m"
    mv "$SPOOL/jes/RMT21/.m" "$SPOOL/jes/RMT21/m"
    "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  done
}

usmtp() {
  "$BUILD/usmtp" -C "$MEMBER" --log stderr --once "$@"
}

waiting() {
  find "$SPOOL/mail" -type f ! -name '.*' | wc -l
}

# Nothing is lost, told to its sender, or said by us that should not be.
deferred() {
  assert_equal "$(waiting)" "${1:-1}"
  assert_equal "$(find "$SPOOL/jes/POST" "$SPOOL/jes/PRT" "$SPOOL/jes/DEAD" -type f ! -name '.*' 2>/dev/null | wc -l)" 0
  refute_output --partial 'status=bounced'
  refute_output --partial 'sesame'
  refute_output --partial "$(printf 'open sesame' | base64)"
}

again() {
  [[ ! -e $(servers_dir)/tls.pid ]] || stop_server tls || true
  rm -f "$(servers_dir)"/tls.*
  rm -f "$SPOOL/work/CHKPT"
  PORT=$(free_port)
  sed -i "s/PORT([0-9]*)/PORT($PORT)/" "$MEMBER"
}

# hello AUTH: a dialogue up to the EHLO under TLS, with what is offered there.
hello() {
  printf '%s\n' '-> 220 hi' '<- ^EHLO' '-> 250-hi' '-> 250 STARTTLS' '<- ^STARTTLS$' '-> 220 go' tls '<- ^EHLO' '-> 250-hi' "-> 250 $1"
}
mail=$'<- ^MAIL\n-> 250 ok\n<- ^RCPT\n-> 250 ok\n<- ^DATA\n-> 354 go\n<. got\n-> 250 done\n<- ^QUIT\n-> 221 bye'
quit=$'<- ^QUIT$\n-> 221 bye\nexpect-close'
cancelled=$'<- ^\\*$\n-> 501 5.7.0 cancelled\n'$quit

b64() {
  printf "$@" | base64 -w0
}

# Dovecot's submission service, in front of a sink.
dovecot_submission() {
  require_dovecot
  [[ -x /usr/lib/dovecot/submission ]] || skip 'dovecot-submissiond is not installed'
  local relay
  relay=$(free_port)
  start_server sink "$(tool smtpsink)" -p "$relay" --maildir "$BATS_TEST_TMPDIR/sink"
  chmod a+rx "$BATS_FILE_TMPDIR" "$TLS"
  start_dovecot "$BATS_TEST_TMPDIR/dovecot" 'protocols = lmtp imap submission' "submission_relay_host = 127.0.0.1" \
    "submission_relay_port = $relay" 'submission_relay_trusted = no' 'hostname = localhost' 'disable_plaintext_auth = yes' \
    'auth_failure_delay = 0' 'service anvil {' '  unix_listener anvil-auth-penalty {' '    mode = 0' '  }' '}' \
    'ssl = yes' "ssl_cert = <$TLS/good.crt" "ssl_key = <$TLS/good.key" \
    "auth_mechanisms = $1" 'service submission-login {' '  chroot =' '  inet_listener submission {' "    port = $PORT" '  }' \
    '  inet_listener submissions {' '    port = 0' '  }' '}' "${@:2}"
  wait_for_port "$PORT"
}

@test "Dovecot: PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-1 and SCRAM-SHA-256, each by itself" {
  dovecot_submission 'plain login cram-md5 scram-sha-1 scram-sha-256'
  printf 'secret' >"$SECRET"
  local mechanism
  for mechanism in PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256; do
    login "AUTH($mechanism)"
    queue_mail
    run usmtp
    assert_output --regexp "T01SM133I LOGGED IN AT localhost\[127\.0\.0\.1\]:$PORT AS chris@example.org BY $mechanism"
    assert_output --partial 'status=sent'
    assert_equal "$(waiting)" 0
  done
  assert_equal "$(find sink/new -type f | wc -l)" 5
}

@test "Dovecot: of all that it offers the strongest is taken; a wrong password defers, and is told once" {
  dovecot_submission 'plain login cram-md5 scram-sha-1 scram-sha-256'
  login
  queue_mail 3
  run usmtp
  assert_output --regexp 'T01SM042I .* 5[0-9][0-9] 5\.7\.'
  assert_equal "$(grep -c T01SM134E <<<"$output")" 1
  assert_output --regexp 'T01SM134E LOGIN AT localhost\[127\.0\.0\.1\]:[0-9]+ AS chris@example.org FAILED: 535'
  deferred 3
  # Several tries of one run, and it is told once all the same.
  start_server usmtp "$BUILD/usmtp" -C "$MEMBER" --log stderr
  wait_until 30 eval '(($(grep -c T01SM042I "$(servers_dir)/usmtp.log") >= 2))'
  assert_equal "$(grep -c T01SM134E "$(servers_dir)/usmtp.log")" 1
  # The right one, without a restart.
  printf 'secret\n' >"$SECRET"
  wait_until 30 eval '(($(waiting) == 0))'
  grep -q 'T01SM133I .* BY SCRAM-SHA-256' "$(servers_dir)/usmtp.log"
  refute grep -q sesame "$(servers_dir)/usmtp.log"
}

@test "Dovecot: EXTERNAL by a client's certificate" {
  dovecot_submission 'plain external' 'auth_ssl_require_client_cert = no' 'ssl_verify_client_cert = yes' "ssl_ca = <$TLS/ca.pem" \
    'ssl_require_crl = no' 'auth_ssl_username_from_cert = yes' 'passdb {' '  driver = static' '  args = nopassword=y' '  mechanisms = external' '}'
  sender "TLS(VERIFY) AUTH(EXTERNAL) CERT($TLS/client.crt) KEY($TLS/client.key)"
  queue_mail
  run usmtp
  assert_output --regexp 'T01SM133I LOGGED IN AT .* BY EXTERNAL'
  assert_output --partial 'status=sent'
}

# jwt SUBJECT: a token for it, signed with "key".
jwt() {
  local head body now
  now=$(date +%s)
  url() { base64 -w0 | tr '+/' '-_' | tr -d '='; }
  head=$(printf '{"alg":"HS256","typ":"JWT"}' | url)
  body=$(printf '{"sub":"%s","iat":%d,"nbf":%d,"exp":%d}' "$1" $((now - 60)) $((now - 60)) $((now + 600)) | url)
  printf '%s.%s.%s' "$head" "$body" "$(printf '%s.%s' "$head" "$body" | openssl dgst -sha256 -hmac key -binary | url)"
}

@test "Dovecot: XOAUTH2 and OAUTHBEARER with a signed token, from a command; a bad one is found anew once" {
  mkdir -p keys/default/HS256
  printf 'key' | base64 >keys/default/HS256/default
  printf '%s\n' 'introspection_mode = local' "local_validation_key_dict = fs:posix:prefix=$PWD/keys/" 'username_attribute = sub' >oauth2.conf
  chmod -R a+rX keys oauth2.conf
  dovecot_submission 'xoauth2 oauthbearer' 'passdb {' '  driver = oauth2' '  mechanisms = xoauth2 oauthbearer' "  args = $PWD/oauth2.conf" '}'
  jwt chris >"$SECRET"
  printf 'echo x >>%q; cat %q\n' "$PWD/calls" "$SECRET" >helper
  local mechanism
  for mechanism in XOAUTH2 OAUTHBEARER; do
    rm -f calls
    sender "TLS(VERIFY) USER(chris@example.org) AUTH($mechanism) SECRETCMD('sh $PWD/helper')"
    queue_mail
    run usmtp
    assert_output --regexp "T01SM133I .* BY $mechanism"
    assert_output --partial 'status=sent'
    assert_equal "$(wc -l <calls)" 1
  done
  # A token that has run out; the helper gives a good one when it is asked again.
  printf 'echo x >>%q; if test "$(wc -l <%q)" = 1; then echo old.token; else cat %q; fi\n' "$PWD/calls" "$PWD/calls" "$SECRET" >helper
  for mechanism in XOAUTH2 OAUTHBEARER; do
    rm -f calls
    sender "TLS(VERIFY) USER(chris@example.org) AUTH($mechanism) SECRETCMD('sh $PWD/helper')"
    queue_mail
    run usmtp
    assert_output --partial 'status=sent'
    assert_equal "$(wc -l <calls)" 2
  done
  # The same bad one again: it is not offered twice.
  printf 'echo x >>%q; echo old.token\n' "$PWD/calls" >helper
  rm -f calls
  queue_mail
  run usmtp --trace
  assert_output --regexp 'T01SM134E .* FAILED: 535'
  assert_equal "$(wc -l <calls)" 2
  assert_equal "$(grep -c -- '-> AUTH OAUTHBEARER' <<<"$output")" 1
  refute_output --partial 'old.token'
  deferred
}

@test "Postfix with Dovecot's SASL as the far end" {
  require_dovecot
  require_postfix
  chmod a+rx "$BATS_FILE_TMPDIR" "$TLS"
  start_dovecot "$BATS_TEST_TMPDIR/dovecot" 'auth_mechanisms = plain login scram-sha-256' 'service auth {' \
    '  unix_listener postfix-auth {' '    mode = 0666' '  }' '}'
  start_postfix "$BATS_TEST_TMPDIR/postfix" far.example "smtpd_tls_chain_files = $TLS/good.pem" 'smtpd_tls_security_level = encrypt' \
    'smtpd_sasl_auth_enable = yes' 'smtpd_sasl_type = dovecot' "smtpd_sasl_path = $DOVECOT_DIR/run/postfix-auth" \
    'smtpd_tls_auth_only = yes' 'smtpd_client_restrictions = permit_sasl_authenticated, reject' \
    'smtpd_sasl_security_options = noanonymous' 'mynetworks = 192.0.2.0/24'
  PORT=$POSTFIX_PORT
  printf 'secret' >"$SECRET"
  local mechanism
  for mechanism in SCRAM-SHA-256 PLAIN LOGIN; do
    login "AUTH($mechanism)"
    queue_mail
    run usmtp
    assert_output --regexp "T01SM133I .* BY $mechanism"
    assert_output --partial 'status=sent'
  done
  wait_for_mails 3
}

@test "PLAIN with an initial response; nothing of the secret is shown by --trace" {
  login 'AUTH(PLAIN)'
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN')"$'\n'"<- ^AUTH PLAIN $(b64 '\0chris@example.org\0open sesame')\$"$'\n-> 235 2.7.0 welcome\n'"$mail"
  queue_mail
  run usmtp --trace
  assert_line --regexp 'T01SM047I .* -> AUTH PLAIN$'
  assert_output --partial 'status=sent'
  refute_output --partial "$(b64 '\0chris@example.org\0open sesame')"
  refute_output --partial 'sesame'
  tls_played 1
}

@test "LOGIN: what is said to the challenges is not shown by --trace, not even to a host that says all at once" {
  login 'AUTH(LOGIN)'
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH LOGIN')"$'\n<- ^AUTH LOGIN$\n->> 334 VXNlcm5hbWU6\\r\\n334 UGFzc3dvcmQ6\\r\\n235 ok\\r\\n\n'"<- ^$(b64 chris@example.org)\$"$'\n'"<- ^$(b64 'open sesame')\$"$'\n'"$mail"
  queue_mail
  run usmtp --trace
  assert_line --regexp 'T01SM047I .* -> \(a response\)$'
  assert_output --partial 'status=sent'
  refute_output --partial "$(b64 'open sesame')"
  tls_played 1
}

@test "a token of 10,240 octets: the command alone, and the token when the host asks for it" {
  local token
  token=$(printf 't%.0s' {1..10240})
  printf '%s' "$token" >"$SECRET"
  login 'AUTH(XOAUTH2)'
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH XOAUTH2')"$'\n<- ^AUTH XOAUTH2$\n-> 334 \n'"<- ^$(b64 'user=chris@example.org\001auth=Bearer %s\001\001' "$token")\$"$'\n-> 235 ok\n'"$mail"
  queue_mail
  run usmtp
  assert_output --partial 'status=sent'
  printf 't' >>"$SECRET"
  again
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH XOAUTH2')"$'\n'"$quit"
  queue_mail
  run usmtp
  assert_output --partial 'gives more than 10,240 octets'
  deferred
}

@test "no login is offered, or none that the route allows: the mail waits, with the reason" {
  local offer
  login 'AUTH(SCRAM-SHA-256)'
  queue_mail
  declare -A why=(['SIZE 5']='offers no login (AUTH), which the route demands' ['AUTH PLAIN LOGIN']='none of the mechanisms that AUTH of the route allows')
  for offer in "${!why[@]}"; do
    again
    tls_serve --cert "$TLS/good.pem" "$(hello "$offer")"$'\n'"$quit"
    run usmtp
    assert_output --partial "${why[$offer]}"
    assert_output --partial T01SM134E
    tls_played 1
    deferred
  done
}

@test "a secret is never sent in clear, nor under TLS that proves nothing unless MUST says so" {
  sender "TLS(MAY) USER(chris) SECRETFILE($SECRET)"
  queue_mail
  again
  tls_serve $'-> 220 hi\n<- ^EHLO\n-> 250-hi\n-> 250 AUTH PLAIN LOGIN\n'"$quit"
  run usmtp
  assert_output --partial 'only mechanisms that send the secret itself, which needs TLS(VERIFY)'
  tls_played 1
  deferred
  again
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN LOGIN')"$'\n'"$quit"
  run usmtp
  assert_output --partial 'only mechanisms that send the secret itself, which needs TLS(VERIFY)'
  deferred
  # A challenge and response may go; then the operator says that an unproven host will do.
  again
  tls_serve $'-> 220 hi\n<- ^EHLO\n-> 250-hi\n-> 250 AUTH PLAIN CRAM-MD5\n<- ^AUTH CRAM-MD5$\n-> 334 PDFAeD4=\n'"<- ^$(b64 'chris %s' "$(printf '<1@x>' | openssl dgst -md5 -hmac 'open sesame' | sed 's/.* //')")\$"$'\n-> 235 ok\n'"$mail"
  run usmtp
  assert_output --partial 'status=sent'
  again
  sed -i 's/TLS(MAY)/TLS(MUST)/' "$MEMBER"
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN')"$'\n<- ^AUTH PLAIN \n-> 235 ok\n'"$mail"
  queue_mail
  run usmtp
  assert_output --partial 'status=sent'
}

@test "a host's certificate that is not verified gets nothing, whatever it offers" {
  HOST='[127.0.0.2]' login
  tls_serve --cert "$TLS/good.pem" $'-> 220 hi\nuntil-close'
  queue_mail
  run usmtp
  assert_output --partial T01SM042I
  deferred
}

@test "challenges that are none end the exchange, and the mail waits" {
  local scram="AUTH SCRAM-SHA-256" i long
  long=$(printf 'A%.0s' {1..12289})
  local -a bad=('-> 334 !!!' '-> 334 Enter your password' '-> 334' "-> 334 $long" "-> 334 $(b64 'r=someone,s=c2FsdA==,i=4096')"
    "-> 334 $(b64 'e=other-error')" $'-> 334-YWJj\n-> 334 YWJj')
  local -a says=('not base64' 'not base64' 'iterations' 'longer than 12,288' 'did not prove' 'iterations' 'several lines')
  login
  queue_mail
  for i in "${!bad[@]}"; do
    again
    tls_serve --cert "$TLS/good.pem" "$(hello "$scram")"$'\n<- ^AUTH SCRAM-SHA-256 \n'"${bad[i]}"$'\n'"$cancelled"
    run usmtp
    assert_output --regexp "T01SM042I .*${says[i]}"
    assert_output --partial T01SM134E
    tls_played 1
    deferred
  done
}

@test "a host without an end, a success without a proof, codes that differ, a challenge after success" {
  login
  queue_mail
  again
  # Success where SCRAM has not seen the host's proof.
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH SCRAM-SHA-256')"$'\n<- ^AUTH SCRAM\n-> 235 2.7.0 welcome\n'"$quit"
  run usmtp
  assert_output --partial 'without the proof that it knows the secret'
  tls_played 1
  deferred
  again
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH SCRAM-SHA-256')"$'\n<- ^AUTH SCRAM\n->> 334-YWJj\\r\\n235 ok\\r\\n\nexpect-close'
  run usmtp
  assert_output --partial T01SM042I
  deferred
  # PLAIN has said all; there is no answer to more.
  again
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN')"$'\n<- ^AUTH PLAIN\n-> 334 YWJj\n'"$cancelled"
  run usmtp
  assert_output --partial 'asks for more than the mechanism has'
  tls_played 1
  deferred
  again
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN')"$'\n<- ^AUTH PLAIN\n->> 235 ok\\r\\n334 YWJj\\r\\n\nexpect-close'
  run usmtp
  assert_output --partial 'out of turn'
  tls_played 1
  deferred
  # Silence ends in time, and so does a host that leaves.
  again
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN')"$'\n<- ^AUTH PLAIN\nuntil-close'
  run usmtp
  assert_output --partial 'time-out in AUTH'
  deferred
  again
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN')"$'\n<- ^AUTH PLAIN'
  run usmtp
  assert_output --partial 'in AUTH'
  deferred
}

@test "a refused login is not tried at the other addresses of the host" {
  login 'AUTH(PLAIN)'
  echo '127.0.0.1 relay.example' >"$SITE/hosts"
  echo '127.0.0.2 relay.example' >>"$SITE/hosts"
  sed -i "s/HOST(localhost)/HOST(relay.example)/; s/TLS(VERIFY)/TLS(MUST)/" "$MEMBER"
  echo "DNS     HOSTS($SITE/hosts) SERVER(127.0.0.1) PORT($(free_port))" >>"$MEMBER"
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN')"$'\n<- ^AUTH PLAIN\n-> 535 5.7.8 no\n'"$quit"
  start_server second "$ROOT/tests/tlsplay" server --address 127.0.0.2 --cert "$TLS/good.pem" -p "$PORT" tls.0
  wait_until 10 eval 'echo >/dev/tcp/127.0.0.2/$PORT'
  queue_mail
  run usmtp
  assert_output --partial '535 5.7.8 no'
  refute_output --partial T01SM048I
  assert_equal "$(grep -c T01SM120I <<<"$output")" 1
  deferred
}

# fault KEYWORDS WORDS: with such a route the mail waits, and the log and --check (if $3 is not
# empty) say why.
fault() {
  rm -rf "$SITE"
  sender "TLS(VERIFY) USER(chris) $1"
  again
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN')"$'\n'"$quit"
  queue_mail
  run usmtp
  assert_output --regexp "T01SM042I .*$2"
  assert_output --regexp "T01SM134E .*$2"
  tls_played 1
  deferred
  [[ -n ${3:-} ]] || return 0
  run "$BUILD/usmtp" -C "$MEMBER" --check
  assert_failure 78
  assert_output --regexp "$2"
}

@test "secrets from files: unreadable, open to others, empty, with NUL, of several lines, no file" {
  SITE=$PWD/none
  fault "SECRETFILE($PWD/missing)" "$PWD/missing cannot be read: No such file" check
  chmod 640 "$SECRET"
  fault "SECRETFILE($SECRET)" "$SECRET may be used by others than its owner: chmod 600 $SECRET" check
  chmod 604 "$SECRET"
  fault "SECRETFILE($SECRET)" "chmod 600 $SECRET" check
  chmod 600 "$SECRET"
  : >"$SECRET"
  fault "SECRETFILE($SECRET)" 'is empty' check
  echo >"$SECRET"
  fault "SECRETFILE($SECRET)" 'is empty' check
  printf 'open\nsesame\n' >"$SECRET"
  fault "SECRETFILE($SECRET)" 'gives several lines' check
  printf 'open\0sesame\n' >"$SECRET"
  fault "SECRETFILE($SECRET)" 'gives a NUL octet' check
  rm "$SECRET"
  mkfifo -m 600 "$SECRET"
  fault "SECRETFILE($SECRET)" 'is no plain file' check
  fault "SECRETFILE($PWD)" 'is no plain file' check
}

@test "secrets from commands: one that fails, hangs, says nothing or too much" {
  SITE=$PWD/none
  fault "SECRETCMD('exit 3')" 'SECRETCMD ended with status 3'
  fault "SECRETCMD('true')" 'SECRETCMD is empty'
  fault "SECRETCMD('echo open; echo sesame')" 'SECRETCMD gives several lines'
  fault "SECRETCMD('kill -9 \$\$')" 'ended by signal 9'
  fault "SECRETCMD('yes')" 'SECRETCMD gives more than 10,240 octets'
}

@test "a command that hangs is ended, with all that it started" {
  sender "TLS(VERIFY) USER(chris) SECRETCMD('sleep 300 & echo \$! >$PWD/pid; sleep 300')"
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN')"$'\nuntil-close'
  queue_mail
  run usmtp
  assert_output --partial 'SECRETCMD did not end within 1 seconds, and was ended'
  deferred
  gone() { ! kill -0 "$(cat pid)" 2>/dev/null; }
  wait_until 10 gone
}

@test "a command's secret, and one of systemd's credentials" {
  local plain
  plain=$(b64 '\0chris\0open sesame')
  sender "TLS(VERIFY) USER(chris) SECRETCMD('cat; printf \"open sesame\\\\n\"')"
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN')"$'\n'"<- ^AUTH PLAIN $plain\$"$'\n-> 235 ok\n'"$mail"
  queue_mail
  run usmtp
  assert_output --partial 'status=sent'
  again
  mkdir credentials
  printf 'open sesame' >credentials/relay
  chmod 440 credentials/relay
  sed -i "s/SECRETCMD(.*)/CREDENTIAL(relay)/" "$MEMBER"
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN')"$'\n'"<- ^AUTH PLAIN $plain\$"$'\n-> 235 ok\n'"$mail"
  queue_mail
  CREDENTIALS_DIRECTORY=$PWD/credentials run usmtp
  assert_output --partial 'status=sent'
  again
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN')"$'\n'"$quit"
  queue_mail
  run usmtp
  assert_output --partial 'CREDENTIAL(relay): systemd gave no credentials'
  deferred
}

@test "the sender itself cannot read the secret, nor run anything; no argument holds it" {
  ((EUID == 0)) || skip 'needs root to look at its maps'
  login 'AUTH(PLAIN)'
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN')"$'\n<- ^AUTH PLAIN\n-> 235 ok\n'"$mail"
  queue_mail
  # Who opens the file, and whose arguments are there: never the process that talks to the host.
  run strace -f -q -e trace=openat,connect,execve -o calls "$BUILD/usmtp" -C "$MEMBER" --log stderr --once
  assert_output --partial 'status=sent'
  local reader talker
  reader=$(awk -v s="\"$SECRET\"" 'index($0, s) { print $1 }' calls)
  talker=$(awk -v p="htons($PORT)" 'index($0, p) { print $1; exit }' calls)
  [[ -n $reader && -n $talker && $reader != "$talker" ]]
  refute grep -q sesame calls
}

@test "SIGHUP: a changed login is used, and mail that waits goes by it" {
  printf 'wrong\n' >other && chmod 600 other
  login 'AUTH(PLAIN)'
  sed -i "s|SECRETFILE([^)]*)|SECRETFILE($PWD/other)|" "$MEMBER"
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN')"$'\n'"<- ^AUTH PLAIN $(b64 '\0chris@example.org\0wrong')\$"$'\n-> 535 5.7.8 no\n'"$quit" \
    "$(hello 'AUTH PLAIN')"$'\n'"<- ^AUTH PLAIN $(b64 '\0chris@example.org\0open sesame')\$"$'\n-> 235 ok\n'"$mail"
  queue_mail
  sed -i 's/RETRYINT(2S) RETRYCEIL(4S)/RETRYINT(1H) RETRYCEIL(1H)/' "$MEMBER"
  start_server usmtp "$BUILD/usmtp" -C "$MEMBER" --log stderr
  wait_until 10 grep -q T01SM134E "$(servers_dir)/usmtp.log"
  sed -i "s|SECRETFILE([^)]*)|SECRETFILE($SECRET)|" "$MEMBER"
  kill -HUP "$(server_pid usmtp)"
  wait_until 10 grep -q 'status=sent' "$(servers_dir)/usmtp.log"
}

@test "SIGHUP: the first login of all, of a service that was started without any" {
  login 'AUTH(PLAIN)'
  cp "$MEMBER" with
  sed -i 's/USER([^)]*) SECRETFILE([^)]*) AUTH([^)]*)//' "$MEMBER"
  ! grep -q SECRETFILE "$MEMBER"
  start_server usmtp "$BUILD/usmtp" -C "$MEMBER" --log stderr
  wait_until 10 grep -q T01SM020I "$(servers_dir)/usmtp.log"
  cat with >"$MEMBER"
  kill -HUP "$(server_pid usmtp)"
  wait_until 10 grep -q T01SM025I "$(servers_dir)/usmtp.log"
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN')"$'\n'"<- ^AUTH PLAIN $(b64 '\0chris@example.org\0open sesame')\$"$'\n-> 235 ok\n'"$mail"
  queue_mail
  wait_until 10 grep -q 'status=sent' "$(servers_dir)/usmtp.log"
}

@test "usmtp probe walks the login; usmtp route shows user and mechanisms, not the secret" {
  login 'AUTH(PLAIN,SCRAM-SHA-256)'
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN')"$'\n<- ^AUTH PLAIN \n-> 235 ok\n'"$quit"
  run "$BUILD/usmtp" -C "$MEMBER" --log stderr probe far.example
  assert_success
  assert_line 'login        chris@example.org by SCRAM-SHA-256 PLAIN'
  assert_line --regexp 'T01SM047I .* -> AUTH PLAIN$'
  assert_line --regexp 'T01SM133I LOGGED IN AT'
  assert_line --regexp '^ready        localhost\[127.0.0.1\]'
  refute_output --partial sesame
  run "$BUILD/usmtp" -C "$MEMBER" --log stderr route someone@far.example
  assert_success
  assert_line 'login        chris@example.org by SCRAM-SHA-256 PLAIN'
  refute_output --partial "$SECRET"
  again
  chmod 644 "$SECRET"
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN')"$'\n'"$quit"
  run "$BUILD/usmtp" -C "$MEMBER" --log stderr probe far.example
  assert_failure 75
  assert_line --regexp "^not ready    mail waits: $SECRET may be used by others than its owner: chmod 600 $SECRET \(4.7.0\)"
}

@test "a keeper that was killed: the mail waits, and the operator is told to start again" {
  login 'AUTH(PLAIN)'
  tls_serve --cert "$TLS/good.pem" "$(hello 'AUTH PLAIN')"$'\n'"$quit"
  start_server usmtp "$BUILD/usmtp" -C "$MEMBER" --log stderr
  wait_until 10 grep -q 'T01SM020I' "$(servers_dir)/usmtp.log"
  local pid
  pid=$(server_pid usmtp)
  kill -KILL "$(tr -d ' ' <"/proc/$pid/task/$pid/children")"
  queue_mail
  wait_until 10 grep -q 'T01SM134E .*the keeper of secrets has ended: start usmtp again' "$(servers_dir)/usmtp.log"
  run stop_server usmtp
  assert_success
  deferred
}

# recipe WORDS: the ROUTE statement of README.md that holds them, as it stands there.
recipe() {
  awk -v words="$1" '/^    ROUTE/ { if (index(text, words)) exit; text = "" } /^    ROUTE/ || (text != "" && /^     +[A-Z]+\(/) { sub(/^    /, ""); text = text $0 "\n"; next }
    !/^    / && text != "" { if (index(text, words)) exit; text = "" } END { printf "%s", text }' "$ROOT/README.md"
}

# follows WORDS HOST: what `usmtp route` makes of that recipe.
follows() {
  site
  recipe "$1" >recipe
  [[ -s recipe ]]
  sed -i '/^ROUTE/d' "$MEMBER"
  cat recipe >>"$MEMBER"
  echo "127.0.0.1 $2" >"$SITE/hosts"
  echo "DNS     HOSTS($SITE/hosts) SERVER(127.0.0.1) PORT($(free_port))" >>"$MEMBER"
  run "$BUILD/usmtp" -C "$MEMBER" --log stderr route someone@far.example
  assert_success
  assert_line 'tls          VERIFY'
  assert_line 'address      127.0.0.1 port 587'
}

@test "the recipes of README.md for relays" {
  follows 'USER(batch) ' mail.example.net
  assert_line 'login        batch by SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN'
  follows 'PRESET(GMAIL)' smtp.gmail.com
  assert_line --regexp '^destination  smtp.gmail.com:587/TLS=VERIFY/LOGIN=[0-9a-f]+/CONNECTIONS=5/RATE=10/1$'
  assert_line 'login        someone@gmail.com by PLAIN'
  follows 'PRESET(OFFICE365)' smtp.office365.com
  assert_line --regexp '^destination  smtp.office365.com:587/TLS=VERIFY/LOGIN=[0-9a-f]+/CONNECTIONS=3/RATE=30/60$'
  assert_line 'login        batch@example.com by XOAUTH2'
  follows 'PRESET(SES)' email-smtp.eu-central-1.amazonaws.com
  assert_line --regexp '^destination  email-smtp.eu-central-1.amazonaws.com:587/TLS=VERIFY/LOGIN=[0-9a-f]+/CONNECTIONS=5/RATE=14/1$'
  assert_line 'login        AKIAEXAMPLE by PLAIN'
  # --check reads the file of the secret: what is missing is told.
  run "$BUILD/usmtp" -C "$MEMBER" --check
  assert_failure 78
  assert_output --partial '/etc/spoolmail/relay.secret cannot be read'
}

@test "the helper of README.md for Microsoft's tokens, against a server of the same answer" {
  awk '/^    #!\/bin\/sh$/ { on = 1 } on && !/^    / { exit } on { sub(/^    /, ""); print }' "$ROOT/README.md" >m365
  grep -q 'jq -er .access_token' m365
  command -v jq >/dev/null || skip 'jq is not installed'
  printf 's3cret&x' >client
  printf '%s\n' 'import http.server, urllib.parse' 'class H(http.server.BaseHTTPRequestHandler):' '    def do_POST(self):' \
    "        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers['Content-Length'])).decode())" \
    "        good = form.get('client_secret') == ['s3cret&x'] and form['scope'] == ['https://outlook.office365.com/.default']" \
    '        self.send_response(200 if good else 401)' '        self.end_headers()' "        self.wfile.write(b'{\"access_token\": \"tok.en\"}')" \
    "http.server.HTTPServer(('127.0.0.1', $PORT), H).serve_forever()" >server.py
  start_server token python3 server.py
  wait_for_port "$PORT"
  sed -i "s|https://login.microsoftonline.com|http://127.0.0.1:$PORT|; s|/etc/spoolmail/m365.secret|$PWD/client|" m365
  run sh m365
  assert_success
  assert_output tok.en
}

@test "the keeper of secrets ends with the sender, however that ends" {
  login
  start_server usmtp "$BUILD/usmtp" -C "$MEMBER" --log stderr
  wait_until 10 grep -q 'T01SM020I' "$(servers_dir)/usmtp.log"
  local pid child
  pid=$(server_pid usmtp)
  child=$(cat "/proc/$pid/task/$pid/children")
  [[ -n $child ]]
  kill -KILL "$pid"
  gone() { ! kill -0 $child 2>/dev/null || [[ $(sed 's/.*) //' "/proc/${child// /}/stat" | cut -c1) == Z ]]; }
  wait_until 10 gone
}

teardown() {
  stop_postfix
  stop_dovecot
  stop_all
}
