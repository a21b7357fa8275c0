# The bench: that its load generator believes nothing, and that its short form works. Nothing here
# depends on how fast anything is.

load ../helper

setup()
{
    cd "$BATS_TEST_TMPDIR" || return 1
    load=$(tool smtpload)
}

# start_sink OPTION...: $port is where it listens.
start_sink()
{
    start_server sink "$(tool smtpsink)" --port-file sink.port "$@"
    wait_for_file sink.port
    port=$(cat sink.port)
}

# answer_with LINE...: a scripted server; smtpload sends it one message, and its status is the
# result.
answer_with()
{
    printf '%s\n' "$@" >script
    start_server play "$(tool smtpplay)" server --port-file play.port script
    wait_for_file play.port
    run "$load" "127.0.0.1:$(cat play.port)" --messages 1 --silence 2
}

@test "smtpload: what it counts is what the server got" {
    start_sink
    run "$load" "127.0.0.1:$port" --sessions 5 --messages 23 --size 5000 --recipients 3 \
        --per-connection 2
    assert_success
    assert_line 'messages 23'
    assert_line 'errors 0'
    run stop_server sink
    assert_success
    run server_log sink
    assert_line 'messages 23'
    assert_line 'recipients 69'
    assert_line 'octets 115000'
    assert_line 'violations 0'
}

@test "smtpload: a connection for each message, with and without pipelining" {
    start_sink
    run "$load" "127.0.0.1:$port" --sessions 3 --messages 9 --per-connection 1 --no-pipelining
    assert_success
    assert_line 'connections 9'
    run strace -f -s 200 -e trace=write,writev,sendto,sendmsg -o "$BATS_TEST_TMPDIR/calls" \
        "$load" "127.0.0.1:$port" --sessions 3 --messages 9 --per-connection 1
    assert_success
    assert_line 'connections 9'
    assert_equal "$(grep -c 'MAIL FROM.*DATA' "$BATS_TEST_TMPDIR/calls")" 9
    stop_server sink
}

@test "smtpload: a text as large as a socket takes in many pieces" {
    start_sink
    run "$load" "127.0.0.1:$port" --messages 2 --size 20000000
    assert_success
    stop_server sink
    run server_log sink
    assert_line 'octets 40000000'
}

@test "smtpload: a refused recipient is an error, and the message does not count" {
    start_sink --refuse-rcpt 'user0@=550'
    run "$load" "127.0.0.1:$port" --messages 1
    assert_failure 1
    assert_line 'messages 0'
    assert_line 'errors 1'
    assert_line --partial 'RCPT: another reply was due: 550'
}

@test "smtpload: a server that turns it away" {
    answer_with '-> 554 no' 'expect-close'
    assert_failure 1
    assert_line --partial 'greeting: another reply was due: 554 no'
}

@test "smtpload: lines of one reply with different codes" {
    answer_with '-> 220 hello' '<*' '-> 250-one' '-> 251 two' 'expect-close'
    assert_failure 1
    assert_line --partial 'EHLO: no reply by RFC 5321'
}

@test "smtpload: a reply line that ends with a bare LF" {
    answer_with '->> 220 hello\n' 'expect-close'
    assert_failure 1
    assert_line --partial 'greeting: no reply by RFC 5321'
}

@test "smtpload: a reply without end" {
    answer_with '-> 220 hello' '<*' 'repeat 100000 -> 250-and so on' 'close'
    assert_failure 1
    assert_line --partial 'EHLO: no reply by RFC 5321'
}

@test "smtpload: a reply to what was not sent yet" {
    answer_with '-> 220 hello' '<*' '->> 250 a\r\n250 b\r\n' 'expect-close'
    assert_failure 1
    assert_line --partial 'a reply to what was not sent yet'
}

@test "smtpload: 250 for the text before it is all there" {
    answer_with '-> 220 hello' '<*' '-> 250 x' '<*' '-> 250 x' '<*' '-> 250 x' '<*' \
        '->> 354 go\r\n250 have it\r\n' 'expect-close'
    assert_failure 1
    assert_line 'messages 0'
}

@test "smtpload: a connection that ends in the text" {
    answer_with '-> 220 hello' '<*' '-> 250 x' '<*' '-> 250 x' '<*' '-> 250 x' '<*' '-> 354 go' \
        '<*' 'reset'
    assert_failure 1
    assert_line 'messages 0'
    assert_line 'errors 1'
}

@test "smtpload: silence is an error, in time" {
    answer_with '-> 220 hello' '<*' 'sleep 4000' 'close'
    assert_failure 1
    assert_line --partial 'EHLO: silence for 2 s'
}

@test "smtpload: nobody listens" {
    run "$load" "127.0.0.1:$(free_port)" --messages 1
    assert_failure 1
    assert_line 'messages 0'
}

@test "smtpload: it gives up a server that refuses everything" {
    start_sink --refuse-rcpt '.=451'
    run "$load" "127.0.0.1:$port" --messages 1000000
    assert_failure 1
    assert_line 'errors 1000'
}

@test "smtpload --hold: says when all are in, and ends at SIGTERM" {
    start_sink
    start_server load "$load" "127.0.0.1:$port" --hold --sessions 300
    wait_until 10 grep -qx 'held 300' "$(servers_dir)/load.log"
    run stop_server load
    assert_success
}

@test "smtpload --hold: a connection that is lost is an error" {
    start_sink
    start_server load "$load" "127.0.0.1:$port" --hold --sessions 3
    wait_until 10 grep -qx 'held 3' "$(servers_dir)/load.log"
    stop_server sink
    wait_until 10 grep -q 'held: the server closed' "$(servers_dir)/load.log"
    run stop_server load
    assert_failure 1
}

@test "smtpload: mistakes in its call" {
    local arguments
    for arguments in '' '127.0.0.1' '127.0.0.1:0' 'localhost:25' '127.0.0.1:25 --size 100' \
        '127.0.0.1:25 --sessions 0' '127.0.0.1:25 --messages x' '127.0.0.1:25 --nothing'; do
        # shellcheck disable=SC2086 # words
        run "$load" $arguments
        assert_failure 2
    done
}

@test "rawlimit: makes as many files as it says, of the size asked for" {
    mkdir one many
    run "$(tool rawlimit)" durable one --files 7 --size 1500
    assert_success
    assert_line 'count 7'
    assert_equal "$(find one -type f -size 1500c | wc -l)" 7
    run "$(tool rawlimit)" durable many --files 40 --writers 8 --shared
    assert_success
    assert_line 'count 40'
    assert_equal "$(find many -type f | wc -l)" 40
}

@test "rawlimit: a folder that cannot be written ends it with status 2" {
    run "$(tool rawlimit)" durable nowhere --files 1
    assert_failure 2
    run "$(tool rawlimit)" durable /proc --files 1
    assert_failure 2
}

@test "tabletime: finds all users of a table, and no others" {
    "$(tool tabletime)" --make 100 table
    run "$(tool tabletime)" table
    assert_success
    assert_line 'users 100'
    assert_line 'errors 0'
    echo 'U1 x y z' >table
    run "$(tool tabletime)" table
    assert_failure 2
}

@test "bench --quick: every row works and every reply is right" {
    run "$ROOT/tests/bench/bench" --quick --ours-only --fs here --json figures.json
    assert_success
    refute_output --partial FAILED
    for row in limit fsync tcp tools accept idle tls start convert drain relay jobs scale table; do
        grep -q "\"row\": \"$row\"" figures.json
    done
}

@test "bench: a wrong reply makes it fail" {
    mkdir -p build/tests
    ln -s "$BUILD"/{ssmtp,spool4,usmtp} build/
    ln -s "$BUILD"/tests/{smtpsink,rawlimit} build/tests/
    printf '#!/bin/sh\necho "smtpload: session 0, RCPT: 550 no" >&2\nexit 1\n' >build/tests/smtpload
    chmod +x build/tests/smtpload
    BUILD=$PWD/build run "$ROOT/tests/bench/bench" --quick --ours-only --fs here --row accept \
        --json figures.json
    assert_failure 1
    assert_output --partial 'RCPT: 550 no'
}

@test "bench: without our programs it does not pretend to have measured" {
    mkdir build
    BUILD=$PWD/build run "$ROOT/tests/bench/bench" --quick --ours-only --fs here --row accept
    assert_failure 2
    assert_output --partial 'ssmtp is not built'
}
