# The test tools themselves: what they report must be true, and a departure must fail.

load helper

setup()
{
    cd "$BATS_TEST_TMPDIR" || return 1
    play=$(tool smtpplay)
    sink=$(tool smtpsink)
    killat=$(tool killat)
}

# script NAME: standard input becomes a dialogue.
script()
{
    cat >"$1"
}

# dialogue SERVER-SCRIPT CLIENT-SCRIPT: plays one against the other; the server's status is in
# $server_status, the client's is the result.
dialogue()
{
    local status=0
    start_server play "$play" server --port-file port --log log "$1"
    wait_for_file port
    "$play" client "127.0.0.1:$(cat port)" "$2" || status=$?
    server_status=0
    server_status play || server_status=$?
    return "$status"
}

# send_raw TEXT: one message with this text (printf escapes) to the sink at $port.
send_raw()
{
    script raw <<EOM
<reply 220
-> EHLO client.example
<reply 250
-> MAIL FROM:<a@example.org> ${2:-}
<reply 250
-> RCPT TO:<b@example.net>
<reply 250
-> DATA
<reply 354
->> $1
<reply 250
-> QUIT
<reply 221
expect-close
EOM
    "$play" client "127.0.0.1:$port" raw
}

# start_sink OPTION...: $port is where it listens.
start_sink()
{
    start_server sink "$sink" --port-file sink.port "$@"
    wait_for_file sink.port
    port=$(cat sink.port)
}

@test "smtpplay: server and client play a whole dialogue" {
    script server <<'EOM'
# every statement that a server has use for
timeout 3000
-> 220-two lines\x21
->> 220 of gr
sleep 20
->> eeting\r\n
<- EHLO a\\b
drip 1 250 ok\r\n
<~ ^MAIL FROM:<[a-z]+>$
repeat 3 -> 250-more
-> 250 last
<*
-> 354 go
<. body
-> 250 done
expect-close
EOM
    script client <<'EOM'
<reply 220
-> EHLO a\\b
<- 250 ok
-> MAIL FROM:<abc>
<reply 25
-> \0\xFF
<reply 354
->> ..x\r\na\n.\nb\r\n.\r
->> \n
<reply 2
close
EOM
    dialogue server client
    assert_equal "$server_status" 0
    printf '..x\r\na\n.\nb\r\n' | cmp - body
    run cat log
    assert_line '1 <- \x00\xFF\r\n'
}

@test "smtpplay: another line than expected fails with file, line and both texts" {
    script server <<'EOM'
-> 220 hello
<- EHLO right
EOM
    script client <<'EOM'
<reply 220
-> EHLO \x1b[31mwrong
expect-close
EOM
    dialogue server client
    assert_equal "$server_status" 1
    run server_log play
    assert_output 'server:2: connection 1: expected the line "EHLO right", got "EHLO \x1B[31mwrong"'
}

@test "smtpplay: each kind of departure fails" {
    local sent expected
    while IFS='|' read -r sent expected; do
        printf '%s\n' "timeout 300" "$sent" >server
        printf '%s\n' "timeout 200" "$expected" "close" >client
        rm -f port
        run dialogue server client
        assert_failure 1
        assert_output --partial 'client:2: connection 1: expected'
    done <<'EOM'
-> 250 a|<- 250 b
-> 250 a|<~ ^251
->> 250 a\n|<- 250 a
->> 250 a|<- 250 a
-> 251 a|<reply 250
-> 250-a|<reply 250
-> x50 a|<reply 250
repeat 2 -> 250-a|<reply 250
->> 250-a\r\n251 b\r\n|<reply 250
-> 250 a|expect-close
sleep 400|expect-close
sleep 400|<*
reset|<*
-> .|<- .\x20
->> a\n.\n|<.
->> \n.\r\n|<.
EOM
}

@test "smtpplay: a mistake in a script is told before anything is played" {
    local text
    while read -r text; do
        printf '%s\n' '-> 220 x' "$text" >bad
        run "$play" client 127.0.0.1:1 bad
        assert_failure 2
        assert_output --partial 'bad:2:'
    done <<'EOM'
=> x
-> a\q
-> a\x4
<~ (
repeat x -> a
repeat 3 a
sleep soon
<reply 25x
close now
EOM
}

@test "smtpplay: each connection has its script, the last repeats, connections overlap" {
    printf '%s\n' '-> 220 first' '<- go' >first
    printf '%s\n' '-> 220 further' '<- go' >further
    printf '%s\n' '<- 220 first' 'sleep 400' '-> go' 'expect-close' >c1
    printf '%s\n' '<- 220 further' '-> go' 'expect-close' >c2
    start_server play "$play" server -n 3 --port-file port --log log first further
    wait_for_file port
    "$play" client "127.0.0.1:$(cat port)" c1 &
    wait_for_file log
    "$play" client "127.0.0.1:$(cat port)" c2
    run grep -c 'go' log
    assert_output 1 # the first connection still waits
    "$play" client "127.0.0.1:$(cat port)" c2
    wait $!
    server_status play
}

@test "smtpplay: SIGTERM says where each session was, and fails when connections are missing" {
    printf '%s\n' 'timeout 60000' '-> 220 x' '<- never' >s
    printf '%s\n' '<reply 220' 'timeout 60000' 'expect-close' >c
    start_server play "$play" server -n 2 --port-file port s
    wait_for_file port
    "$play" client "127.0.0.1:$(cat port)" c &
    sleep 0.3
    run stop_server play
    assert_failure 1
    wait $!
    run server_log play
    assert_line 's:3: connection 1: expected the line "never", got SIGTERM'
    assert_line 'smtpplay: 1 of 2 connections came'
}

@test "smtpsink: counts, stores and lists a clean message, and exits 0" {
    start_sink --maildir box --dump list --count-file count
    send_raw 'Subject: x\r\n\r\n..a dot\r\nlast\r\n.\r\n'
    send_raw '.\r\n'
    wait_until 5 grep -qx 2 count
    run stop_server sink
    assert_success
    run server_log sink
    assert_line 'messages 2'
    assert_line 'recipients 2'
    assert_line 'violations 0'
    local mails=(box/new/*)
    assert_equal "${#mails[@]}" 2
    printf '%s\n' 'X-Envelope-From: a@example.org' 'X-Envelope-To: b@example.net' 'Subject: x' '' \
        '.a dot' 'last' | cmp - "${mails[0]}"
    local sum
    sum=$(printf 'Subject: x\r\n\r\n.a dot\r\nlast\r\n' | sha256sum)
    run cat list
    assert_line --index 0 $'a@example.org\tb@example.net\t28\t'"${sum%% *}"
    assert_equal "${#lines[@]}" 2
}

@test "smtpsink: each violation is counted by its name and fails" {
    local text name
    while read -r text name; do
        rm -f sink.port
        start_sink
        send_raw "$text"
        run stop_server sink
        assert_failure 1
        run server_log sink
        assert_line 'violations 1'
        assert_line "$name 1"
    done <<EOM
a\\n.\\nb\\r\\n.\\r\\n bare-lf
a\\rb\\r\\n.\\r\\n bare-cr
a\\r\\r\\n.\\r\\n bare-cr
\\0\\r\\n.\\r\\n nul
\\xE9\\r\\n.\\r\\n eight-bit
$(printf '%999s' '' | tr ' ' x)\\r\\n.\\r\\n long-line
EOM
}

@test "smtpsink: what is lawful is no violation" {
    start_sink
    send_raw '\xE9\r\n.\r\n' 'BODY=8BITMIME SIZE=3'
    send_raw "$(printf '%998s' '' | tr ' ' x)"'\r\n.\r\n'
    send_raw ".$(printf '%998s' '' | tr ' ' .)"'\r\n.\r\n'
    stop_server sink
}

@test "smtpsink: what was not offered must not be used" {
    start_sink --no-8bitmime --no-pipelining
    cat >c <<'EOM'
<reply 220
-> EHLO a
<- 250-smtpsink
<~ ^250-SIZE
<- 250 ENHANCEDSTATUSCODES
-> MAIL FROM:<a@b> BODY=8BITMIME
<reply 555
->> MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n
<reply 250
<reply 250
-> QUIT
<reply 221
expect-close
EOM
    "$play" client "127.0.0.1:$port" c
    run stop_server sink
    assert_failure 1
    run server_log sink
    assert_line 'not-offered 1'
    assert_line 'not-waited-for 1'
    assert_line 'violations 2'
}

@test "smtpsink: refuses recipients and sizes as told, and delays" {
    start_sink --refuse-rcpt '^bad@=550' --refuse-rcpt '=later@.*=451' --size 10 --delay-ms 100
    cat >c <<'EOM'
<reply 220
-> EHLO a
<reply 250
-> MAIL FROM:<a@b> SIZE=11
<reply 552
-> MAIL FROM:<a@b> SIZE=10
<reply 250
-> RCPT TO:<bad@d>
<- 550 5.1.1 Recipient refused
-> RCPT TO:<x=later@d>
<- 451 4.1.1 Recipient refused
-> RCPT TO:<good@d>
<reply 250
-> DATA
<reply 354
->> 123456789\r\n.\r\n
<reply 552
EOM
    local from
    from=$(now_ms)
    "$play" client "127.0.0.1:$port" c
    (($(now_ms) - from >= 900))
    stop_server sink
    run server_log sink
    assert_line 'messages 0'
    assert_line 'refused 2'
}

@test "killat: counts the file-changing calls of threads and children, and shows them" {
    echo text >a
    run "$killat" -v -o report count -- sh -c 'mv a b; mkdir d | cat; (exec rmdir d); exit 5'
    assert_failure 5
    run cat report
    assert_line --index 0 --regexp "^1 rename[a-z0-9]* $PWD/a $PWD/b .*= 0$"
    assert_line --index 1 --regexp "^2 mkdir $PWD/d 0777 = 0$"
    assert_line --index 2 --regexp "^3 (rmdir|unlinkat) $PWD/d"
    assert_line --index 3 3
}

@test "killat: reading, pipes and sockets are not counted" {
    echo text >a
    run "$killat" count -- sh -c 'cat a | cat | cat >/dev/null 2>&1 <a' 3>&-
    assert_success
    assert_output 1 # the open of /dev/null with O_CREAT
    run "$killat" --only 'write' count -- sh -c 'cat a | cat'
    assert_output $'text\n0'
}

@test "killat: before leaves the call undone, after leaves it done; both kill and exit 137" {
    local n left=('[123]' 1 '1 2')
    for n in 1 2 3; do
        run "$killat" before "$n" -- sh -c 'mkdir 1; mkdir 2; mkdir 3'
        assert_failure 137
        assert_output --partial "killed before $n mkdir"
        assert_equal "$(echo [123])" "${left[n - 1]}"
        rm -rf [123]
    done
    run "$killat" after 2 -- sh -c 'mkdir 1; mkdir 2; mkdir 3'
    assert_failure 137
    assert_equal "$(echo [123])" '1 2'
}

@test "killat: the whole tree dies" {
    run "$killat" before 1 -- sh -c 'sleep 777 & echo $! | cat >&2; wait & sleep 0.3; mkdir d'
    assert_failure 137
    local sleeper=${lines[0]}
    assert_regex "$sleeper" '^[0-9]+$'
    run grep '^State:.[^Z]' "/proc/$sleeper/status" # gone, or a zombie
    assert_failure
}

@test "killat: fails one call, or all from one on" {
    run "$killat" fail 2 ENOSPC -- sh -c 'mkdir 1; mkdir 2; mkdir 3'
    assert_success
    assert_output --partial 'No space left on device'
    assert_equal "$(echo [123])" '1 3'
    rm -rf [123]
    run "$killat" --only 'mkdir(at)?' fail 2 EIO from -- sh -c 'mkdir 1; mkdir 2; mkdir 3'
    assert_failure 1
    assert_output --partial 'Input/output error'
    assert_equal "$(echo [123])" 1
}

@test "killat: says so when there is no such call, and keeps the status of the command" {
    run "$killat" before 3 -- sh -c 'mkdir 1; exit 4'
    assert_failure 4
    assert_output 'ended after 1 calls, before call 3'
    run "$killat" count -- sh -c 'kill -15 $$'
    assert_failure 143
    run -127 "$killat" count -- ./no-such-command
    run "$killat" fail 1 ENOSUCH -- true
    assert_failure 2
}

@test "killat: --socket counts what goes over sockets" {
    export ASAN_OPTIONS=detect_leaks=0 # LeakSanitizer, too, would trace
    start_sink
    printf '%s\n' '<reply 220' '-> QUIT' '<reply 221' >c
    run "$killat" count -- "$play" client "127.0.0.1:$port" c
    assert_output 0
    run "$killat" --socket --only 'send.*|recv.*' count -- "$play" client "127.0.0.1:$port" c
    assert_output 3
    stop_server sink
}

@test "helper: a server that was not stopped ends with its test" {
    start_server idle sleep 777
    local pid
    pid=$(server_pid idle)
    BATS_TEST_COMPLETED=1 stop_all
    run kill -0 "$pid"
    assert_failure
}

@test "helper: wait_until gives up in time and shows the last output" {
    run wait_until 0.3 ls no-such-file
    assert_failure
    assert_line --partial 'not within 300 ms: ls no-such-file'
    assert_line --partial 'No such file'
}

@test "helper: free_port never gives a port twice, nor one in use" {
    local ports
    ports=$(for _ in 1 2 3 4 5 6 7 8; do free_port; done)
    assert_equal "$(sort -u <<<"$ports" | wc -l)" 8
    start_sink
    run port_listening "$port"
    assert_success
}

@test "helper: site writes a member and a user table" {
    site 'DOMAIN(*) HOST(127.0.0.1) PORT(2525)'
    assert_file_contains "$MEMBER" "^SYSTEM  HOST(mail.example.org) SPOOL($SPOOL)$"
    assert_file_contains "$MEMBER" '^ROUTE   DOMAIN(\*) HOST(127.0.0.1) PORT(2525)$'
    assert_file_contains "$SITE/USERTBL" "LOGIN($(id -un))"
}
