#!/usr/bin/env bats
# The program usertable: commands, exit statuses, messages, and that nothing in a table reaches the
# terminal raw.
# shellcheck disable=SC2154 # status, output, stderr: set by bats's run

bats_require_minimum_version 1.5.0

setup()
{
    bats_load_library bats-support
    bats_load_library bats-assert
    BUILD=${BUILD:-build}
    [[ $BUILD == /* ]] || BUILD=$BATS_TEST_DIRNAME/../$BUILD
    usertable=$BUILD/usertable
    table=$BATS_TEST_TMPDIR/USERTBL
    cat >"$table" <<'END'
* USERID  NAME
czq14cd   CDoaks  login(doaks) 'Chris ''CD'' Doaks'
JOERG     jörg.strauß   'Jörg Strauß'
SALES     "Sales Dept"  FORWARD(<sales@example.org>)
A@B       ab
END
}

@test "check says how many entries there are" {
    run -0 "$usertable" check -f "$table"
    assert_output "$table: 4 entries, no error"
}

@test "lists: check counts them, lookup shows their members, and a list in a list is an error" {
    cat >"$table" <<'END'
BOB    bob.jones
SALES  sales  LOGIN(joe) FORWARD(bob.jones, SALES, x@far.example)
KEEP   keep   FORWARD(keep keep@far.example) deliver( lmtp )
END
    run -0 "$usertable" check -f "$table"
    assert_output "$table: 3 entries, 1 of them a list, no error"
    run -0 "$usertable" list -f "$table"
    assert_line --index 1 'SALES     sales  LOGIN(joe)  FORWARD(bob.jones SALES x@far.example)'
    run -0 "$usertable" lookup -f "$table" sales keep
    assert_output 'SALES     sales  LOGIN(joe)  FORWARD(bob.jones SALES x@far.example)
*   BOB       bob.jones
*   SALES     sales  LOGIN(joe)  FORWARD(bob.jones SALES x@far.example)
*   x@far.example
KEEP      keep  FORWARD(keep keep@far.example)  DELIVER(LMTP)'
    echo 'TEAM   team   FORWARD(keep sales bob)' >>"$table"
    run -65 "$usertable" check -f "$table"
    assert_output "$table:4:28: sales is a list itself (line 2), and a list in a list is not expanded: write its members here"
    sed -i 's/sales bob/nobody bob/' "$table"
    run -65 "$usertable" check -f "$table"
    assert_output --partial "$table:4:28: no entry has the user ID or mail name nobody"
}

@test "lists: with -C the addresses of the site are names" {
    printf 'SYSTEM HOST(mail.example.org) SPOOL(%s)\nSMTP   USERTABLE(%s)\n' \
        "$BATS_TEST_TMPDIR" "$table" >"$BATS_TEST_TMPDIR/APPCFG00"
    echo 'TEAM team FORWARD(ab@mail.example.org jo@far.example)' >>"$table"
    run -0 "$usertable" lookup -C "$BATS_TEST_TMPDIR/APPCFG00" team
    assert_line --index 1 '*   A@B       ab'
    run -0 "$usertable" lookup -f "$table" team
    assert_line --index 1 '*   ab@mail.example.org'
    sed -i 's/ab@mail/ba@mail/' "$table"
    run -0 "$usertable" check -f "$table"
    run -65 "$usertable" check -C "$BATS_TEST_TMPDIR/APPCFG00"
    assert_output --partial "$table:6:19: no entry has the user ID or mail name ba@mail.example.org"
}

@test "check of an empty table is no error" {
    : >"$table"
    run -0 "$usertable" check -f "$table"
    assert_output "$table: 0 entries, no error"
}

@test "list prints the entries, and what it prints is the same table" {
    run -0 --separate-stderr "$usertable" list -f "$table"
    assert_line --index 0 "CZQ14CD   CDoaks  LOGIN(doaks)  'Chris ''CD'' Doaks'"
    assert_line --index 2 'SALES     "Sales Dept"  FORWARD(sales@example.org)'
    assert_equal "${#lines[@]}" 4
    assert_equal "$stderr" ''
    first=$output
    printf '%s\n' "$output" >"$table.again"
    run -0 "$usertable" list -f "$table.again"
    assert_output "$first"
}

@test "lookup finds by user ID, mail name and address, in any case" {
    for who in CZQ14CD czq14cd cdoaks CDOAKS@example.org '<cdoaks@[192.0.2.1]>'; do
        run -0 "$usertable" lookup -f "$table" "$who"
        assert_line --index 0 --partial 'CZQ14CD '
    done
    for who in JÖRG.STRAUSS $'Jo\xcc\x88rg.Strauß@example.org'; do
        run -0 "$usertable" lookup -f "$table" "$who"
        assert_line --index 0 --partial 'JOERG '
    done
    for who in 'sales dept' '"sales dept"' '"Sales\ Dept"@example.org'; do
        run -0 "$usertable" lookup -f "$table" "$who"
        assert_line --index 0 --partial 'SALES '
    done
    run -0 "$usertable" lookup -f "$table" a@b
    assert_output 'A@B       ab'
}

@test "lookup of an unknown name: EX_NOUSER, and the others are printed" {
    run -67 --separate-stderr "$usertable" lookup -f "$table" nobody AB nobody@x
    assert_output 'A@B       ab'
    assert_equal "$stderr" "usertable: nobody: not in $table
usertable: nobody@x: not in $table"
}

@test "a bad table: EX_DATAERR with file, line and column" {
    printf 'A b\n\nC d LOGAN(e)\n' >"$table"
    for command in check list 'lookup A'; do
        # shellcheck disable=SC2086 # a command and its operand
        run -65 --separate-stderr "$usertable" $command -f "$table"
        assert_output ''
        assert_equal "$stderr" \
            "$table:3:5: only LOGIN(user), FORWARD(address), DELIVER(way) or 'Full Name' can stand here"
    done
}

@test "a user ID that stands twice is told with both lines" {
    printf 'A b\n* c\n  a d\n' >"$table"
    run -65 "$usertable" check -f "$table"
    assert_output "$table:3:3: the user ID is also the user ID of line 1: change one of them"
}

@test "names that fold to the same are one name" {
    printf 'A strasse\nB STRAẞE\n' >"$table"
    run -65 "$usertable" check -f "$table"
    assert_output --partial "$table:2:3: the mail name is also the mail name of line 1"
}

@test "NUL, controls and bad UTF-8 are refused with their column" {
    printf 'A b\0\n' >"$table"
    run -65 "$usertable" check -f "$table"
    assert_output "$table:1:4: control character U+0000: remove it"
    printf '* \033[2J\n' >"$table"
    run -65 "$usertable" check -f "$table"
    assert_output "$table:1:3: control character U+001B: remove it"
    printf 'A b\nC d\377\n' >"$table"
    run -65 "$usertable" check -f "$table"
    assert_output --partial "$table:2:4: X'FF' is not valid UTF-8"
}

@test "a line of 10 MiB is refused at once" {
    { printf 'A b '\' && head -c 10485760 /dev/zero | tr '\0' "'"; } >"$table"
    run -65 timeout 5 "$usertable" check -f "$table"
    assert_output --partial "$table:1:32769: the line has 10485765 octets"
}

@test "a table that cannot be read: EX_NOINPUT" {
    run -66 "$usertable" check -f "$BATS_TEST_TMPDIR/none"
    assert_output "$BATS_TEST_TMPDIR/none: cannot open: No such file or directory"
    mkfifo "$BATS_TEST_TMPDIR/fifo"
    run -66 timeout 5 "$usertable" check -f "$BATS_TEST_TMPDIR/fifo"
    assert_output --partial 'no regular file'
    run -66 "$usertable" check -f "$BATS_TEST_TMPDIR"
    assert_output --partial 'no regular file'
}

@test "bidi controls and the like do not reach the terminal" {
    printf "A b 'x\342\200\256y'\n" >"$table"
    run -0 "$usertable" list -f "$table"
    assert_output "A         b  'x\\u{202E}y'"
    run -67 "$usertable" lookup -f "$table" $'\e]0;x\a\xff\t'
    assert_output "usertable: \\x1B]0;x\\x07\\xFF : not in $table"
    run -66 "$usertable" check -f $'/no\nsuch'
    assert_output --partial '/no\x0Asuch: cannot open'
}

@test "the configuration names the table" {
    printf 'SYSTEM HOST(mail.example.org) SPOOL(%s)\nSMTP   USERTABLE(%s)\n' \
        "$BATS_TEST_TMPDIR" "$table" >"$BATS_TEST_TMPDIR/APPCFG00"
    run -0 "$usertable" check -C "$BATS_TEST_TMPDIR/APPCFG00"
    assert_output "$table: 4 entries, no error"
    run -78 "$usertable" check -C "$BATS_TEST_TMPDIR/none"
    assert_output --partial "$BATS_TEST_TMPDIR/none: "
    run -64 "$usertable" check -C "$BATS_TEST_TMPDIR/APPCFG00" -f "$table"
}

@test "wrong arguments: EX_USAGE" {
    run -64 "$usertable"
    assert_line 'usertable: no command given'
    run -64 "$usertable" purge
    assert_line 'usertable: unknown command'
    run -64 "$usertable" lookup -f "$table"
    run -64 "$usertable" list -f "$table" A
    run -64 "$usertable" check --frob
    run -64 "$usertable" check -f
}

@test "--help and --version" {
    run -0 "$usertable" --help
    assert_line --index 0 --partial 'usage: usertable check'
    run -0 "$usertable" --version
    assert_output --regexp '^usertable \(spoolmail\) [0-9]+\.[0-9]+\.[0-9]+$'
}

@test "output that cannot be written: EX_IOERR" {
    run -74 sh -c "exec '$usertable' list -f '$table' >/dev/full"
    assert_output --partial 'No space left'
}
