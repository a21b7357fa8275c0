#!/usr/bin/env bats
# TLS of usmtp and ssmtp: what is demanded is had or the mail waits, and nothing that came in clear is used.

load helper
load postfix
load tls

setup_file() {
  tls_authority
  tls_certificate good DNS:localhost,IP:127.0.0.1
  tls_certificate rsa DNS:localhost,IP:127.0.0.1 rsa
  tls_certificate self DNS:localhost,IP:127.0.0.1 self
  tls_certificate wrong DNS:other.example
  tls_certificate old DNS:localhost,IP:127.0.0.1 ec -9 -1
  tls_certificate new DNS:localhost,IP:127.0.0.1 ec 1 9
  tls_certificate named none
  tls_certificate client email:client@client.example
}

setup() {
  cd "$BATS_TEST_TMPDIR" || return 1
  PORT=$(free_port)
}

# A sender's site. $1: further keywords of its route.
sender() {
  site "DOMAIN(*) HOST(${HOST:-localhost}) PORT($PORT) $1"
  sed -i "s|REMOTE(RMT21)|REMOTE(RMT21) RETRYINT(2S) RETRYCEIL(4S) TIMEGREET(3S) TIMECMD(3S) TIMEALL(9S) CA($TLS/ca.pem)|" "$MEMBER"
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
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

# Nothing is lost, told, or said in clear: the mail waits.
deferred() {
  assert_equal "$(waiting)" 1
  assert_equal "$(find "$SPOOL/jes/POST" "$SPOOL/jes/PRT" -type f ! -name '.*' | wc -l)" 0
}

offer=$'-> 220 hi\n<- ^EHLO\n-> 250-hi\n-> 250 STARTTLS\n<- ^STARTTLS$\n-> 220 go'
secure=$offer$'\ntls'
mail=$'<- ^EHLO\n-> 250 hi\n<- ^MAIL\n-> 250 ok\n<- ^RCPT\n-> 250 ok\n<- ^DATA\n-> 354 go\n<. got\n-> 250 done\n<- ^QUIT\n-> 221 bye'
clear=$'-> 220 hi\n<- ^EHLO\n-> 250-hi\n-> 250 STARTTLS\n'${mail#*250 hi$'\n'}

@test "usmtp: STARTTLS, EHLO anew, and the log tells version, cipher and verification" {
  sender 'TLS(VERIFY)'
  tls_serve --cert "$TLS/good.pem" "$secure"$'\n'"$mail"
  queue_mail
  run usmtp
  assert_success
  assert_output --regexp 'T01SM120I TLS WITH localhost\[127\.0\.0\.1\]:[0-9]+: TLSv1\.3 TLS_[A-Z0-9_]+ \(verified\)'
  assert_output --partial 'status=sent'
  tls_played 1
  run cat got
  assert_line $'text 0\r'
}

@test "usmtp: TLS at once, by keyword" {
  sender 'TLS(VERIFY) TLSMODE(IMPLICIT)'
  tls_serve --cert "$TLS/rsa.pem" --max TLSv1_2 $'tls\n-> 220 hi\n'"$mail"
  queue_mail
  run usmtp
  assert_output --regexp 'T01SM120I .*: TLSv1\.2 ECDHE-RSA-[A-Z0-9-]+ \(verified\)'
  tls_played 1
}

@test "usmtp: under VERIFY a certificate that proves nothing defers, and no mail is seen" {
  local cert
  sender 'TLS(VERIFY)'
  queue_mail
  declare -A why=([self]='self-signed' [wrong]='ostname mismatch' [old]='expired' [new]='not yet valid' [named]='ostname mismatch')
  for cert in "${!why[@]}"; do
    PORT=$(free_port)
    sed -i "s/PORT([0-9]*)/PORT($PORT)/" "$MEMBER"
    tls_serve --cert "$TLS/$cert.pem" "$offer"$'\ntls-fails'
    run usmtp
    assert_output --regexp "T01SM042I .*certificate of localhost: .*${why[$cert]}"
    tls_played 1
    stop_server tls || true
    rm "$(servers_dir)"/tls.*
    rm -f "$SPOOL/work/CHKPT"
    deferred
  done
}

@test "usmtp: MUST takes any certificate and says that it is not verified" {
  sender 'TLS(MUST)'
  tls_serve --cert "$TLS/self.pem" "$secure"$'\n'"$mail"
  queue_mail
  run usmtp
  assert_output --regexp 'T01SM120I .* \(not verified\)'
  assert_output --partial 'status=sent'
}

@test "usmtp: an address as the host is verified as an address" {
  HOST='[127.0.0.1]' sender 'TLS(VERIFY)'
  tls_serve --cert "$TLS/good.pem" "$secure"$'\n'"$mail"
  queue_mail
  run usmtp
  assert_output --regexp 'T01SM120I .* \(verified\)'
}

@test "usmtp: a stripped capability defers under MUST, VERIFY and DANE" {
  local level tlsa="TLSA('3 1 1 $(printf '0%.0s' {1..64})')"
  for level in MUST VERIFY "DANE) ${tlsa%)}"; do
    sender "TLS($level)"
    queue_mail
    PORT=$(free_port)
    sed -i "s/PORT([0-9]*)/PORT($PORT)/" "$MEMBER"
    tls_serve $'-> 220 hi\n<- ^EHLO\n-> 250-hi\n-> 250 SIZE\n<- ^QUIT\n-> 221 bye\nexpect-close'
    run usmtp
    assert_output --regexp 'T01SM042I .*does not offer STARTTLS, which is demanded'
    tls_played 1
    deferred
    stop_server tls || true
    rm -rf "$(servers_dir)"/tls.* "$SITE"
  done
}

@test "usmtp: DANE with fixed records" {
  local pin
  pin=$(openssl x509 -in "$TLS/old.crt" -pubkey -noout | openssl pkey -pubin -outform der | sha256sum | cut -d' ' -f1)
  sender "TLS(DANE) TLSA('3 1 1 $pin')"
  tls_serve --cert "$TLS/old.pem" "$secure"$'\n'"$mail"
  queue_mail
  run usmtp
  assert_output --regexp 'T01SM120I .* \(verified by DANE\)'
  stop_server tls || true
  rm "$(servers_dir)"/tls.*
  PORT=$(free_port)
  sed -i "s/PORT([0-9]*)/PORT($PORT)/" "$MEMBER"
  tls_serve --cert "$TLS/good.pem" "$offer"$'\ntls-fails'
  queue_mail
  run usmtp
  assert_output --regexp 'T01SM042I .*certificate of localhost: .*TLSA'
  deferred
}

@test "usmtp: MAY goes on in clear, in a fresh connection, when the handshake fails" {
  local script
  sender 'TLS(MAY)'
  for script in "$offer"$'\nany\n->> garbage of no protocol\nany' "$offer" "$offer"$'\ntls-fails'; do
    PORT=$(free_port)
    sed -i "s/PORT([0-9]*)/PORT($PORT)/" "$MEMBER"
    # The third offers only what is too old.
    tls_serve --cert "$TLS/self.pem" --max TLSv1 "$script" "$clear"
    queue_mail
    run usmtp
    assert_output --partial 'T01SM121I NO TLS WITH localhost[127.0.0.1]'
    assert_output --partial 'status=sent'
    tls_played 2
    stop_server tls || true
    rm -f "$(servers_dir)"/tls.*
  done
}

@test "usmtp: a refused STARTTLS is gone on in clear by MAY alone" {
  local refusal=${offer%220 go}'454 4.7.0 not now'
  sender 'TLS(MAY)'
  tls_serve "$refusal"$'\n'"${mail#*250 hi$'\n'}"
  queue_mail
  run usmtp
  assert_output --partial 'status=sent'
  tls_played 1
  stop_server tls || true
  rm "$(servers_dir)"/tls.*
  sed -i 's/TLS(MAY)/TLS(MUST)/' "$MEMBER"
  PORT=$(free_port)
  sed -i "s/PORT([0-9]*)/PORT($PORT)/" "$MEMBER"
  tls_serve "$refusal"$'\n<- ^QUIT\n-> 221 bye'
  queue_mail
  run usmtp
  assert_output --partial '454 4.7.0 not now'
  deferred
}

@test "usmtp: text behind 220 in the same packet is never used, and there is no way around by clear text" {
  sender 'TLS(MAY)'
  tls_serve --cert "$TLS/good.pem" "$offer"$'\n->> 250 evil\\r\\n\nexpect-close'
  queue_mail
  run usmtp
  assert_output --regexp 'T01SM042I .*spoke in clear before the TLS handshake'
  refute_output --partial 'T01SM121I'
  tls_played 1
  deferred
}

@test "usmtp: silence in the handshake ends in time" {
  sender 'TLS(MUST)'
  sed -i 's/TIMECMD(3S)/TIMECMD(1S)/' "$MEMBER"
  tls_serve "$offer"$'\nany\nsleep 30'
  queue_mail
  run usmtp
  assert_output --regexp 'T01SM042I .*time-out in TLS'
  deferred
}

@test "usmtp: replies in clear behind close_notify are refused" {
  sender 'TLS(MUST)'
  tls_serve --cert "$TLS/good.pem" "$secure"$'\n<- ^EHLO\n-> 250 hi\n<- ^MAIL\ntls-end\n->> 250 ok\\r\\n250 ok\\r\\n354 go\\r\\n250 sent\\r\\n\nsleep 1'
  queue_mail
  run usmtp
  refute_output --partial 'status=sent'
  assert_output --partial 'octets came behind the end of TLS'
  deferred
}

@test "usmtp: a client certificate is shown where the route has one" {
  sender "TLS(VERIFY) CERT($TLS/client.crt) KEY($TLS/client.key)"
  tls_serve --cert "$TLS/good.pem" --client-ca "$TLS/ca.pem" "$secure"$'\n'"$mail"
  queue_mail
  run usmtp
  assert_output --partial 'status=sent'
  tls_played 1
}

@test "usmtp: a host that wants a certificate we have not: deferred, or by MAY in clear" {
  sender 'TLS(VERIFY)'
  tls_serve --cert "$TLS/good.pem" --client-ca "$TLS/ca.pem" "$offer"$'\ntls-fails' "$offer"$'\ntls-fails' "$clear"
  queue_mail
  run usmtp
  assert_output --regexp 'T01SM042I .*certificate required'
  deferred
  rm -f "$SPOOL/work/CHKPT"
  sed -i 's/TLS(VERIFY)/TLS(MAY)/' "$MEMBER"
  run usmtp
  assert_output --partial 'T01SM121I'
  assert_output --partial 'status=sent'
}

@test "usmtp: a second connection to the host resumes the session" {
  sender 'TLS(VERIFY)'
  sed -i 's/REMOTE(RMT21)/REMOTE(RMT21) CONNMSGS(1)/' "$MEMBER"
  tls_serve --cert "$TLS/good.pem" "$secure"$'\n'"$mail"
  queue_mail 2
  run usmtp
  assert_output --regexp 'T01SM120I .* \(verified\)'
  assert_output --regexp 'T01SM120I .* \(verified, resumed\)'
  assert_equal "$(waiting)" 0
}

@test "usmtp: --check and the start tell of certificates that cannot be read" {
  sender "TLS(VERIFY) CERT($TLS/client.crt) KEY($TLS/good.key)"
  run "$BUILD/usmtp" -C "$MEMBER" --check
  assert_failure 78
  assert_output --partial 'does not belong to CERT'
  run usmtp
  assert_failure 78
  assert_output --partial 'does not belong to CERT'
}

@test "usmtp: Postfix with TLS as the far end" {
  require_postfix
  chmod a+rx "$BATS_FILE_TMPDIR" "$TLS"
  start_postfix "$BATS_TEST_TMPDIR/postfix" far.example "smtpd_tls_chain_files = $TLS/rsa.pem, $TLS/good.pem" \
    'smtpd_tls_security_level = encrypt' 'smtpd_tls_loglevel = 1'
  PORT=$POSTFIX_PORT
  sender 'TLS(VERIFY)'
  queue_mail
  run usmtp
  assert_output --regexp 'T01SM120I .* \(verified\)'
  assert_output --partial 'status=sent'
  wait_for_mails 1
  run cat "$(postfix_mails)"
  assert_output --regexp 'with ESMTPS id'
}

teardown() {
  stop_postfix
  stop_all
}
