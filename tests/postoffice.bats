# The post office: real spool files in jes/POST, real Maildirs, a scripted LMTP server and Dovecot.

load helper
load dovecot

setup()
{
    cd "$BATS_TEST_TMPDIR" || return 1
    site
    BOX=$SITE/box
    POST=$SPOOL/jes/POST
    HOLD=$SPOOL/jes/HOLD
    mkdir -p "$BOX"
    sed -i 's/POSTOFFICE(MYHOST)/& RETRYINT(1S)/' "$MEMBER"
    echo "DELIVER MAILDIR($BOX/%i)" >>"$MEMBER"
    postoffice
}

teardown()
{
    stop_dovecot
    stop_all
}

# postoffice [ARGUMENT...]: one pass over the queue; its log is the output.
postoffice()
{
    "$BUILD/postoffice" -C "$MEMBER" --log stderr --once "$@" 2>&1
}

# deliver_by TEXT: another DELIVER statement.
deliver_by()
{
    sed -i "s|^DELIVER .*|DELIVER $1|" "$MEMBER"
}

# in_smtp KEYWORDS: more of the SMTP statement; RETRYINT is replaced.
in_smtp()
{
    sed -i "s|RETRYINT(1S)|$1|" "$MEMBER"
}

# put NAME [RECIPIENT...]: standard input becomes the text of a mail from a@example.net.
put()
{
    local name=$1 to
    shift
    {
        echo 'X-From: <a@example.net>'
        for to in "$@"; do echo "X-To: <$to>"; done
        cat
    } >"$SPOOL/jes/.put"
    mv "$SPOOL/jes/.put" "$POST/$name"
}

text()
{
    printf 'Received: from x by y; Sat, 21 Nov 2026 12:00:00 +0000\nSubject: %s\n\nthe text\n' "${1:-x}"
}

# due_now: whatever waits is to be tried at once.
due_now()
{
    sed -i -E 's/^KEPT ([0-9]+) [0-9]+ /KEPT \1 0 /' "$SPOOL/work/POSTCHK"
}

# delay NAME: the seconds that it is to wait, by the checkpoint.
delay()
{
    awk -v name="$1" '$1 == "TIME" { now = $2 } $1 == "KEPT" && $5 == name { print $3 - now }' "$SPOOL/work/POSTCHK"
}

queued()
{
    find "$1" -mindepth 1 ! -name '.WAKE' -printf '%f\n' | sort
}

# copies ID: the files of a user's mails.
copies()
{
    find "$BOX/$1" -type f 2>/dev/null | sort
}

# one_copy ID: exactly one, whole, in new/.
one_copy()
{
    local files
    mapfile -t files < <(copies "$1")
    assert_equal "${#files[@]}" 1
    [[ ${files[0]} == */new/* ]] || fail "$1: ${files[0]}"
}

# sent FIELD: that envelope line of all data sets.
sent()
{
    cat "$SPOOL"/mail/OUT.* | sed -n "s/^$1: //p" | sort
}

require_tool()
{
    [[ -n $(type -P "$1") ]] || skip "$1 is not installed"
}

nothing_left()
{
    assert_equal "$(queued "$POST")" ''
    assert_equal "$(find "$SPOOL/work" -name 'postoffice.*' ! -name '*.lock')" ''
    assert_equal "$(find "$BOX" -path "$BOX/*/tmp/*")" ''
}

@test "a mail is delivered octet by octet, under its user's rights" {
    printf 'Subject: x\nX-8bit: \xE4\n\n.dot\nFrom here\r\n\0\xFFno end' >body
    put m1 CZQ14CD@MYHOST <body
    run postoffice
    assert_success
    assert_output --regexp 'T01SM064I m1: from=<[^ ]*>, to=<CZQ14CD@MYHOST>, .* dsn=2.0.0, status=sent'
    one_copy CZQ14CD
    { printf 'Return-Path: <a@example.net>\nDelivered-To: CZQ14CD@MYHOST\n' && cat body; } >wanted
    run cmp wanted "$(copies CZQ14CD)"
    assert_success
    assert_equal "$(stat -c %a "$(copies CZQ14CD)")" 600
    assert_equal "$(stat -c %a "$BOX/CZQ14CD" "$BOX/CZQ14CD/new" | sort -u)" 700
    assert_equal "$(ls "$BOX/CZQ14CD")" $'cur\nnew\ntmp'
    run basename "$(copies CZQ14CD)"
    assert_output --regexp '^[0-9]+\.S[0-9a-f]{32}\.mail\.example\.org$'
    nothing_left
}

@test "every lawful form of the envelope" {
    local n=0 envelope
    for envelope in 'X-From: <a@b>\nX-To: <CZQ14CD@MYHOST>\n' 'x-from:a@b\nx-to:czq14cd@myhost  \n' \
        'X-From: a@b\nX-To: <@c,@d:CDoaks@MYHOST>\n' 'X-FROM:<a@b>\nX-TO:  CDOAKS@mail.example.org\nDATA\n'; do
        n=$((n + 1))
        { printf "$envelope" && text "$n"; } >"$POST/m$n"
    done
    run postoffice
    assert_success
    assert_equal "$(copies CZQ14CD | wc -l)" 4
    for ((; n > 0; n--)); do
        grep -l "Subject: $n" "$BOX"/CZQ14CD/new/* >found
        assert_equal "$(wc -l <found)" 1
        run head -4 "$(cat found)"
        assert_line --index 0 'Return-Path: <a@b>'
        assert_line --index 1 'Delivered-To: CZQ14CD@MYHOST'
        assert_line --index 3 "Subject: $n"
    done
    nothing_left
}

@test "behind a DATA record the text may look like an envelope" {
    printf 'X-From: <>\nX-To: CDoaks@MYHOST\nX-To: nobody@MYHOST\nDATA\nX-To: ABaker@MYHOST\nDATA\n\nx\n' >"$POST/m"
    run postoffice
    assert_success
    one_copy CZQ14CD
    assert_equal "$(copies ABCDEF)" ''
    # the part that is held says the same
    cat >wanted <<'EOM'
X-From: <>
X-To: <nobody@MYHOST>
DATA
X-To: ABaker@MYHOST
DATA

x
EOM
    run cmp wanted "$HOLD/m.REST"
    assert_success
}

@test "Return-Path is that of the envelope, and there is one" {
    printf 'X-From: <>\nX-To: CDoaks@MYHOST\nReturn-Path: <x@y>\nSubject: a\nreturn-path:\n <z@y>\n\tmore\nTo: b\n\nReturn-Path: <body@y>\n' >"$POST/m"
    run postoffice
    assert_success
    printf 'Return-Path: <>\nDelivered-To: CZQ14CD@MYHOST\nSubject: a\nTo: b\n\nReturn-Path: <body@y>\n' >wanted
    run cmp wanted "$(copies CZQ14CD)"
    assert_success
}

@test "a text without a header is no header" {
    local n=0 text
    for text in 'no field' ' Folded: x' 'From x' ''; do
        n=$((n + 1))
        printf 'X-From: <a@b>\nX-To: CDoaks@MYHOST\n%s' "$text" >"$POST/m$n"
    done
    run postoffice
    assert_success
    assert_equal "$(copies CZQ14CD | wc -l)" 4
    for text in 'no field' ' Folded: x' 'From x'; do
        run grep -lx "$text" -r "$BOX/CZQ14CD/new"
        assert_equal "$(sed -n 3p "$output")" ''
        assert_equal "$(sed -n 4p "$output")" "$text"
    done
}

@test "several recipients, some of them the same" {
    text | put m CZQ14CD@MYHOST ABCDEF@MYHOST CDoaks@mail.example.org cdoaks@MYHOST abaker@MYHOST postmaster@MYHOST
    run postoffice
    assert_success
    one_copy CZQ14CD
    one_copy ABCDEF
    run cat "$(copies ABCDEF)"
    assert_line --index 1 'Delivered-To: ABCDEF@MYHOST'
    nothing_left
}

@test "an unknown user: the sender has one notice, the others their mail" {
    text subject | put m nobody@MYHOST CZQ14CD@MYHOST else@example.com
    run postoffice
    assert_success
    assert_output --regexp 'to=<nobody@MYHOST>, .* dsn=5.1.1, status=bounced \(no such user here\)'
    assert_output --regexp 'to=<else@example.com>, .* dsn=5.1.2, status=bounced'
    one_copy CZQ14CD
    nothing_left
    run queued "$SPOOL/mail"
    assert_output --regexp '^OUT\.D[0-9]{5}\.T[0-9]{7}\.N0001$'
    run cat "$SPOOL/mail/$output"
    assert_line --index 0 'X-From: <>'
    assert_line --index 1 'X-To: <a@example.net>'
    assert_line --index 2 --regexp '^Received: by mail.example.org \(spoolmail POSTOFFICE\) id OUT'
    assert_line 'Auto-Submitted: auto-replied'
    assert_line --regexp '^Content-Type: multipart/report; report-type=delivery-status'
    assert_line 'Final-Recipient: rfc822; nobody@MYHOST'
    assert_line 'Final-Recipient: rfc822; else@example.com'
    assert_line 'Status: 5.1.1'
    assert_line 'Status: 5.1.2'
    assert_line 'Subject: subject'
    refute_output --partial 'the text'
    refute_output --partial 'Final-Recipient: rfc822; CZQ14CD'
}

@test "a notice tells nothing to a terminal, and nothing but seven bits" {
    printf 'X-From: a@b\nX-To: "\\e\\"x"@MYHOST\nSubject: \xE4\x1B[2J\n--x: y\n\nz\n' >"$POST/m"
    run postoffice
    assert_success
    run cat "$SPOOL"/mail/OUT.*
    assert_line 'Subject: \xE4\x1B[2J'
    run env LC_ALL=C grep -c '[^ -~	]' "$SPOOL"/mail/OUT.*
    assert_output --regexp '0$'
}

@test "a sender of this system is told by the post office itself" {
    printf 'X-From: <CDoaks@mail.example.org>\nX-To: nobody@MYHOST\nSubject: s\n\nx\n' >"$POST/m"
    run postoffice
    assert_success
    run queued "$POST"
    assert_output --partial 'OUT.'
    run postoffice
    one_copy CZQ14CD
    run cat "$(copies CZQ14CD)"
    assert_line --index 0 'Return-Path: <>'
    assert_line 'Subject: Mail could not be delivered'
    nothing_left
}

@test "notices cause no notices: without a sender the file is held with its reason" {
    printf 'X-From: <>\nX-To: nobody@MYHOST\nSubject: s\n\nx\n' >"$POST/m"
    cp "$POST/m" .
    run postoffice
    assert_success
    assert_output --partial 'status=held (no such user here)'
    run cmp m "$HOLD/m"
    assert_success
    run cat "$HOLD/m.REASON"
    assert_line 'Recipient <nobody@MYHOST>: no such user here'
    assert_equal "$(queued "$SPOOL/mail")$(queued "$POST")" ''
}

@test "of a file without a sender only the part that nobody got is held" {
    printf 'X-From: <>\nX-To: nobody@MYHOST\nX-To: ABaker@MYHOST\nX-To: none@MYHOST\nSubject: s\n\nx\n' >"$POST/m"
    run postoffice
    one_copy ABCDEF
    run queued "$HOLD"
    assert_output $'m.REST\nm.REST.REASON'
    run cat "$HOLD/m.REST"
    assert_output $'X-From: <>\nX-To: <nobody@MYHOST>\nX-To: <none@MYHOST>\nSubject: s\n\nx'
    # back into the queue once there is such a user
    echo 'NOBODY nobody LOGIN(root)' >>"$SITE/USERTBL"
    mv "$HOLD/m.REST" "$POST/again"
    postoffice
    one_copy NOBODY
    one_copy ABCDEF
    run queued "$HOLD"
    assert_output $'again.REST\nagain.REST.REASON\nm.REST.REASON'
}

@test "mail to a postmaster that nobody is waits for the operator" {
    sed -i '/^POSTMAST/d' "$SITE/USERTBL"
    text | put m PostMaster@MYHOST
    run postoffice
    assert_output --partial 'status=held (no entry of the user table has the mail name postmaster'
    assert_equal "$(queued "$HOLD")" $'m\nm.REASON'
    assert_equal "$(queued "$SPOOL/mail")" ''
}

@test "files that are no mail are held unchanged, with the reason" {
    printf 'Subject: x\n\nno envelope\n' >"$POST/noenv"
    printf 'X-From: <a b>\nX-To: c@d\n' >"$POST/badaddr"
    printf 'X-From: <a@b>\nX-From: <a@b>\n' >"$POST/twofrom"
    printf 'X-From: <a@b>\n\nx\n' >"$POST/noto"
    printf 'X-From: <a@b>\nX-To: CDoaks@MYHOST\nX-Recfm: VBA\n x\n' >"$POST/recfm"
    : >"$POST/empty"
    ln -s /etc/passwd "$POST/link"
    mkfifo "$POST/fifo"
    mkdir "$POST/dir"
    text | put hard CZQ14CD@MYHOST
    ln "$POST/hard" "$SITE/other"
    text >"$POST/.hidden"
    md5sum <"$POST/noenv" >sum
    # a second link may be a writer's that is not done; it is looked at again when QUIET has passed
    in_smtp 'RETRYINT(1S) QUIET(1S)'
    sleep 2.1
    run postoffice
    assert_success
    run queued "$HOLD"
    assert_output "$(printf '%s\n%s.REASON\n' badaddr badaddr dir dir empty empty fifo fifo hard hard link link noenv noenv noto noto recfm recfm twofrom twofrom)"
    assert_equal "$(queued "$POST")" .hidden
    assert_equal "$(md5sum <"$HOLD/noenv")" "$(cat sum)"
    assert_file_contains "$HOLD/noto.REASON" 'no recipient: after X-From comes X-To'
    assert_file_contains "$HOLD/badaddr.REASON" 'Reason: line 1'
    assert_file_contains "$HOLD/link.REASON" 'symbolic link'
    assert_file_contains "$HOLD/recfm.REASON" 'X-Recfm'
    assert_equal "$(copies CZQ14CD)" ''
}

@test "an envelope larger than any is held, one of 5,000 recipients is not" {
    { echo 'X-From: <a@b>' && yes 'X-To: <CDoaks@MYHOST>' | head -5000 && text; } >"$POST/many"
    { echo 'X-From: <a@b>' && yes 'X-To: <CDoaks@MYHOST>' | head -5001 && text; } >"$POST/toomany"
    { printf 'X-From: <a@b>' && head -c 5000000 /dev/zero | tr '\0' ' '; } >"$POST/blanks"
    run postoffice
    assert_success
    one_copy CZQ14CD
    assert_equal "$(queued "$HOLD")" $'blanks\nblanks.REASON\ntoomany\ntoomany.REASON'
}

@test "FORWARD to another system: a mail data set for usmtp, trace fields kept" {
    echo 'FWD fwd FORWARD(x@far.example)' >>"$SITE/USERTBL"
    text | sed '2iReturn-Path: <r@s>' | put m fwd@MYHOST CZQ14CD@MYHOST
    run postoffice
    assert_success
    one_copy CZQ14CD
    nothing_left
    run cat "$SPOOL"/mail/OUT.*
    assert_line --index 0 'X-From: <a@example.net>'
    assert_line --index 1 'X-To: <x@far.example>'
    assert_line --index 2 --regexp '^Received: by mail.example.org \(spoolmail POSTOFFICE\) id OUT\.'
    assert_line --index 4 'Delivered-To: FWD@MYHOST'
    assert_line --index 5 'Received: from x by y; Sat, 21 Nov 2026 12:00:00 +0000'
    assert_line --index 6 'Subject: x'
    refute_output --partial 'Return-Path'
    # and home again: a loop
    sed 's/^X-To: .*/X-To: fwd@MYHOST/' "$SPOOL"/mail/OUT.* >"$SPOOL/jes/x"
    rm "$SPOOL"/mail/OUT.*
    mv "$SPOOL/jes/x" "$POST/loop"
    run postoffice
    assert_output --partial 'dsn=5.4.6, status=bounced'
    run cat "$SPOOL"/mail/OUT.*
    assert_line --index 1 'X-To: <a@example.net>'
    assert_line 'Status: 5.4.6'
}

@test "FORWARD: a hundred Received lines are a loop" {
    echo 'FWD fwd FORWARD(x@far.example)' >>"$SITE/USERTBL"
    { yes 'Received: from a by b; Sat, 21 Nov 2026 12:00:00 +0000' | head -99 && text; } | put m fwd@MYHOST CZQ14CD@MYHOST
    run postoffice
    assert_output --partial 'to=<fwd@MYHOST>, relay=x@far.example, delay=0, dsn=5.4.6'
    one_copy CZQ14CD
}

@test "FORWARD within this system is followed one level; further is an error of the table" {
    cat >>"$SITE/USERTBL" <<'EOM'
A1 a1 FORWARD(cdoaks@MYHOST)
A2 a2 FORWARD(ABCDEF)
B1 b1 FORWARD(b2)
B2 b2 FORWARD(b2@far.example)
EOM
    text | put m a1@MYHOST a2@MYHOST b1@MYHOST
    run postoffice
    assert_success
    one_copy CZQ14CD
    one_copy ABCDEF
    assert_equal "$(grep -h '^X-To' "$SPOOL"/mail/OUT.*)" 'X-To: <b2@far.example>'
    nothing_left
    local n line
    n=$(($(wc -l <"$SITE/USERTBL") + 1))
    for line in 'C1 c1 FORWARD(b1)' 'C1 c1 FORWARD(b1@mail.example.org)' 'C1 c1 FORWARD(gone@mail.example.org)'; do
        { head -$((n - 1)) "$SITE/USERTBL" && echo "$line"; } >table
        cp table "$SITE/USERTBL"
        text | put m a1@MYHOST
        run postoffice
        assert_equal "$status" 78
        assert_output --partial "line $n, column 15: "
        assert_equal "$(queued "$POST")" m
    done
}

# a_list LINE: that line of the table, beside users with a box, with a FORWARD, and with both.
a_list()
{
    cat >>"$SITE/USERTBL" <<'EOM'
JOE    joe.boss
FWD    fwd     FORWARD(fwd@far.example)
KEEP   keep    FORWARD(keep keep@far.example)
EOM
    echo "$1" >>"$SITE/USERTBL"
}

@test "a list: members here and elsewhere, himself, those who forward; each has one copy" {
    a_list 'TEAM team FORWARD(cdoaks, TEAM abaker@mail.example.org, fwd KEEP x@far.example czq14cd x@FAR.example fwd@far.example)'
    text | put m team@MYHOST ABCDEF@MYHOST TEAM@mail.example.org
    run postoffice
    assert_success
    assert_output --regexp 'to=<team@MYHOST>, .* status=expanded \(to 3 here and 3 elsewhere\)'
    local id
    for id in CZQ14CD ABCDEF TEAM KEEP; do one_copy "$id"; done
    assert_equal "$(copies . | wc -l)" 4
    assert_equal "$(sent X-To)" $'<fwd@far.example>\n<keep@far.example>\n<x@far.example>'
    assert_equal "$(sent X-From | sort -u)" '<a@example.net>'
    nothing_left
    run cat "$(copies TEAM)"
    assert_line --index 0 'Return-Path: <a@example.net>'
    assert_line --index 1 'Delivered-To: TEAM@MYHOST'
    assert_line --index 2 --regexp '^Received: by mail.example.org \(spoolmail POSTOFFICE\) id OUT'
    assert_line --index 4 'Delivered-To: TEAM@MYHOST'
    assert_line --index 5 'Received: from x by y; Sat, 21 Nov 2026 12:00:00 +0000'
    run grep -c Delivered-To "$(copies ABCDEF)"
    assert_output 1
}

@test "a list that LOGIN gives an owner: he gets the bounces, and notices stay without a sender" {
    a_list 'TEAM team LOGIN(joe) FORWARD(abaker x@far.example)'
    sed -i 's/^JOE .*/& LOGIN(joe)/' "$SITE/USERTBL"
    text | put m team@MYHOST
    postoffice
    assert_equal "$(sent X-From)" '<joe.boss@mail.example.org>'
    run cat "$(copies ABCDEF)"
    assert_line --index 0 'Return-Path: <joe.boss@mail.example.org>'
    rm -f "$SPOOL"/mail/OUT.* && rm -r "$BOX"/*
    { printf 'X-From: <>\nX-To: <team@MYHOST>\n' && text; } >"$POST/n"
    postoffice
    assert_equal "$(sent X-From)" '<>'
    one_copy ABCDEF
}

@test "a list: mail that comes back to it is a loop, and who is in it keeps no second copy for others" {
    a_list 'TEAM team FORWARD(abaker x@far.example)'
    text | put m team@MYHOST keep@MYHOST
    postoffice
    one_copy ABCDEF
    one_copy KEEP
    sed 's/^X-To: .*/X-To: team@MYHOST/' "$(grep -l '^X-To: <x@' "$SPOOL"/mail/OUT.*)" >"$SPOOL/jes/x"
    mv "$SPOOL/jes/x" "$POST/back"
    rm "$SPOOL"/mail/OUT.*
    run postoffice
    assert_output --partial 'dsn=5.4.6, status=bounced'
    one_copy ABCDEF
    assert_equal "$(sent X-To)" '<a@example.net>'
    nothing_left
}

@test "a list: a member who waits or is refused is one of its spool file, not of the sender's" {
    a_list 'TEAM team LOGIN(joe) FORWARD(abaker cdoaks)'
    sed -i 's/^JOE .*/& LOGIN(joe)/' "$SITE/USERTBL"
    : >"$BOX/ABCDEF" # no directory
    text | put m team@MYHOST
    run postoffice
    one_copy CZQ14CD
    run cat "$POST"/OUT.*
    assert_line --index 0 'X-From: <joe.boss@mail.example.org>'
    assert_line --index 1 'X-To: <ABCDEF@MYHOST>'
    assert_line --index 2 --partial 'Received'
    rm "$BOX/ABCDEF"
    sleep 1.1
    run postoffice
    one_copy ABCDEF
    one_copy CZQ14CD
    nothing_left
}

@test "lists of more members than one file may have go one after the other" {
    local i n
    for n in 1 2 3 4 5 6; do
        printf 'LIST%d list%d FORWARD(' "$n" "$n"
        for i in {1..1000}; do printf ' m%d.%d@far.example' "$n" "$i"; done
        echo ')'
    done >>"$SITE/USERTBL"
    for n in 1 2 3 4 5 6; do echo "list$n@MYHOST"; done >to
    # shellcheck disable=SC2046 # six words
    text | put m $(cat to)
    run postoffice
    assert_output --partial 'status=deferred (other lists of the same mail come first)'
    assert_equal "$(sent X-To | wc -l)" 5000
    assert_equal "$(sed -n 's/^X-To: //p' "$POST/m")" '<list6@MYHOST>'
    sleep 1.1
    postoffice
    assert_equal "$(sent X-To | sort -u | wc -l)" 6000
    assert_equal "$(sent X-To | wc -l)" 6000
    nothing_left
}

@test "what cannot be delivered now waits, with a growing delay, and goes when it can" {
    in_smtp 'RETRYINT(1H) RETRYCEIL(10H)'
    text | put m CZQ14CD@MYHOST ABCDEF@MYHOST
    touch "$BOX/ABCDEF"
    run postoffice
    assert_success
    assert_output --regexp 'to=<ABCDEF@MYHOST>, .* dsn=4.2.0, status=deferred \(cannot open or make the Maildir'
    one_copy CZQ14CD
    run grep X-To "$POST/m"
    assert_output 'X-To: <ABCDEF@MYHOST>'
    # not due yet
    run postoffice
    refute_output --partial 'to=<'
    (($(delay m) > 3000 && $(delay m) <= 3600)) || fail "$(delay m)"
    due_now
    run postoffice
    assert_output --partial 'status=deferred'
    # the second delay is twice the first
    (($(delay m) > 6600 && $(delay m) <= 7200)) || fail "$(delay m)"
    rm "$BOX/ABCDEF"
    due_now
    run postoffice
    assert_output --partial 'status=sent'
    one_copy ABCDEF
    one_copy CZQ14CD
    nothing_left
}

@test "after RETRYMAX the sender is told, once" {
    in_smtp 'RETRYINT(1S) RETRYCEIL(1S) RETRYMAX(2S)'
    text | put m ABCDEF@MYHOST
    touch "$BOX/ABCDEF"
    postoffice
    sleep 1.1
    postoffice
    assert_equal "$(queued "$POST")" m
    sleep 1.1
    run postoffice
    assert_output --regexp 'dsn=5.4.7, status=bounced \(given up after [23] seconds: cannot open'
    nothing_left
    run postoffice
    assert_equal "$(queued "$SPOOL/mail" | wc -l)" 1
}

@test "a step of the clock neither ages mail nor holds it up" {
    require_tool faketime
    in_smtp 'RETRYINT(1S) RETRYCEIL(2S) RETRYMAX(1H)'
    text | put m ABCDEF@MYHOST
    touch "$BOX/ABCDEF"
    postoffice
    sleep 1.1
    for t in +10y -10y '2038-01-19 03:14:06' '2100-03-01 00:00:00'; do
        run faketime -f "$t" "$BUILD/postoffice" -C "$MEMBER" --log stderr --once
        assert_success
        sleep 2.1
    done
    assert_equal "$(queued "$POST")" m
    assert_equal "$(queued "$SPOOL/mail")" ''
    rm "$BOX/ABCDEF"
    postoffice # sees how late it is; only from now on time passes again
    sleep 2.1
    run postoffice
    one_copy ABCDEF
    nothing_left
}

@test "a damaged checkpoint costs no mail" {
    text | put m ABCDEF@MYHOST
    touch "$BOX/ABCDEF"
    postoffice
    printf 'TIME x y\n\0\xFF\nKEPT 1 99999999999999999999 1 m\nKEPT 5 4611686018427387903 3 m\nKEPT 1 2' >"$SPOOL/work/POSTCHK"
    rm "$BOX/ABCDEF"
    run postoffice
    assert_success
    assert_output --partial 'T01SM044W CHECKPOINT DAMAGED AT LINE 1'
    one_copy ABCDEF
    nothing_left
}


# forwards: a user who has his mail elsewhere, and a list of one there, of the list itself and of one who has the
# mail already.
forwards()
{
    printf '%s\n' 'FWD fwd FORWARD(x@far.example)' 'TEAM team FORWARD(y@far.example TEAM cdoaks)' >>"$SITE/USERTBL"
}

# all_ways: one mail for two Maildirs, a FORWARD and a list, and nothing else anywhere.
all_ways()
{
    rm -rf "$BOX" "$SPOOL/work/POSTCHK" "$SPOOL"/mail/OUT.*
    mkdir "$BOX"
    text | put m CZQ14CD@MYHOST ABCDEF@MYHOST fwd@MYHOST team@MYHOST
}

# each_once WHAT: whatever happened before, the next start leaves exactly one of each.
each_once()
{
    local wrong
    rm -f "$SPOOL/work/POSTCHK"
    postoffice >after || fail "$1: $(cat after)"
    wrong=$(for id in CZQ14CD ABCDEF TEAM; do copies $id | wc -l; done)$'\n'$(sent X-To)$'\n'$(queued "$POST")
    [[ $wrong == $'1\n1\n1\n<x@far.example>\n<y@far.example>\n' ]] || fail "$1: $wrong; $(cat during after; find "$SPOOL" "$BOX")"
    cmp -s "$(copies CZQ14CD)" <(printf 'Return-Path: <a@example.net>\nDelivered-To: CZQ14CD@MYHOST\n' && text) ||
        fail "$1: $(cat "$(copies CZQ14CD)")"
    nothing_left
}

# call_after N REGEX: the number of the first call from the Nth on whose line matches; fails if none.
call_after()
{
    awk -v n="$1" -v regex="$2" '$1 + 0 >= n && $0 ~ regex { print $1; found = 1; exit } END { exit !found }' \
        <(sort -n calls)
}

@test "the order of calls: text synced, moved, folder synced, and only then is the file removed" {
    local id n removed
    text | put m CZQ14CD@MYHOST ABCDEF@MYHOST
    "$(tool killat)" -v -o calls count -- "$BUILD/postoffice" -C "$MEMBER" --log stderr --once
    removed=$(call_after 1 'unlinkat .*/jes/POST/m ')
    for id in CZQ14CD ABCDEF; do
        n=$(call_after 1 "openat $BOX/$id/tmp/.*O_EXCL")
        n=$(call_after "$n" "fsync [0-9]+:$BOX/$id/tmp/.* = 0")
        n=$(call_after "$n" "renameat2 $BOX/$id/tmp/.* $BOX/$id/new/.* = 0")
        n=$(call_after "$n" "fsync [0-9]+:$BOX/$id/new = 0")
        ((n < removed)) || fail "$id: $n, removed by $removed: $(cat calls)"
    done
    call_after "$removed" "fsync [0-9]+:.*/jes/POST = 0"
}

@test "killed before and after every call: exactly one copy each" {
    local killat n when count
    killat=$(tool killat)
    export ASAN_OPTIONS=detect_leaks=0
    forwards
    all_ways
    "$killat" -o calls count -- "$BUILD/postoffice" -C "$MEMBER" --log stderr --once >during 2>&1
    count=$(tail -1 calls)
    ((count > 40)) || fail "only $count calls"
    for when in before after; do
        for ((n = 1; n <= count; n++)); do
            all_ways
            "$killat" "$when" "$n" -- "$BUILD/postoffice" -C "$MEMBER" --log stderr --once >during 2>&1 || true
            each_once "killed $when $n of $count"
        done
    done
}

@test "killed, and the user reads and files his mail before the next start" {
    local killat n count
    killat=$(tool killat)
    export ASAN_OPTIONS=detect_leaks=0
    forwards
    all_ways
    "$killat" -o calls --path "$BOX" count -- "$BUILD/postoffice" -C "$MEMBER" --log stderr --once >during 2>&1
    count=$(tail -1 calls)
    for ((n = 1; n <= count; n++)); do
        all_ways
        "$killat" after "$n" --path "$BOX" -- "$BUILD/postoffice" -C "$MEMBER" --log stderr --once >during 2>&1 || true
        for file in "$BOX"/*/new/*; do
            [[ -e $file ]] || continue
            mv "$file" "${file%/new/*}/cur/${file##*/}:2,RS"
        done
        each_once "killed after $n of $count"
    done
}

@test "a full disk at every call: nothing is lost, and each has one copy when there is room" {
    local killat n mode count
    killat=$(tool killat)
    export ASAN_OPTIONS=detect_leaks=0
    forwards
    all_ways
    "$killat" -o calls count -- "$BUILD/postoffice" -C "$MEMBER" --log stderr --once >during 2>&1
    count=$(tail -1 calls)
    for mode in once from; do
        for ((n = 1; n <= count; n++)); do
            all_ways
            "$killat" fail "$n" ENOSPC "$mode" -- "$BUILD/postoffice" -C "$MEMBER" --log stderr --once >during 2>&1 || true
            [[ -n $(queued "$POST") || $(copies . | wc -l) -ge 2 ]] || find "$SPOOL/work" -name 'postoffice.*' ! -name '*.lock' | grep -q . ||
                fail "$mode $n: lost"
            each_once "ENOSPC $mode $n of $count"
        done
    done
}

@test "a disk that is really full: deferred, then delivered" {
    ((EUID == 0)) || skip 'mounting needs root'
    mkdir -p "$SITE/small"
    mount -t tmpfs -o size=256k tmpfs "$SITE/small" 2>/dev/null || skip 'no tmpfs can be mounted'
    deliver_by "MAILDIR($SITE/small/%i)"
    { text && head -c 300000 /dev/zero | tr '\0' 'x'; } | put big CZQ14CD@MYHOST
    text | put little ABCDEF@MYHOST
    run postoffice
    find "$SITE/small" -type f >files
    mount -o remount,size=2m "$SITE/small"
    sleep 1.1
    run -0 --keep-empty-lines postoffice
    find "$SITE/small" -type f >later
    umount "$SITE/small"
    assert_equal "$(wc -l <files)" 1
    run cat files
    assert_output --partial /ABCDEF/new/
    assert_equal "$(wc -l <later)" 2
    nothing_left
}

@test "as root, the copy belongs to its user, and his tricks harm nobody else" {
    ((EUID == 0)) || skip 'needs root'
    id nobody >/dev/null || skip 'no user nobody'
    local dir=$BATS_TEST_TMPDIR
    while [[ $dir == "$BATS_RUN_TMPDIR"* ]]; do
        chmod go+x "$dir"
        dir=${dir%/*}
    done
    mkdir "$SITE/home"
    chown nobody "$SITE/home"
    deliver_by "MAILDIR($SITE/home/%i)"
    printf 'NB nb LOGIN(nobody)\nNB2 nb2 LOGIN(nobody)\nNB3 nb3 LOGIN(nobody)\n' >>"$SITE/USERTBL"
    text | put m NB@MYHOST
    run postoffice
    assert_success
    assert_equal "$(find "$SITE/home/NB" -printf '%u %m %y\n' | sort | uniq -c)" \
        $'      1 nobody 600 f\n      4 nobody 700 d'
    # a link of his to a folder of root's, and one to a folder of his elsewhere
    mkdir -p "$SITE/roots"/{tmp,new,cur} "$SITE/home/x"
    ln -s "$SITE/roots" "$SITE/home/NB2"
    mkdir -p "$SITE/home/NB3"
    ln -s "$SITE/home/x" "$SITE/home/NB3/new"
    chown -hR nobody "$SITE/home"
    text | put m NB2@MYHOST NB3@MYHOST NB@MYHOST
    run postoffice
    assert_success
    assert_output --regexp 'to=<NB2@MYHOST>, .* status=deferred \(.*belongs to somebody else'
    assert_output --regexp 'to=<NB3@MYHOST>, .* status=deferred \(cannot open or make the Maildir.s folder new'
    assert_output --regexp 'to=<NB@MYHOST>, .* status=sent'
    assert_equal "$(find "$SITE/roots" "$SITE/home/x" -type f)" ''
    # a login of no user here, with a path that needs no home: the copy is the program's own
    deliver_by "MAILDIR($BOX/%i)"
    echo 'NL nl LOGIN(no-such-user)' >>"$SITE/USERTBL"
    text | put n NL@MYHOST
    run postoffice
    one_copy NL
    deliver_by 'MAILDIR(%h/Maildir)'
    text | put o NL@MYHOST
    run postoffice
    assert_output --regexp 'to=<NL@MYHOST>, .* dsn=4.2.1, status=deferred \(the user has no home'
}

@test "as root with USER: the spool is USER's, the copy its user's" {
    ((EUID == 0)) || skip 'needs root'
    getent passwd mail nobody >/dev/null || skip 'no users mail and nobody'
    local dir=$BATS_TEST_TMPDIR
    while [[ $dir == "$BATS_RUN_TMPDIR"* ]]; do
        chmod go+x "$dir"
        dir=${dir%/*}
    done
    rm -rf "$SPOOL"
    mkdir "$SPOOL" "$SITE/home"
    chown mail "$SPOOL"
    chown nobody "$SITE/home"
    sed -i "s|SPOOL(|USER(mail) &|" "$MEMBER"
    deliver_by "MAILDIR($SITE/home/%i)"
    printf 'NB nb LOGIN(nobody)\nFWD fwd FORWARD(x@far.example)\nROOT root LOGIN(root)\n' >>"$SITE/USERTBL"
    run postoffice
    assert_success
    text >"$SPOOL/jes/m"
    sed -i '1iX-From: <a@b>\nX-To: NB@MYHOST\nX-To: fwd@MYHOST\nX-To: ROOT@MYHOST' "$SPOOL/jes/m"
    chown mail "$SPOOL/jes/m"
    mv "$SPOOL/jes/m" "$POST/m"
    run postoffice
    assert_success
    assert_equal "$(find "$SITE/home/NB/new" -type f -printf %u)" nobody
    assert_equal "$(find "$SPOOL/mail" -name 'OUT.*' -printf '%u %m')" 'mail 600'
    # root's agent is root, with none of root's powers over what is nobody's
    assert_output --regexp 'to=<ROOT@MYHOST>, .* status=deferred \(cannot open or make the Maildir .*: Permission denied'
    assert_equal "$(ls "$SITE/home")" NB
    mkdir -m 700 "$SITE/home/ROOT"
    due_now
    run postoffice
    assert_equal "$(find "$SITE/home/ROOT/new" -type f -printf %u)" root
    assert_equal "$(queued "$POST")" ''
    assert_equal "$(find "$SPOOL" -user root)" ''
}

@test "as root with USER: nothing of root is left but changing users" {
    ((EUID == 0)) || skip 'needs root'
    getent passwd mail >/dev/null || skip 'no user mail'
    nm "$BUILD/postoffice" 2>/dev/null | grep -q __asan && skip 'no jail under a sanitizer'
    local pid dir=$BATS_TEST_TMPDIR
    while [[ $dir == "$BATS_RUN_TMPDIR"* ]]; do
        chmod go+x "$dir"
        dir=${dir%/*}
    done
    rm -rf "$SPOOL"
    mkdir "$SPOOL"
    chown mail "$SPOOL"
    sed -i "s|SPOOL(|USER(mail) &|" "$MEMBER"
    start_server po "$BUILD/postoffice" -C "$MEMBER" --log stderr
    wait_until 5 grep -q 'T01SM020I postoffice READY' "$(servers_dir)/po.log"
    pid=$(server_pid po)
    # CAP_SETGID is bit 6, CAP_SETUID bit 7
    run awk '/^(Uid|CapPrm|CapEff|NoNewPrivs|Seccomp):/ { $1 = $1; print }' "/proc/$pid/status"
    id=$(id -u mail)
    assert_output "Uid: $id $id $id $id
CapPrm: 00000000000000c0
CapEff: 00000000000000c0
NoNewPrivs: 1
Seccomp: 2"
}

@test "the daemon takes up what comes, reloads, and ends when told" {
    start_server po "$BUILD/postoffice" -C "$MEMBER" --log stderr
    wait_until 5 grep -q 'T01SM020I postoffice READY' "$(servers_dir)/po.log"
    text | put m1 CZQ14CD@MYHOST
    wait_until 5 one_copy CZQ14CD
    run postoffice
    assert_output --partial 'it runs already'
    assert_failure 75
    touch "$BOX/ABCDEF"
    in_smtp 'RETRYINT(1H)'
    kill -HUP "$(server_pid po)"
    wait_until 5 grep -q T01SM025I "$(servers_dir)/po.log"
    text | put m2 ABCDEF@MYHOST
    wait_until 5 grep -q 'm2: .*status=deferred' "$(servers_dir)/po.log"
    # what waits for an hour is tried at once when the operator says so
    rm "$BOX/ABCDEF"
    kill -HUP "$(server_pid po)"
    wait_until 5 one_copy ABCDEF
    run stop_server po
    assert_success
    run server_log po
    assert_output --partial 'T01SM021I postoffice ENDED'
    nothing_left
}

@test "a thousand files, and one user whose folder is in the way" {
    local n begin
    touch "$BOX/ABCDEF"
    for ((n = 0; n < 1000; n++)); do
        printf 'X-From: <a@b>\nX-To: %s@MYHOST\nSubject: %d\n\nx\n' "$([[ $((n % 10)) == 0 ]] && echo ABCDEF || echo CZQ14CD)" "$n" >"$POST/m$n"
    done
    begin=$(now_ms)
    postoffice >log
    (($(now_ms) - begin < 60000)) || fail "$(($(now_ms) - begin)) ms"
    assert_equal "$(copies CZQ14CD | wc -l)" 900
    assert_equal "$(queued "$POST" | wc -l)" 100
    assert_equal "$(cat "$BOX"/CZQ14CD/new/* | grep -c '^Subject')" 900
    assert_equal "$(cat "$BOX"/CZQ14CD/new/* | grep '^Subject' | sort -u | wc -l)" 900
}

# LMTP by a scripted server.

# lmtp_play SCRIPT...: each connection plays one; deliveries go there.
lmtp_play()
{
    rm -f port
    start_server lmtp "$(tool smtpplay)" server --port-file port "$@"
    wait_for_file port
    deliver_by "LMTP(127.0.0.1:$(cat port)) DEFAULT(LMTP)"
}

# opening: what every script begins with.
opening()
{
    cat <<'EOM'
-> 220 lmtp.example
<- LHLO mail.example.org
-> 250-lmtp.example
-> 250-PIPELINING
-> 250 8BITMIME
EOM
}

@test "LMTP: the whole dialogue, the text with its dots, no Return-Path of ours" {
    local login
    login=$(id -un)
    {
        opening
        cat <<EOM
<- MAIL FROM:<a@example.net> BODY=8BITMIME
<- RCPT TO:<$login@MYHOST>
<- RCPT TO:<no-such-user@MYHOST>
-> 250 ok
-> 250 one
-> 250 two
<- DATA
-> 354 go
<. body
-> 250 2.0.0 one
-> 250 2.0.0 two
<- QUIT
EOM
    } >script
    lmtp_play script
    printf 'Return-Path: <x@y>\nSubject: \xE4\n\n.\n..a\nb\rc\r\nend' | put m CZQ14CD@MYHOST ABCDEF@MYHOST CDoaks@MYHOST
    run postoffice
    assert_success
    assert_output --regexp "to=<ABCDEF@MYHOST>, relay=127.0.0.1:[0-9]+, .* dsn=2.0.0, status=sent \(250 2.0.0 two\)"
    run server_status lmtp
    assert_success
    printf 'Subject: \xE4\r\n\r\n..\r\n...a\r\nb c\r\nend\r\n' >wanted
    run cmp wanted body
    assert_success
    nothing_left
}

@test "the user table says Maildir or LMTP for one user, the configuration for the others" {
    cat >>"$SITE/USERTBL" <<'EOM'
BYLMTP  by.lmtp  LOGIN(by-lmtp) DELIVER(LMTP)
BYDIR   by.dir   DELIVER(MAILDIR)
EOM
    text | put m by.lmtp@MYHOST by.dir@MYHOST CDoaks@MYHOST
    run postoffice
    assert_output --partial 'dsn=4.3.5, status=deferred (the user table says DELIVER(LMTP)'
    one_copy BYDIR
    one_copy CZQ14CD
    {
        opening
        printf '%s\n' '<- MAIL FROM:<a@example.net>' '<- RCPT TO:<by-lmtp@MYHOST>' '-> 250 ok' '-> 250 one' '<- DATA' '-> 354 go' \
            '<. body' '-> 250 2.0.0 one' '<- QUIT'
    } >script
    lmtp_play script
    sed -i 's/DEFAULT(LMTP)/DEFAULT(MAILDIR)/; s|^DELIVER .*|& MAILDIR('"$BOX"'/%i)|' "$MEMBER"
    sleep 1.1
    run postoffice
    assert_success
    run server_status lmtp
    assert_success
    assert_equal "$(copies . | wc -l)" 2
    nothing_left
}

@test "LMTP: who was delivered is not delivered again when others are deferred or refused" {
    {
        opening
        printf '<*\n<*\n<*\n<*\n-> 250 ok\n-> 250 1\n-> 250 2\n-> 250 3\n<- DATA\n-> 354 go\n<. body\n'
        printf -- '-> 250 one\n-> 452 4.2.2 full\n-> 552 5.2.2 never\n<- QUIT\n'
    } >first
    {
        opening
        printf '<*\n<~ ^RCPT TO:<no-such-user@MYHOST>$\n-> 250 ok\n-> 250 2\n<- DATA\n-> 354 go\n<. body\n-> 250 two\n<- QUIT\n'
    } >second
    echo 'THIRD third LOGIN(third)' >>"$SITE/USERTBL"
    lmtp_play first second
    text | put m CZQ14CD@MYHOST ABCDEF@MYHOST THIRD@MYHOST
    run postoffice
    assert_success
    run cat "$POST/m"
    assert_line --index 1 'X-To: <ABCDEF@MYHOST>'
    refute_line 'X-To: <CZQ14CD@MYHOST>'
    assert_equal "$(grep -l 'Diagnostic-Code: smtp; 552 5.2.2 never' "$SPOOL"/mail/OUT.* | wc -l)" 1
    sleep 1.1
    run postoffice
    assert_output --regexp 'to=<ABCDEF@MYHOST>, .* status=sent'
    run server_status lmtp
    assert_success
    nothing_left
    assert_equal "$(queued "$SPOOL/mail" | wc -l)" 1
}

@test "LMTP: refusals and failures at every step; nothing is lost" {
    local name steps wanted
    # name, what the server says instead, what becomes of the mail: deferred or bounced
    cat >steps <<'EOM'
greeting4|-> 421 busy|deferred
greeting5|-> 554 no|deferred
nolmtp|-> 220 x;<- LHLO mail.example.org;-> 500 what;<- QUIT;-> 221 bye|deferred
hangup|close|deferred
garbage|-> SSH-2.0-x|deferred
mail4|OPEN;<*;<*;-> 451 no;-> 503 x;<- RSET;-> 250 ok;<- QUIT|deferred
mail5|OPEN;<*;<*;-> 552 5.3.4 no;-> 503 x;<- RSET;-> 250 ok;<- QUIT|bounced
mailgone|OPEN;<*;close|deferred
rcpt4|OPEN;<*;<*;-> 250 ok;-> 450 no;<- RSET;-> 250 ok;<- QUIT|deferred
rcpt5|OPEN;<*;<*;-> 250 ok;-> 550 5.1.1 no;<- RSET;-> 250 ok;<- QUIT|bounced
rcpt421|OPEN;<*;<*;-> 250 ok;-> 421 no;close|deferred
data4|OPEN;<*;<*;-> 250 ok;-> 250 1;<- DATA;-> 451 no;<- RSET;-> 250 ok;<- QUIT|deferred
data5|OPEN;<*;<*;-> 250 ok;-> 250 1;<- DATA;-> 554 no;<- RSET;-> 250 ok;<- QUIT|bounced
datagone|OPEN;<*;<*;-> 250 ok;-> 250 1;<- DATA;-> 354 go;reset|deferred
term4|OPEN;<*;<*;-> 250 ok;-> 250 1;<- DATA;-> 354 go;<.;-> 452 no;<- QUIT|deferred
term5|OPEN;<*;<*;-> 250 ok;-> 250 1;<- DATA;-> 354 go;<.;-> 550 no;<- QUIT|bounced
termgone|OPEN;<*;<*;-> 250 ok;-> 250 1;<- DATA;-> 354 go;<.;close|deferred
termjunk|OPEN;<*;<*;-> 250 ok;-> 250 1;<- DATA;-> 354 go;<.;-> 2x0 ok|deferred
timeout|OPEN;<*;<*;-> 250 ok;sleep 4000|deferred
EOM
    in_smtp 'RETRYINT(1S) RETRYCEIL(1S) TIMECMD(1S) TIMEGREET(1S)'
    while IFS='|' read -r name steps wanted; do
        { if [[ $steps == OPEN* ]]; then opening; fi && tr ';' '\n' <<<"${steps#OPEN;}"; } >"script.$name"
        rm -f "$SPOOL/work/POSTCHK" "$SPOOL"/mail/OUT.* "$POST"/*
        lmtp_play "script.$name"
        text | put m CZQ14CD@MYHOST
        run postoffice
        assert_success
        assert_output --partial "status=$wanted" || fail "$name"
        if [[ $wanted == deferred ]]; then
            assert_equal "$name $(queued "$POST")" "$name m"
        else
            assert_equal "$name $(queued "$SPOOL/mail" | wc -l)$(queued "$POST")" "$name 1"
        fi
        stop_server lmtp || true
    done <steps
}

@test "LMTP: no server there; mail waits together, and goes when it is back" {
    local n
    deliver_by "LMTP(127.0.0.1:$(free_port)) DEFAULT(LMTP)"
    for n in 1 2 3; do text | put "m$n" CZQ14CD@MYHOST; done
    run postoffice
    assert_success
    assert_equal "$(grep -c T01SM042I <<<"$output")" 1
    assert_equal "$(grep -c 'dsn=4.4.1, status=deferred' <<<"$output")" 3
    {
        opening
        for n in 1 2 3; do printf '<*\n<*\n-> 250 ok\n-> 250 1\n<- DATA\n-> 354 go\n<. body\n-> 250 one\n'; done
        echo '<- QUIT'
    } >script
    lmtp_play script
    sleep 1.1
    run postoffice
    assert_success
    nothing_left
    run grep -c '^Subject' body
    assert_output 3
}

@test "LMTP: a host name; one that nobody has" {
    {
        opening
        printf '<*\n<*\n-> 250 ok\n-> 250 1\n<- DATA\n-> 354 go\n<. body\n-> 250 one\n<- QUIT\n'
    } >script
    lmtp_play script
    deliver_by "LMTP(no-such-host.invalid:$(cat port)) DEFAULT(LMTP)"
    text | put m CZQ14CD@MYHOST
    run postoffice
    assert_success
    assert_output --regexp 'T01SM042I .*no-such-host.invalid'
    assert_output --partial 'dsn=4.4.1, status=deferred (no-such-host.invalid:'
    deliver_by "LMTP(localhost:$(cat port)) DEFAULT(LMTP)"
    due_now
    run postoffice
    assert_success
    assert_output --regexp 'relay=localhost:[0-9]+, .* status=sent'
    nothing_left
}

@test "LMTP: a name service that does not answer holds up nothing else" {
    ((EUID == 0)) && unshare -mn true 2>/dev/null || skip 'needs namespaces of its own'
    printf 'FWD fwd FORWARD(x@far.example)\n' >>"$SITE/USERTBL"
    deliver_by 'LMTP(lmtp.example:24) DEFAULT(LMTP)'
    text | put m CZQ14CD@MYHOST
    cat >silent <<'EOM'
set -e
ip link set lo up
echo 'nameserver 127.0.0.1' >resolv
echo 'hosts: dns' >nsswitch
mount --bind resolv "$(readlink -f /etc/resolv.conf)"
mount --bind nsswitch /etc/nsswitch.conf
setpriv --pdeathsig KILL python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
open("bound", "w").write("yes")
s.recvfrom(512)
open("asked", "w").write("yes")
while True: s.recvfrom(512)' &
until [[ -s bound ]]; do sleep 0.05; done
exec "$BUILD/postoffice" -C "$MEMBER" --log stderr
EOM
    start_server po unshare -mn bash silent
    wait_for_file asked
    text | put f fwd@MYHOST
    wait_until 5 grep -q 'f: .*to=<fwd@MYHOST>.*status=forwarded' "$(servers_dir)/po.log"
    run grep 'm: .*to=' "$(servers_dir)/po.log"
    assert_output ''
    # nor the end
    run stop_server po
    assert_success
    assert_equal "$(queued "$POST")" m
}

@test "LMTP: the configuration must name a server that can be one" {
    local value
    for value in 'DEFAULT(LMTP)' 'LMTP(host) DEFAULT(LMTP)' 'LMTP(:25)' 'LMTP(h:0)' 'LMTP(h:65536)' 'LMTP(relative/path)' \
        'MAILDIR(relative)' 'MAILDIR(/a/%x)' 'MAILDIR(/a/%)' 'MAILDIR(/a%h)' 'DEFAULT(MBOX)'; do
        deliver_by "$value"
        run "$BUILD/postoffice" -C "$MEMBER" --check
        assert_failure 78
        assert_output --regexp 'DELIVER|LMTP|MAILDIR|DEFAULT'
    done
    for value in 'LMTP(/run/lmtp)' 'LMTP([IPv6:::1]:24) DEFAULT(LMTP)' 'MAILDIR(%h/Mail%%dir)' 'MAILDIR(/m/%u/%i)' \
        'DEFAULT(MAILDIR)'; do
        deliver_by "$value"
        run "$BUILD/postoffice" -C "$MEMBER" --check
        assert_success
    done
}

# The real server.

@test "Dovecot: LMTP to it, and IMAP to read the mail back" {
    require_dovecot
    start_dovecot "$BATS_TEST_TMPDIR/dovecot"
    echo 'JOE joe.bloggs LOGIN(joe)' >>"$SITE/USERTBL"
    deliver_by "LMTP(127.0.0.1:$DOVECOT_LMTP) DEFAULT(LMTP)"
    printf 'From: a@example.net\nSubject: dots and \xC3\xA4\n\n.\n..two\nlast \xC3\xA4\n' | put m joe.bloggs@MYHOST ABCDEF@MYHOST nobody@MYHOST
    run postoffice
    assert_success
    assert_output --regexp 'to=<joe.bloggs@MYHOST>, .* dsn=2.0.0, status=sent \(250 2.0.0 .*Saved\)'
    nothing_left
    assert_equal "$(imap_count joe)" 1
    assert_equal "$(imap_count no-such-user)" 1
    run imap_read joe 1
    assert_output --partial 'Return-Path: <a@example.net>'
    assert_output --partial $'Subject: dots and \xC3\xA4'
    assert_output --partial $'\r\n.\r\n..two\r\nlast \xC3\xA4'
    # through its socket, with several mails on one connection
    deliver_by "LMTP($DOVECOT_SOCKET) DEFAULT(LMTP)"
    for n in 1 2 3 4 5; do text "number $n" | put "m$n" JOE@MYHOST; done
    run postoffice
    assert_success
    nothing_left
    assert_equal "$(imap_count joe)" 6
}

@test "Dovecot: killed after every call, at most one copy too many, and only before it was noted" {
    local killat n count copies twice=0
    require_dovecot
    killat=$(tool killat)
    export ASAN_OPTIONS=detect_leaks=0
    start_dovecot "$BATS_TEST_TMPDIR/dovecot"
    echo 'JOE joe LOGIN(joe)' >>"$SITE/USERTBL"
    deliver_by "LMTP($DOVECOT_SOCKET) DEFAULT(LMTP)"
    text | put m JOE@MYHOST
    "$killat" -o calls --socket count -- "$BUILD/postoffice" -C "$MEMBER" --log stderr --once >during 2>&1
    count=$(tail -1 calls)
    ((count > 10)) || fail "only $count calls"
    for ((n = 1; n <= count; n++)); do
        rm -f "$SPOOL/work/POSTCHK"
        text "number $n" | put m JOE@MYHOST
        "$killat" --socket after "$n" -- "$BUILD/postoffice" -C "$MEMBER" --log stderr --once >during 2>&1 || true
        rm -f "$SPOOL/work/POSTCHK"
        run postoffice
        assert_success
        nothing_left
        copies=$(grep -lr "^Subject: number $n\$" "$DOVECOT_MAIL/joe/new" | wc -l)
        ((copies == 1 || copies == 2)) || fail "killed after $n of $count: $copies copies"
        twice=$((twice + copies - 1))
    done
    # between the final dot and the removal: a handful of calls
    ((twice <= 5)) || fail "$twice of $count were delivered twice"
}

@test "Dovecot: a mailbox over its quota is deferred or bounced as it says, the others have theirs" {
    require_dovecot
    start_dovecot "$BATS_TEST_TMPDIR/dovecot" 'mail_plugins = quota' 'protocol lmtp {' '  mail_plugins = quota' '}' \
        'plugin {' '  quota = maildir:User quota' '  quota_rule = *:storage=4K' '}' 'lmtp_rcpt_check_quota = no'
    printf 'JOE joe LOGIN(joe)\nANN ann LOGIN(ann)\n' >>"$SITE/USERTBL"
    deliver_by "LMTP($DOVECOT_SOCKET) DEFAULT(LMTP)"
    { text && head -c 3000 /dev/zero | tr '\0' x; } | put m1 JOE@MYHOST
    postoffice
    { text && head -c 3000 /dev/zero | tr '\0' x; } | put m2 JOE@MYHOST ANN@MYHOST
    run postoffice
    assert_success
    assert_output --regexp 'm2: from=<[^ ]*>, to=<ANN@MYHOST>, .* status=sent'
    assert_output --regexp 'm2: from=<[^ ]*>, to=<JOE@MYHOST>, .* status=(deferred|bounced) \((452|552) [45].2.2 '
    assert_equal "$(imap_count joe)$(imap_count ann)" 11
}

@test "Dovecot reads a Maildir that the post office wrote" {
    require_dovecot
    start_dovecot "$BATS_TEST_TMPDIR/dovecot"
    deliver_by "MAILDIR($DOVECOT_MAIL/%u)"
    echo 'NB nb LOGIN(nobody)' >>"$SITE/USERTBL"
    ((EUID == 0)) || skip 'delivery to another user needs root'
    text one | put m1 NB@MYHOST
    text two | put m2 NB@MYHOST
    run postoffice
    assert_success
    assert_equal "$(imap_count nobody)" 2
    run imap_read nobody 1
    assert_output --partial 'Delivered-To: NB@MYHOST'
    assert_output --partial 'the text'
}
