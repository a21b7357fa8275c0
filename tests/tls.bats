#!/usr/bin/env bats
# TLS of usmtp and ssmtp: what is demanded is had or the mail waits, and nothing that came in clear is used.

load helper
load postfix
load tls
load dns

setup_file() {
  tls_authority
  tls_certificate good DNS:localhost,IP:127.0.0.1
  tls_certificate rsa DNS:localhost,IP:127.0.0.1 rsa
  tls_certificate self DNS:localhost,IP:127.0.0.1 self
  tls_certificate wrong DNS:other.example
  tls_certificate old DNS:localhost,IP:127.0.0.1 ec -9 -1
  tls_certificate new DNS:localhost,IP:127.0.0.1 ec 1 9
  tls_certificate named none
  tls_certificate mx DNS:mx.dane.example
  tls_certificate domain DNS:dane.example
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

# dane_site: a sender that trusts the signed zone dane.example, whose records are read from standard input; LEVEL
# is its TLS(...). SIGNED=no: nothing is signed. FORGED=SCRIPT: sed changes the zone after that.
dane_site() {
  require_dns
  PORT=$(free_port)
  zone dane.example < <(cat && echo 'mx A 127.0.0.1')
  [[ -n ${SIGNED:-} ]] || sign_zone dane.example
  [[ -z ${FORGED:-} ]] || sed -i "$FORGED" "$BATS_TEST_TMPDIR/zones/dane.example"
  start_dns
  site "DOMAIN(*) PORT($PORT) TLS(${LEVEL:-DANE}) CA($TLS/ca.pem)"
  : >"$SITE/hosts"
  sed -i 's/REMOTE(RMT21)/REMOTE(RMT21) RETRYINT(1H) TIMEGREET(3S) TIMECMD(3S)/' "$MEMBER"
  echo "DNS     SERVER(127.0.0.1) PORT($DNS_PORT) HOSTS($SITE/hosts) TIMEOUT(10S) ${TRUST:+TRUST($TRUST)}" >>"$MEMBER"
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  queue_dane
}

queue_dane() {
  printf 'X-From: CDoaks@mail.example.org\nX-To: someone@dane.example\nSubject: test\n\ntext\n' >"$SPOOL/jes/RMT21/.m"
  mv "$SPOOL/jes/RMT21/.m" "$SPOOL/jes/RMT21/m"
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
}

# pin NAME: the digest of a certificate's key.
pin() {
  openssl x509 -in "$TLS/$1.crt" -pubkey -noout | openssl pkey -pubin -outform der | sha256sum | cut -d' ' -f1
}

@test "usmtp: DANE with records of a signed zone" {
  dane_site < <(printf '@ MX 10 mx\n*._tcp.mx TLSA 3 1 1 %s\n' "$(pin self)")
  tls_serve --cert "$TLS/self.pem" "$secure"$'\n'"$mail"
  run usmtp
  assert_output --regexp 'T01SM120I .*mx.dane.example\[127\.0\.0\.1\]:[0-9]+: .* \(verified by DANE\)'
  assert_output --partial 'status=sent'
}

@test "usmtp: DANE: another key, and the mail waits" {
  dane_site < <(printf '@ MX 10 mx\n*._tcp.mx TLSA 3 1 1 %s\n' "$(pin good)")
  tls_serve --cert "$TLS/self.pem" "$offer"$'\ntls-fails'
  run usmtp
  assert_output --regexp 'T01SM042I .*TLSA'
  tls_played 1
  deferred
}

@test "usmtp: DANE: a zone without records, and the mail waits" {
  dane_site <<<'@ MX 10 mx'
  tls_serve --cert "$TLS/good.pem" "$offer"$'\nuntil-close'
  run usmtp
  assert_output --regexp 'T01SM042I .*mx.dane.example: TLSA records are demanded: there are no TLSA records'
  deferred
}

@test "usmtp: MAY takes DANE where a signed zone has records" {
  LEVEL=MAY dane_site < <(printf '@ MX 10 mx\n*._tcp.mx TLSA 3 1 1 %s\n' "$(pin self)")
  tls_serve --cert "$TLS/self.pem" "$secure"$'\n'"$mail"
  run usmtp
  assert_output --regexp 'T01SM120I .*mx.dane.example.* \(verified by DANE\)'
  assert_output --partial 'status=sent'
  # The host that loses STARTTLS, says more than was asked for to be quicker than the name service, or has another key.
  local script scripts=($'-> 220 hi\n<- ^EHLO\n-> 250 hi\n<- ^QUIT\n-> 221 bye' $'->> 220 hi\\r\\n250 hi\\r\\n\nuntil-close' "$offer"$'\ntls-fails')
  for script in "${scripts[@]}"; do
    stop_server tls || true
    rm -f "$(servers_dir)"/tls.* "$SPOOL/work/CHKPT"
    tls_serve --cert "$TLS/good.pem" "$script"
    [[ $(waiting) == 1 ]] || queue_dane
    run usmtp
    assert_output --regexp 'T01SM042I .*(does not offer STARTTLS, which is demanded|certificate of mx.dane.example)'
    refute_output --partial T01SM121I
    tls_played 1
    deferred
  done
}

@test "usmtp: MAY: a signed zone without records changes nothing" {
  LEVEL=MAY dane_site <<<'@ MX 10 mx'
  tls_serve $'-> 220 hi\n<- ^EHLO\n-> 250 hi\n'"${mail#*250 hi$'\n'}"
  run usmtp
  assert_output --partial 'status=sent'
}

@test "usmtp: MAY: records of no use demand TLS, whatever the certificate" {
  LEVEL=MAY dane_site < <(printf '@ MX 10 mx\n*._tcp.mx TLSA 1 1 1 %s\n' "$(pin good)")
  tls_serve --cert "$TLS/self.pem" $'-> 220 hi\n<- ^EHLO\n-> 250 hi\n<- ^QUIT\n-> 221 bye' "$secure"$'\n'"$mail"
  run usmtp
  assert_output --partial 'does not offer STARTTLS, which is demanded'
  deferred
  rm -f "$SPOOL/work/CHKPT"
  run usmtp
  assert_output --regexp 'T01SM120I .* \(not verified\)'
  assert_output --partial 'status=sent'
}

@test "usmtp: MAY: where nobody can say whether a secure host has records, the mail waits" {
  LEVEL=MAY FORGED='/[[:space:]]TLSA[[:space:]]/s/[0-9a-f]$/x/; /TLSA/s/[0-9a-f]x$/00/' dane_site \
    < <(printf '@ MX 10 mx\n*._tcp.mx TLSA 3 1 1 %s\n' "$(pin self)")
  tls_serve --cert "$TLS/self.pem" $'-> 220 hi\nuntil-close'
  run usmtp
  assert_output --regexp 'T01SM042I .*mx.dane.example: whether it has TLSA records is not known: '
  deferred
}

@test "usmtp: VERIFY towards an MX: its own name only where the MX is proven, else that of the domain" {
  LEVEL=VERIFY SIGNED=no dane_site <<<'@ MX 10 mx'
  tls_serve --cert "$TLS/mx.pem" "$offer"$'\ntls-fails'
  run usmtp
  assert_output --regexp 'T01SM042I .*certificate of dane.example: .*ostname mismatch'
  deferred
  stop_server tls || true
  rm -f "$(servers_dir)"/tls.* "$SPOOL/work/CHKPT"
  tls_serve --cert "$TLS/domain.pem" "$secure"$'\n'"$mail"
  run usmtp
  assert_output --regexp 'T01SM120I .*mx.dane.example.* \(verified\)'
  assert_output --partial 'status=sent'
}

@test "usmtp: VERIFY towards a proven MX" {
  LEVEL=VERIFY dane_site <<<'@ MX 10 mx'
  tls_serve --cert "$TLS/mx.pem" "$secure"$'\n'"$mail"
  run usmtp
  assert_output --regexp 'T01SM120I .*mx.dane.example.* \(verified\)'
  assert_output --partial 'status=sent'
}

@test "usmtp probe: each step is told, and nothing is sent" {
  sender 'TLS(VERIFY)'
  tls_serve --cert "$TLS/good.pem" "$secure"$'\n<- ^EHLO\n-> 250-hi\n-> 250 SIZE 5\n<- ^QUIT\n-> 221 bye'
  queue_mail
  run "$BUILD/usmtp" -C "$MEMBER" --log stderr probe someone@far.example
  assert_success
  assert_line "destination  localhost:$PORT/TLS=VERIFY"
  assert_line 'tls          VERIFY'
  assert_line --regexp '^host         localhost, [0-9]+ addresses'
  assert_line --regexp 'T01SM047I localhost\[127.0.0.1\]:[0-9]+ <- 220 hi'
  assert_line --regexp 'T01SM047I .* -> STARTTLS'
  assert_line --regexp 'T01SM120I .* \(verified\)'
  assert_line --regexp 'T01SM047I .* <- 250 SIZE 5'
  assert_line --regexp '^ready        localhost\[127.0.0.1\]'
  refute_output --partial 'MAIL FROM'
  assert_equal "$(waiting)" 1
}

@test "usmtp probe: a host that has not what is demanded" {
  sender 'TLS(VERIFY)'
  tls_serve --cert "$TLS/wrong.pem" "$offer"$'\ntls-fails'
  run "$BUILD/usmtp" -C "$MEMBER" --log stderr probe far.example
  assert_failure 75
  assert_line --regexp '^not ready    mail waits: .*certificate of localhost: hostname mismatch.* \(4.7.5\)'
  run "$BUILD/usmtp" -C "$MEMBER" probe
  assert_failure 64
  run "$BUILD/usmtp" -C "$MEMBER" probe 'a b@c'
  assert_failure 65
}

# A receiver's site and its program. $1: keywords of SMTP; $2: of its SERVICE; then options.
receiver() {
  local smtp=${1-"CERT($TLS/good.crt) KEY($TLS/good.key)"} service=${2-} options=("${@:3}")
  site
  sed -i "s|REMOTE(RMT21)|REMOTE(RMT21) $smtp|" "$MEMBER"
  echo "SERVICE NAME(SMTP) MODULE(SSMTP) PORT($PORT) ADDRESS(127.0.0.1) $service" >>"$MEMBER"
  start_server ssmtp "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 1 --per-client 1000 "${options[@]}"
  wait_for_port "$PORT"
}

received() {
  cat "$(find "$SPOOL/jes/POST" -type f ! -name '.*')"
}

# has_mail [N]: so many spool files are there.
has_mail() {
  (($(find "$SPOOL/jes/POST" -type f ! -name '.*' | wc -l) == ${1:-1}))
}

log_has() {
  grep -q -- "$1" "$(servers_dir)/ssmtp.log"
}

# served [OPTION...]: the certificate that s_client is shown, by its common name.
served() {
  openssl s_client -connect "127.0.0.1:$PORT" -starttls smtp -CAfile "$TLS/ca.pem" "$@" </dev/null 2>&1
}

hello=$'<reply 220\n-> EHLO client.example\n<reply 250'
started=$hello$'\n-> STARTTLS\n<reply 220\ntls'
envelope=$'-> EHLO client.example\n<reply 250\n-> MAIL FROM:<a@client.example>\n<reply 250\n-> RCPT TO:<cdoaks@mail.example.org>\n<reply 250\n-> DATA\n<reply 354'

@test "ssmtp: swaks by STARTTLS; the Received field tells version and cipher" {
  receiver
  run swaks --server "127.0.0.1:$PORT" -tls --tls-ca-path "$TLS/ca.pem" --ehlo client.example --from a@client.example \
    --to cdoaks@mail.example.org --body 'the text'
  assert_success
  assert_output --partial '250 STARTTLS'
  wait_until 5 has_mail
  run received
  assert_line --index 2 'Received: from client.example ([127.0.0.1])'
  assert_line --index 3 --regexp $'^\t\\(TLSv1\\.3 TLS_[A-Z0-9_]+ (128|256) bits\\)$'
  assert_line --index 4 --regexp $'^\tby mail\\.example\\.org \\(SSMTP\\) with ESMTPS id '
  log_has 'T01SM122I TLS WITH CLIENT \[127.0.0.1\]: TLSv1.3'
}

@test "ssmtp: curl by TLS at once" {
  receiver "CERT($TLS/rsa.pem)" 'TLS(IMPLICIT)'
  printf 'Subject: t\r\n\r\nthe text\r\n' >mail
  run curl -sS --cacert "$TLS/ca.pem" --url "smtps://127.0.0.1:$PORT/client.example" --mail-from a@client.example \
    --mail-rcpt cdoaks@mail.example.org --upload-file mail
  assert_success
  wait_until 5 has_mail
  run received
  assert_output --partial 'with ESMTPS id'
  # Clear text at that port gets nothing.
  run tls_client $'-> EHLO client.example\nexpect-close'
  refute_output --partial '220'
  wait_until 5 log_has 'T01SM123I TLS WITH CLIENT \[127.0.0.1\] FAILED: what came is no TLS'
}

@test "ssmtp: the session begins anew, is offered no second TLS, and ends with close_notify" {
  receiver
  tls_client "$hello"$'\n-> STARTTLS\n<reply 220\ntls\n-> MAIL FROM:<a@client.example>\n<reply 503
-> EHLO client.example\n<- 250-mail\n<- 250-SIZE\n<- 250-8BITMIME\n<- 250-PIPELINING\n<- 250-ENHANCED\n<- 250 HELP
-> STARTTLS\n<reply 503\n-> QUIT\n<reply 221\nexpect-tls-end\nexpect-close'
}

@test "ssmtp: what comes with STARTTLS or before the handshake is never used" {
  receiver
  tls_client "$hello"$'\n->> STARTTLS\\r\\nEHLO evil.example\\r\\n\n<- 554 5.5.0 Input came before the reply\nexpect-close'
  tls_client "$hello"$'\n-> STARTTLS\n<reply 220\n->> MAIL FROM:<evil@client.example>\\r\\n\nuntil-close'
  wait_until 5 log_has 'T01SM123I TLS WITH CLIENT \[127.0.0.1\] FAILED: what came is no TLS'
  refute log_has 'evil'
}

@test "ssmtp: a tail in clear behind close_notify is refused, and the message with it" {
  receiver
  tls_client "$started"$'\n'"$envelope"$'\n->> Subject: t\\r\\n\\r\\nthe text\\r\\n\ntls-end\n->> .\\r\\n\nuntil-close'
  wait_until 5 log_has 'T01SM123I TLS WITH CLIENT \[127.0.0.1\] FAILED: octets came behind the end of TLS'
  tls_client "$started"$'\n'"$envelope"$'\n->> .\\r\\n\n<reply 250\ntls-end\n->> EHLO x\\r\\n\nuntil-close'
  wait_until 5 has_mail 1
}

@test "ssmtp: TLS 1.1, garbage and silence end in time" {
  receiver "CERT($TLS/good.pem) TIMECMD(1S)"
  tls_client "$hello"$'\n-> STARTTLS\n<reply 220\ntls-fails' --max TLSv1_1
  wait_until 5 log_has 'offers no version from TLS 1.2 on'
  tls_client "$hello"$'\n-> STARTTLS\n<reply 220\n->> \\x16\\x03\\x01\\x40\\x00\nexpect-close'
  tls_client "$hello"$'\n-> STARTTLS\n<reply 220\nexpect-close'
}

@test "ssmtp: without a certificate, or by TLS(NONE), TLS is not offered" {
  receiver ''
  tls_client $'<reply 220\n-> EHLO client.example\n<- 250-mail\n<- 250-SIZE\n<- 250-8BITMIME\n<- 250-PIPELINING\n<- 250-ENHANCED\n<- 250 HELP
-> STARTTLS\n<reply 502\n-> QUIT\n<reply 221\nexpect-close'
  stop_server ssmtp
  PORT=$(free_port)
  rm -r "$SITE" "$(servers_dir)"
  receiver "CERT($TLS/good.pem)" 'TLS(NONE)'
  tls_client "$hello"$'\n-> STARTTLS\n<reply 502'
}

@test "ssmtp: RSA and ECDSA side by side" {
  receiver "CERT($TLS/good.pem,$TLS/rsa.pem)"
  run served -tls1_2 -cipher aRSA
  assert_output --partial 'Verify return code: 0 (ok)'
  assert_output --partial 'CN = rsa'
  run served -tls1_2 -cipher aECDSA
  assert_output --partial 'CN = good'
  # What is weak is not agreed.
  run served -tls1_2 -cipher 'AES128-SHA:ECDHE-RSA-AES128-SHA:AES128-GCM-SHA256'
  assert_output --partial 'handshake failure'
}

@test "ssmtp: a new certificate at SIGHUP without a restart; a bad one is told, and the old one stays" {
  cp "$TLS/good.crt" "$TLS/good.key" .
  chmod 600 good.key
  receiver "CERT($PWD/good.crt) KEY($PWD/good.key)"
  local pid
  pid=$(server_pid ssmtp)
  run served
  assert_output --partial 'CN = good'
  cp "$TLS/rsa.crt" good.crt
  kill -HUP "$pid"
  wait_until 5 log_has 'T01SM003E .*does not belong to CERT'
  run served
  assert_output --partial 'CN = good'
  cp "$TLS/rsa.key" good.key
  chmod 600 good.key
  kill -HUP "$pid"
  served_rsa() { served | grep -q 'CN = rsa'; }
  wait_until 5 served_rsa
  # Sessions of before go on; a key that is gone does no harm either.
  rm good.key
  kill -HUP "$pid"
  wait_until 5 log_has 'T01SM003E .*cannot be read'
  run served
  assert_output --partial 'CN = rsa'
}

@test "ssmtp: client certificates on request; only a verified name is told" {
  receiver "CERT($TLS/good.pem) CLIENTCA($TLS/ca.pem)"
  local cert
  for cert in client self old; do
    rm -f "$SPOOL"/jes/POST/SSMTP*
    tls_client "$started"$'\n'"$envelope"$'\n->> .\\r\\n\n<reply 250' --cert "$TLS/$cert.pem"
    wait_until 5 has_mail
    run received
    if [[ $cert == client ]]; then
      assert_line --index 3 --regexp $'^\t\\(TLSv1\\.3 .* bits, client client verified\\)$'
    else
      assert_line --index 3 --regexp $'^\t\\(TLSv1\\.3 [A-Z0-9_]+ [0-9]+ bits\\)$'
    fi
  done
  tls_client "$started"$'\n-> NOOP\n<reply 250' # and none at all
}

@test "ssmtp: a session is resumed by whichever worker, in both versions" {
  receiver "CERT($TLS/good.pem)" '' --workers 3
  local version i
  for version in -tls1_2 -tls1_3; do
    printf 'QUIT\r\n' | openssl s_client -connect "127.0.0.1:$PORT" -starttls smtp "$version" -sess_out session -ign_eof >first 2>&1
    grep -q '^New' first
    for i in 1 2 3 4 5 6; do
      run openssl s_client -connect "127.0.0.1:$PORT" -starttls smtp "$version" -sess_in session </dev/null
      assert_output --partial 'Reused, TLSv1.'
    done
  done
}

@test "ssmtp: keys that everybody may read, or that USER may not, stop it at the start" {
  cp "$TLS/good.key" "$TLS/good.crt" .
  chmod 604 good.key
  site
  sed -i "s|REMOTE(RMT21)|REMOTE(RMT21) CERT($PWD/good.crt) KEY($PWD/good.key)|" "$MEMBER"
  echo "SERVICE NAME(SMTP) MODULE(SSMTP) PORT($PORT)" >>"$MEMBER"
  run "$BUILD/ssmtp" -C "$MEMBER" --check
  assert_failure 78
  assert_output --partial 'may be read by everybody: chmod o-rwx it'
  ((EUID == 0)) || skip 'needs root'
  chmod 600 good.key
  run "$BUILD/ssmtp" -C "$MEMBER" --check
  assert_success
  sed -i "s|SPOOL($SPOOL)|SPOOL($SPOOL) USER(nobody)|" "$MEMBER"
  open_site
  run "$BUILD/ssmtp" -C "$MEMBER" --log stderr
  assert_failure 78
  assert_output --partial 'cannot be read: Permission denied; the USER of the programs must be able to'
}

@test "ssmtp: Postfix with TLS as the client" {
  require_postfix
  chmod a+rx "$BATS_FILE_TMPDIR" "$TLS"
  chmod a+r "$TLS/ca.pem"
  receiver "CERT($TLS/good.pem,$TLS/rsa.pem)"
  local to=$PORT
  local POSTFIX_SERVICES='smtp unix - - n - - smtp'
  start_postfix "$BATS_TEST_TMPDIR/postfix" far.example "default_transport = smtp:[127.0.0.1]:$to" \
    'smtp_tls_security_level = secure' 'smtp_tls_secure_cert_match = localhost' "smtp_tls_CAfile = $TLS/ca.pem" \
    'smtpd_relay_restrictions = permit_mynetworks, reject' 'smtpd_recipient_restrictions = permit_mynetworks, reject'
  swaks --server "127.0.0.1:$POSTFIX_PORT" --from a@client.example --to cdoaks@mail.example.org --body 'the text'
  wait_until 20 has_mail || { cat "$POSTFIX_DIR/log"; false; }
  run received
  assert_output --partial 'from mta.far.example ([127.0.0.1])'
  assert_output --partial 'with ESMTPS id'
}

# Postfix looks for TLSA at port 25, and asks the server of resolv.conf, at port 53.
@test "ssmtp: Postfix as the client under DANE: our key is in the zone, or the mail stays with it" {
  require_postfix
  require_dns
  unshare -mn true 2>/dev/null || skip 'needs namespaces of its own'
  chmod a+rx "$BATS_FILE_TMPDIR" "$TLS"
  start_server inside unshare -mn bash -c 'ip link set lo up && exec sleep 1000'
  # Name spaces of this test, where ports 25 and 53 are its own.
  local inside=(nsenter -t "$(server_pid inside)" -m -n --)
  local DNS_UNDER=("${inside[@]}") POSTFIX_UNDER=("${inside[@]}") POSTFIX_SERVICES='smtp unix - - n - - smtp'
  wait_until 10 eval '[[ $("${inside[@]}" ip -br addr show dev lo) == *127.0.0.1* ]]'
  zone dane.example < <(printf '@ MX 10 mx\nmx A 127.0.0.2\n_25._tcp.mx TLSA 3 1 1 %s\n' "$(pin self)")
  zone other.example < <(printf '@ MX 10 mx\nmx A 127.0.0.2\n_25._tcp.mx TLSA 3 1 1 %s\n' "$(pin good)")
  sign_zone dane.example
  sign_zone other.example
  start_dns 53
  printf 'nameserver 127.0.0.1\noptions trust-ad edns0\n' >resolv.conf
  "${inside[@]}" mount --bind "$PWD/resolv.conf" /etc/resolv.conf
  site
  sed -i "s|REMOTE(RMT21)|REMOTE(RMT21) DOMAINS(dane.example,other.example) CERT($TLS/self.crt) KEY($TLS/self.key)|" "$MEMBER"
  echo 'SERVICE NAME(SMTP) MODULE(SSMTP) PORT(25) ADDRESS(127.0.0.2)' >>"$MEMBER"
  start_server ssmtp "${inside[@]}" "$BUILD/ssmtp" -C "$MEMBER" --log stderr --workers 1
  start_postfix "$BATS_TEST_TMPDIR/postfix" far.example 'default_transport = smtp' 'disable_dns_lookups = no' \
    'smtp_dns_support_level = dnssec' 'smtp_tls_security_level = dane-only' 'smtp_tls_loglevel = 1' \
    'smtpd_relay_restrictions = permit_mynetworks, reject' 'smtpd_recipient_restrictions = permit_mynetworks, reject'
  "${inside[@]}" swaks --server "127.0.0.1:$POSTFIX_PORT" --from a@client.example --to cdoaks@dane.example,cdoaks@other.example --body 'the text'
  wait_until 30 grep -q 'to=<cdoaks@other.example>.*status=' "$POSTFIX_DIR/log"
  wait_until 30 has_mail || { cat "$POSTFIX_DIR/log"; false; }
  run cat "$POSTFIX_DIR/log"
  assert_output --partial 'Verified TLS connection established to mx.dane.example[127.0.0.2]:25'
  assert_output --regexp 'to=<cdoaks@dane.example>.*status=sent'
  assert_output --regexp 'to=<cdoaks@other.example>.*status=deferred'
}

@test "usmtp and ssmtp: a chain of two sites, verified" {
  receiver
  mv "$SITE/APPCFG00" "$SITE/APPCFG01" # its server has read it
  sender 'TLS(VERIFY)'
  printf 'X-From: CDoaks@mail.example.org\nX-To: cdoaks@mail.example.org\n\nx\n' >"$SPOOL/jes/RMT21/.m"
  mv "$SPOOL/jes/RMT21/.m" "$SPOOL/jes/RMT21/m"
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  run usmtp
  assert_output --partial '(verified)'
  assert_output --partial 'status=sent (250 2.0.0 SPOOLED AS'
}

@test "tlsload: counts handshakes with each kind of key, and resumed ones" {
  local load key
  load=$(tool tlsload)
  for key in good rsa; do
    receiver "CERT($TLS/$key.pem)"
    run "$load" --sessions 4 --seconds 1 "$PORT"
    assert_success
    assert_line 'resumed 0'
    refute_line 'all 0'
    run "$load" --sessions 4 --seconds 1 --resume "$PORT"
    assert_success
    refute_line 'resumed 0'
    stop_server ssmtp
  done
}

# load_fails TEXT: tlsload ends by it.
load_fails() {
  run "$(tool tlsload)" --sessions 1 "$PORT"
  assert_failure 1
  assert_output --partial "$1"
}

@test "tlsload: another reply, text behind 220, and an older TLS fail" {
  tls_serve --cert "$TLS/good.pem" --max TLSv1_2 -- $'-> 421 no\nuntil-close' "${offer/220 go/454 no}"$'\nuntil-close' \
    "$offer"$'\n->> 250 evil\\r\\n\nuntil-close' "$offer"$'\ntls-fails'
  load_fails 'no such reply was due: 421 no'
  load_fails 'no such reply was due: 454 no'
  load_fails 'no such reply was due: 220 go'
  load_fails 'TLS: what came is no TLS 1.3'
  stop_server tls || (($? == 143))
  tls_serve --cert "$TLS/good.pem" "$offer"$'\ntls\n<- ^QUIT$\n-> 250 no\nuntil-close'
  load_fails 'no such reply was due: 250 no'
}

teardown() {
  stop_postfix
  stop_all
}
