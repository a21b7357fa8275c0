# The postfix helper alone: it starts, delivers a mail that swaks sends, and stops.

load helper
load postfix

setup()
{
    require_postfix
    [[ -n $(type -P swaks) ]] || skip 'swaks is not installed'
}

teardown()
{
    stop_postfix
    stop_all
}

@test "a mail sent to the private postfix is read in its Maildir" {
    start_postfix "$BATS_TEST_TMPDIR/mta" example.net
    run swaks --server "127.0.0.1:$POSTFIX_PORT" --from a@example.org --to any.body@example.net \
        --header 'Subject: proof' --body 'the text of it'
    assert_success
    wait_for_mails 1
    run postfix_mails
    assert_equal "${#lines[@]}" 1
    run cat "${lines[0]}"
    assert_line 'Delivered-To: any.body@example.net'
    assert_line 'Return-Path: <a@example.org>'
    assert_line 'Subject: proof'
    assert_line 'the text of it'
}

@test "a recipient of another domain is refused, and nothing is delivered" {
    start_postfix "$BATS_TEST_TMPDIR/mta" example.net
    run swaks --server "127.0.0.1:$POSTFIX_PORT" --from a@example.org --to b@example.com --body x
    assert_failure
    assert_output --partial '554 5.7.1'
    run postfix_mails
    assert_output ''
}

@test "lines given by the test are part of main.cf" {
    start_postfix "$BATS_TEST_TMPDIR/mta" example.net 'message_size_limit = 2000'
    run swaks --server "127.0.0.1:$POSTFIX_PORT" --quit-after EHLO
    assert_output --partial '250-SIZE 2000'
}

@test "stop_postfix ends all that it started" {
    start_postfix "$BATS_TEST_TMPDIR/mta" example.net
    pid=$(postfix_pid)
    run postfix_gone "$pid"
    assert_failure
    stop_postfix
    run postfix_gone "$pid"
    assert_success
    run port_listening "$POSTFIX_PORT"
    assert_failure
}
