#!/usr/bin/env bats
# The name service and ROUTE: where usmtp sends, by real name servers and by one that lies.

load helper
load dns

setup() {
  PORT=$(free_port)
}

# dns_site [ROUTE...]: a site that asks the name server of this test; without ROUTE, towards the MX at $PORT.
dns_site() {
  local route
  site "DOMAIN(*) PORT($PORT)"
  [ $# -eq 0 ] || sed -i '/^ROUTE/d' "$MEMBER"
  for route in "$@"; do
    [[ $route != *HOST* || $route == *TLS* ]] || route+=' TLS(NONE)' # to a relay it would be verified
    echo "ROUTE   $route" >>"$MEMBER"
  done
  : >"$SITE/hosts"
  sed -i 's/REMOTE(RMT21)/REMOTE(RMT21) RETRYINT(1H) TIMECONN(2S) TIMEGREET(2S) TIMECMD(2S)/' "$MEMBER"
  echo "DNS     SERVER(127.0.0.1) PORT($DNS_PORT) HOSTS($SITE/hosts) TIMEOUT(${DNS_TIMEOUT:-10S})${TRUST:+ TRUST($TRUST)}" >>"$MEMBER"
}

usmtp() {
  "$BUILD/usmtp" -C "$MEMBER" --log stderr "$@"
}

# queue TO...: one mail for each.
queue() {
  {
    echo "X-From: ${FROM:-CDoaks@mail.example.org}"
    printf 'X-To: %s\n' "$@"
    printf 'Subject: test\n\ntext\n'
  } >"$BATS_TEST_TMPDIR/m"
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  mv "$BATS_TEST_TMPDIR/m" "$SPOOL/jes/RMT21/m"
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
}

# says REGEX: one line of the output is so; says_not: none is.
says() {
  grep -qE -- "$1" <<<"$output" || fail "no line is like $1
$output"
}

says_not() {
  ! grep -E -- "$1" <<<"$output" || fail "$output"
}

waiting() {
  find "$SPOOL/mail" -type f ! -name '.*' | wc -l
}

# sink N...: a server at 127.0.0.N.
sink() {
  local n
  for n in "$@"; do
    start_server "sink$n" env "TOOL_ADDRESS=127.0.0.$n" "$(tool smtpsink)" -p "$PORT" --dump "$BATS_TEST_TMPDIR/sink$n"
    wait_until 10 grep -qi "$(printf '%02X00007F:%04X' "$n" "$PORT")" /proc/net/tcp
  done
}

zones() {
  require_dns
  zone far.example <<'Z'
@ MX 20 mx2
@ MX 10 mx1
@ MX 30 mx3
mx1 A 127.0.0.9
mx2 A 127.0.0.2
mx3 A 127.0.0.3
implicit A 127.0.0.2
null MX 0 .
nodata TXT "no mail here"
nick CNAME far.example.
old MX 10 oldhost
oldhost CNAME mx2
deadmx MX 10 nowhere.far.example.
multi MX 10 multihomed
multihomed A 127.0.0.8
multihomed A 127.0.0.9
multihomed A 127.0.0.2
multihomed AAAA ::1
listed MX 10 mx3
listed MX 5 mx2
self MX 10 mx1
self MX 20 mail.example.org.
self MX 30 mx3
bestself MX 10 Mail.Example.ORG.
bestself MX 20 mx2
addrself MX 10 here
addrself MX 20 mx2
here A 127.0.0.1
relay A 127.0.0.2
second A 127.0.0.3
xn--bcher-kva A 127.0.0.2
dead A 127.0.0.9
Z
  zone example.org <<'Z'
mail A 127.0.0.1
Z
  zone site.test <<'Z'
@ MX 10 mx
mx A 127.0.0.2
Z
}

@test "MX by preference; what is dead is passed over; the log names the host that took it" {
  zones
  start_dns
  dns_site
  sink 2 3
  queue a@far.example
  run usmtp --once
  assert_success
  says "T01SM048I .*mx1.far.example\[127.0.0.9\]:$PORT"
  says "from=<CDoaks@mail.example.org>, to=<a@far.example>, relay=mx2.far.example\[127.0.0.2\]:$PORT, delay=[0-9]+, dsn=2.0.0, status=sent \(250"
  assert_equal "$(waiting)" 0
}

@test "no MX, a CNAME, an MX that is a CNAME, many addresses of both families, the zone test." {
  zones
  start_dns
  dns_site
  sink 2
  queue a@implicit.far.example b@nick.far.example c@old.far.example d@multi.far.example e@site.test
  run usmtp --once
  assert_success
  says "to=<a@implicit.far.example>, relay=implicit.far.example\[127.0.0.2\]:$PORT, .*status=sent"
  says "to=<b@nick.far.example>, relay=mx2.far.example\[127.0.0.2\]:$PORT, .*status=sent"
  says "to=<c@old.far.example>, relay=oldhost.far.example\[127.0.0.2\]:$PORT, .*status=sent"
  says "to=<d@multi.far.example>, relay=multihomed.far.example\[127.0.0.2\]:$PORT, .*status=sent"
  says "to=<e@site.test>, relay=mx.site.test\[127.0.0.2\]:$PORT, .*status=sent"
  assert_equal "$(waiting)" 0
}

@test "what the name service says with authority is permanent, with its own code each" {
  zones
  start_dns
  dns_site
  queue a@nowhere.far.example b@null.far.example c@nodata.far.example d@deadmx.far.example
  run usmtp --once
  assert_success
  says 'to=<a@nowhere.far.example>, relay=none, delay=[0-9]+, dsn=5.1.2, status=bounced \(there is no host or domain'
  says 'to=<b@null.far.example>, relay=none, .*dsn=5.1.10, status=bounced \(the domain takes no mail'
  says 'to=<c@nodata.far.example>, relay=none, .*dsn=5.4.4, status=bounced'
  says 'to=<d@deadmx.far.example>, relay=none, .*dsn=5.4.4, status=bounced'
  assert_equal "$(waiting)" 0
  assert_equal "$(find "$SPOOL/jes/POST" -type f -name 'USMTP.*' | wc -l)" 4
}

@test "an MX that is this host, and all worse ones, are left out; the best of them: a loop" {
  zones
  start_dns
  dns_site
  echo "SERVICE NAME(SMTP) MODULE(SSMTP) PORT($PORT) ADDRESS(127.0.0.1)" >>"$MEMBER"
  sink 2 3
  queue a@self.far.example b@bestself.far.example c@addrself.far.example
  run usmtp --once
  says "DESTINATION self.far.example:$PORT DEFERRED .*mx1.far.example\[127.0.0.9\]"
  says 'to=<b@bestself.far.example>, relay=none, .*dsn=5.4.6, status=bounced'
  says 'to=<c@addrself.far.example>, relay=none, .*dsn=5.4.6, status=bounced'
  refute_output --partial 'status=sent'
}

@test "an MX that is this host is no loop where another program listens, nor for a domain of ours" {
  zones
  start_dns
  dns_site
  sink 1
  queue c@addrself.far.example
  run usmtp --once
  assert_output --partial 'relay=here.far.example[127.0.0.1]'
  assert_output --partial 'status=sent'
  echo "SERVICE NAME(SMTP) MODULE(SSMTP) PORT($PORT)" >>"$MEMBER"
  sed -i 's/POSTOFFICE(MYHOST)/POSTOFFICE(MYHOST) DOMAINS(addrself.far.example)/' "$MEMBER"
  queue c@addrself.far.example
  run usmtp --once
  assert_output --partial 'status=sent'
}

@test "literals ask nobody; a name service that is down defers, and bounces nothing" {
  DNS_PORT=$(free_port)
  DNS_TIMEOUT=2S
  dns_site
  sink 2
  queue 'a@[127.0.0.2]' b@far.example
  run usmtp --once
  assert_success
  assert_output --partial "to=<a@[127.0.0.2]>, relay=[127.0.0.2]:$PORT,"
  says "DESTINATION far.example:$PORT DEFERRED FOR [0-9]+ SECONDS: far.example: the name service"
  refute_output --partial bounced
  assert_equal "$(waiting)" 1
}

@test "DNSSEC: a good signature is sent to; one that expired, and one stripped, defer" {
  zones
  zone good.example <<<$'@ MX 10 mx\nmx A 127.0.0.2'
  zone expired.example <<<$'@ MX 10 mx\nmx A 127.0.0.2'
  zone stripped.example <<<$'@ MX 10 mx\nmx A 127.0.0.2'
  cp "$BATS_TEST_TMPDIR/zones/stripped.example" "$BATS_TEST_TMPDIR/unsigned"
  sign_zone good.example
  sign_zone expired.example -i 20200101000000 -e 20200201000000
  sign_zone stripped.example
  mv "$BATS_TEST_TMPDIR/unsigned" "$BATS_TEST_TMPDIR/zones/stripped.example"
  start_dns
  dns_site
  sink 2
  queue a@good.example b@expired.example c@stripped.example d@implicit.far.example e@nowhere.expired.example
  run usmtp --once
  assert_success
  says 'to=<a@good.example>, .*status=sent'
  says 'to=<d@implicit.far.example>, .*status=sent'
  says 'DESTINATION expired.example:[0-9]+ DEFERRED .*DNSSEC'
  says 'DESTINATION nowhere.expired.example:[0-9]+ DEFERRED .*DNSSEC'
  says 'DESTINATION stripped.example:[0-9]+ DEFERRED .*DNSSEC'
  refute_output --partial bounced
  assert_equal "$(waiting)" 3
}

@test "ROUTE: relays by their addresses, in order of choice, or by MX; a wrong one defers" {
  zones
  start_dns
  dns_site "DOMAIN(a.example) HOST(relay.far.example:$PORT)" \
    "DOMAIN(b.example) HOST(dead.far.example,second.far.example) PORT($PORT)" \
    "DOMAIN(c.example) HOST(listed.far.example) MX PORT($PORT)" \
    "DOMAIN(d.example) HOST(nowhere.far.example) PORT($PORT)" \
    "DOMAIN(e.example) HOST(nowhere.far.example,[relay.far.example]) PORT($PORT)" \
    "DOMAIN(a.example) FROM('<>') HOST(second.far.example) PORT($PORT)"
  sink 2 3
  queue x@a.example x@b.example x@c.example x@d.example x@e.example
  FROM='<>' queue null@a.example || true
  run usmtp --once
  assert_success
  says 'to=<x@a.example>, relay=relay.far.example\[127.0.0.2\]:.*status=sent'
  says 'to=<x@b.example>, relay=second.far.example\[127.0.0.3\]:.*status=sent'
  says 'to=<x@c.example>, relay=mx2.far.example\[127.0.0.2\]:.*status=sent'
  says 'DESTINATION nowhere.far.example:[0-9]+/TLS=NONE DEFERRED .*there is no host'
  says 'to=<x@e.example>, relay=relay.far.example\[127.0.0.2\]:.*status=sent'
  refute_output --partial bounced
  assert_equal "$(waiting)" 1
}

@test "HOSTS names hosts that the name service does not know" {
  zones
  start_dns
  dns_site
  sink 2
  echo '127.0.0.2 local.host.example localhost2' >"$SITE/hosts"
  queue a@local.host.example
  run usmtp --once
  says 'to=<a@local.host.example>, relay=local.host.example\[127.0.0.2\]:.*status=sent'
}

bad_names() {
  python3 - "$ROOT/tests/tools/dnsplay.py" <<'P'
import re, sys
print(*re.findall(r"^    '(\w+)':", open(sys.argv[1]).read(), re.M))
P
}

@test "a name server that lies: every answer is survived, nothing bounces for it, the good ones are sent" {
  local name
  DNS_PORT=$(free_port)
  DNS_TIMEOUT=8S
  dns_site
  sink 2
  start_server dnsplay python3 "$ROOT/tests/tools/dnsplay.py" "$DNS_PORT" "$BATS_TEST_TMPDIR/asked"
  wait_for_port "$DNS_PORT"
  # shellcheck disable=SC2046
  queue $(bad_names | sed 's/[a-z0-9]*/u@&.bad.example/g')
  run --separate-stderr timeout 100 "$BUILD/usmtp" -C "$MEMBER" --log stderr --once
  assert_success
  output=$stderr
  refute grep -q $'[\x01-\x09\x0b-\x1f\x7f-\xff]' <<<"$output"
  for name in good ok many mixed; do
    says "to=<u@$name.bad.example>, relay=[a-z0-9.]+\[127.0.0.2\]:$PORT, .*status=sent"
  done
  # Lawful answers, if odd: these are the only verdicts.
  says 'to=<u@null.bad.example>, .*dsn=5.1.10, status=bounced'
  says 'to=<u@nowhere.bad.example>, .*dsn=5.1.2, status=bounced'
  for name in otherowner nohost noaddress mapped v4short v4long v6short; do
    says "to=<u@$name.bad.example>, .*dsn=5.4.4, status=bounced"
  done
  says_not '@(loop|pool|itself|pointer|forward|ownerloop|toolong|tooshort|empty|crlf|nul|escape|blank|longname|label64|otherid|otherquestion|cuttcp|silence|nodatagram|garbage|cut|servfail|refused|notimp|reserved).bad.example>, .*(bounced|sent)'
  assert_file_contains "$BATS_TEST_TMPDIR/asked" '^tcp many.bad.example MX'
  refute grep -q evil "$BATS_TEST_TMPDIR/asked"
}

@test "one name that nobody answers for costs a hundred others nothing: each is sent, once, at once" {
  DNS_PORT=$(free_port)
  dns_site
  sink 2
  start_server dnsplay python3 "$ROOT/tests/tools/dnsplay.py" "$DNS_PORT" "$BATS_TEST_TMPDIR/asked"
  wait_for_port "$DNS_PORT"
  # shellcheck disable=SC2046
  queue u@silence.bad.example $(seq -f 'u@host%.0f.bad.example' 100)
  run usmtp --once
  assert_equal "$(grep -c 'status=sent' <<<"$output")" 100
  assert_equal "$(grep -c 'DEFERRED' <<<"$output")" 1
  assert_equal "$(waiting)" 1
  stop_server sink2
  run server_log sink2
  assert_line 'connections 100'
}

@test "a host that takes the connection and says nothing costs a hundred others nothing" {
  DNS_PORT=$(free_port)
  dns_site "DOMAIN(dead.example) HOST([127.0.0.3]) PORT($PORT)" "DOMAIN(*) PORT($PORT)"
  sed -i 's/TIMEGREET(2S)/TIMEGREET(5M) CONNECTIONS(4)/' "$MEMBER"
  sink 2
  echo 'timeout 300000
<*' >"$BATS_TEST_TMPDIR/silent"
  start_server silent env TOOL_ADDRESS=127.0.0.3 "$(tool smtpplay)" server -n 0 -p "$PORT" "$BATS_TEST_TMPDIR/silent"
  start_server dnsplay python3 "$ROOT/tests/tools/dnsplay.py" "$DNS_PORT" "$BATS_TEST_TMPDIR/asked"
  wait_for_port "$DNS_PORT"
  # shellcheck disable=SC2046
  queue u@dead.example $(seq -f 'u@host%.0f.bad.example' 100)
  start_server usmtp "$BUILD/usmtp" -C "$MEMBER" --log stderr
  wait_until 60 sh -c "[ \"\$(grep -c status=sent '$BATS_TEST_TMPDIR/servers/usmtp.log')\" -eq 100 ]"
  output=$(server_log usmtp)
  says_not 'DEFERRED|deferred'
  assert_equal "$(waiting)" 1
}

@test "TLSA: at the official name, else at the name; none where anything is not secure; LATER where it is bogus" {
  zones
  zone dane.example <<Z
@ MX 10 mx
@ MX 20 alias
@ MX 30 bare
@ MX 40 unsigned.far.example.
mx A 127.0.0.2
_$PORT._tcp.mx TLSA 3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
_$PORT._tcp.mx TLSA 2 0 2 $(printf '%0128d' 7)
alias CNAME real
real A 127.0.0.3
_$PORT._tcp.alias TLSA 3 1 1 $(printf '%064d' 1)
bare A 127.0.0.4
_26._tcp.bare TLSA 3 1 1 $(printf '%064d' 1)
Z
  zone bogus.example <<Z
@ MX 10 mx
mx A 127.0.0.2
_$PORT._tcp.mx TLSA 3 1 1 $(printf '%064d' 1)
Z
  echo 'unsigned A 127.0.0.5' >>"$BATS_TEST_TMPDIR/zones/far.example"
  echo "_$PORT._tcp.unsigned TLSA 3 1 1 $(printf '%064d' 1)" >>"$BATS_TEST_TMPDIR/zones/far.example"
  sign_zone dane.example
  sign_zone bogus.example
  sed -i "s/\(_$PORT._tcp.mx.*TLSA.*\)1 *\$/\12/" "$BATS_TEST_TMPDIR/zones/bogus.example"
  start_dns
  dns_site
  run usmtp route a@dane.example
  assert_success
  assert_output --partial "host         mx.dane.example, preference 10, secure
address      127.0.0.2 port $PORT
tlsa         mx.dane.example: "
  assert_line 'tlsa         mx.dane.example: 3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'
  assert_line --regexp 'tlsa         mx.dane.example: 2 0 2 0{64}\.\.\.'
  assert_output --partial "host         alias.dane.example (real.dane.example), preference 20, secure
address      127.0.0.3 port $PORT
tlsa         alias.dane.example: 3 1 1 0"
  assert_output --partial "host         bare.dane.example, preference 30, secure
address      127.0.0.4 port $PORT
host         unsigned.far.example, preference 40
address      127.0.0.5 port $PORT"
  assert_equal "$(grep -c ^tlsa <<<"$output")" 3
  run usmtp route a@bogus.example
  assert_line --partial 'tlsa         not known: the answer of the name service is not authentic'
}

@test "new addresses are asked for while a connection is open: the first relay that is back gets mail again" {
  zones
  sed -i 's/TTL 300/TTL 1/' "$BATS_TEST_TMPDIR/zones/far.example"
  start_dns
  dns_site "DOMAIN(*) HOST(relay.far.example,second.far.example) PORT($PORT)"
  printf '%s\n' '-> 220 x' '<* ' '-> 250 x' '<* ' '-> 250 ok' '<* ' '-> 250 ok' '<* ' '-> 354 go' '<.' 'timeout 60000' 'expect-close' >"$BATS_TEST_TMPDIR/slow"
  start_server slow env TOOL_ADDRESS=127.0.0.3 "$(tool smtpplay)" server -n 0 -p "$PORT" "$BATS_TEST_TMPDIR/slow"
  wait_until 10 grep -qi "$(printf '0300007F:%04X' "$PORT")" /proc/net/tcp
  queue first@a.example
  start_server usmtp "$BUILD/usmtp" -C "$MEMBER" --log stderr --trace
  wait_until 20 grep -q 'second.far.example.*354 go' "$BATS_TEST_TMPDIR/servers/usmtp.log"
  sink 2
  sleep 1.1 # the life of the answer
  queue {a,b,c,d,e,f}@a.example
  wait_until 20 grep -q 'relay=relay.far.example\[127.0.0.2\].*status=sent' "$BATS_TEST_TMPDIR/servers/usmtp.log"
  output=$(server_log usmtp)
  says_not 'DEFERRED|deferred'
  stop_server usmtp KILL || true # it would wait for the slow host
}

@test "usmtp route explains the choice, and sends nothing" {
  zones
  zone good.example <<<$'@ MX 10 mx\nmx A 127.0.0.2'
  sign_zone good.example
  start_dns
  dns_site "DOMAIN(*) PORT($PORT)" "DOMAIN(relayed.example) FROM(*.corp.example) HOST(relay.far.example:$PORT,nowhere.far.example) RATE(30/M) RETRYINT(90S)"
  sink 2
  run usmtp route a@far.example
  assert_success
  assert_line "to           a@far.example"
  assert_line --regexp "^statement    ROUTE at line $(grep -n '^ROUTE' "$MEMBER" | head -1 | cut -d: -f1) of $MEMBER"
  assert_line "destination  far.example:$PORT"
  assert_line 'limits       20 connections, 100 mails in each'
  assert_line 'retries      after 1H, at most 4H apart, given up after 5D'
  assert_equal "$(grep -E '^(host|address)' <<<"$output")" "host         mx1.far.example, preference 10
address      127.0.0.9 port $PORT
host         mx2.far.example, preference 20
address      127.0.0.2 port $PORT
host         mx3.far.example, preference 30
address      127.0.0.3 port $PORT"
  run usmtp route a@good.example
  assert_line 'host         mx.good.example, preference 10, secure'
  run usmtp route a@relayed.example x@d.corp.example
  assert_success
  assert_line 'from         <x@d.corp.example>'
  assert_line --partial 'RATE=30/60'
  assert_line 'limits       20 connections, 100 mails in each, 30 mails in 1M'
  assert_line 'retries      after 90S, at most 4H apart, given up after 5D'
  assert_line 'host         relay.far.example, preference 0'
  run usmtp route a@relayed.example
  assert_failure 68
  assert_line --partial 'none, mail is given up: 5.1.2'
  run usmtp route a@old.far.example
  assert_line 'host         oldhost.far.example (mx2.far.example), preference 10'
  run usmtp route 'a@[IPv6:::1]'
  assert_success
  assert_line "address      ::1 port $PORT"
  run usmtp route 'u@BÜCHER.far.example'
  assert_line 'host         xn--bcher-kva.far.example, preference 0'
  run usmtp route nobody
  assert_failure 65
  run usmtp route
  assert_failure 64
  run usmtp rout a@far.example
  assert_failure 64
  stop_server unbound
  run usmtp route a@far.example
  assert_failure 75
  assert_line --partial 'none now, mail waits: far.example: the name service'
  stop_server sink2
  run server_log sink2
  assert_line 'connections 0'
}

# relay_site ROUTE...: relays at literals; no name is asked for.
relay_site() {
  DNS_PORT=$(free_port)
  dns_site "$@"
}

refusing_sink() {
  start_server "sink$1" env "TOOL_ADDRESS=127.0.0.$1" "$(tool smtpsink)" -p "$PORT" --refuse-rcpt 'u=451'
  wait_until 10 grep -qi "$(printf '%02X00007F:%04X' "$1" "$PORT")" /proc/net/tcp
}

# attempts DOMAIN N: runs --once until the log has N attempts for it.
attempts() {
  usmtp --once 2>>"$BATS_TEST_TMPDIR/log"
  [ "$(grep -c "to=<u@$1>" "$BATS_TEST_TMPDIR/log")" -ge "$2" ]
}

given_up() {
  usmtp --once 2>>"$BATS_TEST_TMPDIR/log"
  grep -q "u@$1>.*dsn=4.4.7, status=bounced" "$BATS_TEST_TMPDIR/log"
}

@test "each route has its own retry schedule and age" {
  relay_site "DOMAIN(quick.example) HOST([127.0.0.2]) PORT($PORT) RETRYINT(1S) RETRYMAX(3S)" \
    "DOMAIN(*) HOST([127.0.0.2]) PORT($PORT)"
  refusing_sink 2
  queue u@quick.example u@slow.example
  wait_until 30 attempts quick.example 3
  output=$(cat "$BATS_TEST_TMPDIR/log")
  assert_equal "$(grep -c 'to=<u@slow.example>' <<<"$output")" 1
  wait_until 30 given_up quick.example
  assert_equal "$(waiting)" 1
}

@test "a changed schedule holds for mail that waits already: after a restart, and after SIGHUP" {
  relay_site "DOMAIN(*) HOST([127.0.0.2]) PORT($PORT)" "DOMAIN(down.example) HOST([127.0.0.3]) PORT($PORT)"
  refusing_sink 2
  queue u@a.example u@down.example
  run usmtp --once
  says 'u@a.example>.*status=deferred'
  says 'DESTINATION \[127.0.0.3\].*DEFERRED FOR [23][0-9]{3} SECONDS'
  run usmtp --once
  says_not 'status=|DEFERRED'
  sed -i 's/RETRYINT(1H)/RETRYINT(20M)/' "$MEMBER"
  run usmtp --once
  says 'u@a.example>.*status=deferred'
  says 'DESTINATION \[127.0.0.3\].*DEFERRED FOR [0-9]+ SECONDS'
  run usmtp --once
  says_not 'status=|DEFERRED'
  start_server usmtp "$BUILD/usmtp" -C "$MEMBER" --log stderr
  wait_until 10 grep -q READY "$BATS_TEST_TMPDIR/servers/usmtp.log"
  sed -i "s/DOMAIN(\*) HOST(\[127.0.0.2\]) PORT($PORT)/& RETRYINT(2M) RETRYCEIL(5M)/" "$MEMBER"
  kill -HUP "$(server_pid usmtp)"
  wait_until 10 grep -q 'u@a.example>.*status=deferred' "$BATS_TEST_TMPDIR/servers/usmtp.log"
  output=$(server_log usmtp)
  says_not 'DEFERRED'
}

@test "SIGHUP brings other name servers and a new HOSTS" {
  zones
  start_dns
  dns_site
  sed -i "s/RETRYINT(1H)/RETRYINT(1S) RETRYCEIL(1S)/; s/PORT($DNS_PORT)/PORT(1)/; s/TIMEOUT(10S)/TIMEOUT(1S)/" "$MEMBER"
  sink 2
  start_server usmtp "$BUILD/usmtp" -C "$MEMBER" --log stderr
  wait_until 10 grep -q READY "$BATS_TEST_TMPDIR/servers/usmtp.log"
  queue a@implicit.far.example b@newhost.example
  wait_until 20 grep -q 'implicit.far.example:.*DEFERRED' "$BATS_TEST_TMPDIR/servers/usmtp.log"
  sed -i "s/PORT(1)/PORT($DNS_PORT)/" "$MEMBER"
  echo '127.0.0.2 newhost.example' >"$SITE/hosts"
  kill -HUP "$(server_pid usmtp)"
  wait_until 20 grep -q 'a@implicit.far.example>.*status=sent' "$BATS_TEST_TMPDIR/servers/usmtp.log"
  wait_until 20 grep -q 'b@newhost.example>.*status=sent' "$BATS_TEST_TMPDIR/servers/usmtp.log"
}

@test "RATE slows down and defers nothing: never faster, and nobody else waits" {
  relay_site "DOMAIN(slow.example) HOST([127.0.0.2]) PORT($PORT) RATE(2/S)" \
    "DOMAIN(hour.example) HOST([127.0.0.2]) PORT($PORT) RATE(1/H)" "DOMAIN(*) HOST([127.0.0.2]) PORT($PORT)"
  sink 2
  queue {a,b,c,d}@slow.example
  start=$(now_ms)
  run usmtp --once
  [ $(($(now_ms) - start)) -ge 1500 ] # three gaps of half a second, however slow the machine
  assert_equal "$(grep -c 'status=sent' <<<"$output")" 4
  queue {a,b}@hour.example {a,b,c,d,e,f}@free.example
  start_server usmtp "$BUILD/usmtp" -C "$MEMBER" --log stderr
  wait_until 30 sh -c "[ \"\$(grep -c status=sent '$BATS_TEST_TMPDIR/servers/usmtp.log')\" -eq 7 ]"
  stop_server usmtp
  output=$(server_log usmtp)
  says_not 'deferred|DEFERRED'
  assert_equal "$(grep -c 'free.example.*status=sent' <<<"$output")" 6
  assert_equal "$(waiting)" 1
}

@test "CONNECTIONS and CONNMSGS of a route bound its connections" {
  relay_site "DOMAIN(*) HOST([127.0.0.2]) PORT($PORT) CONNECTIONS(1) CONNMSGS(5)"
  sink 2
  # shellcheck disable=SC2046
  queue $(seq -f 'u%.0f@a.example' 20)
  run usmtp --once
  assert_equal "$(grep -c 'status=sent' <<<"$output")" 20
  stop_server sink2
  run server_log sink2
  assert_line 'connections 4'
}

@test "nicknames of hosts become official names, in the envelope and in the header" {
  relay_site "DOMAIN(*) HOST([127.0.0.2]) PORT($PORT)"
  cat >"$SITE/hosts" <<'H'
127.0.0.2 far.example.net  far remotehost
127.0.0.9 alias.example.net alias.example.com
H
  start_server sink env TOOL_ADDRESS=127.0.0.2 "$(tool smtpsink)" -p "$PORT" --maildir "$BATS_TEST_TMPDIR/box"
  wait_until 10 grep -qi "$(printf '020000 7F:%04X' "$PORT" | tr -d ' ')" /proc/net/tcp
  {
    printf 'X-From: CDoaks@mail.example.org\nX-To: abcdef@remotehost\nX-To: x@alias.example.com\n'
    printf 'From: CDoaks@mail.example.org\nTo: "a@far" <abcdef@RemoteHost>,\n x@alias.example.com (far)\nSubject: to x@far\n\nbody @far\n'
  } >"$BATS_TEST_TMPDIR/m"
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  mv "$BATS_TEST_TMPDIR/m" "$SPOOL/jes/RMT21/m"
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  run usmtp --once
  says 'to=<abcdef@far.example.net>, .*status=sent'
  says 'to=<x@alias.example.com>, .*status=sent'
  run cat "$BATS_TEST_TMPDIR"/box/new/*
  assert_output --partial 'abcdef@far.example.net'
  assert_line --partial 'To: "a@far" <abcdef@far.example.net>,'
  assert_line --partial ' x@alias.example.com (far)'
  assert_line --partial 'Subject: to x@far'
  assert_line --partial 'body @far'
  run usmtp route u@remotehost
  assert_line 'to           u@far.example.net'
}

# Name servers and a mail host at their true ports, in a network of their own; runs usmtp there.
alone() {
  cat >"$BATS_TEST_TMPDIR/alone" <<'A'
ip link set lo up
for a in $ADDRESSES; do ip addr add "$a/32" dev lo; done
[ -z "$RESOLV" ] || mount --bind "$RESOLV" /etc/resolv.conf
/usr/sbin/nsd -d -c "$DIR/nsd.conf" &
nsd=$!
TOOL_ADDRESS=10.53.0.25 "$SINK" -p 25 >"$DIR/sink.log" 2>&1 &
sink=$!
until dig +time=1 +tries=1 @10.53.0.1 far.example mx | grep -q 'ANSWER: [1-9]' && grep -qi '1900350A:0019' /proc/net/tcp; do sleep 0.1; done
"$@"
status=$?
kill $nsd $sink
wait
exit $status
A
  {
    printf 'server:\n  port: 53\n  ip-address: 0.0.0.0\n  username: ""\n  chroot: ""\n  zonesdir: "%s"\n' "$BATS_TEST_TMPDIR/zones"
    printf '  pidfile: ""\n  xfrdfile: ""\n  zonelistfile: "%s/list"\n  database: ""\n  xfrdir: "%s"\n' "$DIR" "$DIR"
    printf 'remote-control:\n  control-enable: no\n'
    for file in "$BATS_TEST_TMPDIR/zones"/*; do
      printf 'zone:\n  name: "%s"\n  zonefile: "%s"\n' "$(zone_of "$file")" "$file"
    done
  } >"$DIR/nsd.conf"
  SINK=$(tool smtpsink) unshare -mn bash "$BATS_TEST_TMPDIR/alone" "$@"
}

@test "ports 25 and 53: the servers of resolv.conf, and full recursion from the roots" {
  [ "$(id -u)" -eq 0 ] && unshare -mn true 2>/dev/null || skip 'needs namespaces of its own'
  export DIR=$BATS_TEST_TMPDIR ADDRESSES RESOLV
  zones
  zone far.example <<'Z'
@ MX 10 mx
mx A 10.53.0.25
Z
  # shellcheck disable=SC2016 # words of the zone file
  printf '$ORIGIN .\n$TTL 300\n@ SOA ns.root. x. 1 3600 600 86400 60\n@ NS a.root-servers.net.\na.root-servers.net. A 198.41.0.4\nfar.example. NS ns.far.example.\nns.far.example. A 10.53.0.1\n' >"$DIR/zones/root"
  ADDRESSES="10.53.0.1 10.53.0.25 $(awk '$3 == "A" { print $4 }' /usr/share/dns/root.hints)"
  echo 'nameserver 10.53.0.1' >"$DIR/resolv.conf"
  site
  sed -i '/^ROUTE/d' "$MEMBER"
  queue a@far.example
  RESOLV=$DIR/resolv.conf run alone "$BUILD/usmtp" -C "$MEMBER" --log stderr --once
  assert_success
  says 'to=<a@far.example>, relay=mx.far.example\[10.53.0.25\]:25, .*status=sent'
  echo 'DNS     SERVER(ROOT)' >>"$MEMBER"
  queue b@far.example
  RESOLV='' run alone "$BUILD/usmtp" -C "$MEMBER" --log stderr --once
  assert_success
  says 'to=<b@far.example>, relay=mx.far.example\[10.53.0.25\]:25, .*status=sent'
}

@test "a trust anchor or server that cannot be used is told at the start" {
  DNS_PORT=$(free_port)
  TRUST=$BATS_TEST_TMPDIR/nowhere
  dns_site
  run usmtp --once
  assert_failure
  assert_output --partial 'T01SM022E usmtp CANNOT START: DNS TRUST cannot be read'
  echo 'no anchor at all' >"$TRUST"
  run usmtp --once
  assert_failure
  assert_output --partial 'DNS TRUST cannot be read'
}
