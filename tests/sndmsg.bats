#!/usr/bin/env bats
# sndmsg on pipes and on a real terminal (tmux), as a user who owns nothing, with the spool installed
# as in production: its owner is another user, mail/ is open for adding only.
# shellcheck disable=SC2154 # status, output, lines: set by bats's run

load helper

EXPLANATION='Enter message text, followed by empty line. Use \x to cancel last line, or \t to display msg.'

setup()
{
    base=$(mktemp -d /tmp/sndmsg.XXXXXX)
    SITE=$base
    SPOOL=$SITE/spool
    MEMBER=$SITE/APPCFG00
    HOME_DIR=$SITE/home
    socket=$SITE/tmux
    owner=$(id -u) group=$(id -g) who=$(id -un)
    bare=(env -i HOME="$HOME_DIR" LC_ALL=C.UTF-8 ASAN_OPTIONS=detect_leaks=0)
    user_is=()
    if ((owner == 0)); then
        owner=1 group=1 who=nobody
        user_is=(setpriv --reuid nobody --regid "$(id -g nobody)" --clear-groups)
    fi
    chmod 755 "$SITE"
    mkdir -p "$SPOOL"/{jes,mail,work} "$SITE/catalog" "$HOME_DIR"
    install -m 755 "$BUILD/sndmsg" "$SITE/sndmsg"
    cat >"$MEMBER" <<EOM
SYSTEM  HOST(mail.example.org) SPOOL($SPOOL)
SMTP    PATH(OUT) REMOTE(RMT21) USERTABLE($SITE/USERTBL) CATALOG($SITE/catalog)
        MAXSIZE(200M)
EOM
    cat >"$SITE/USERTBL" <<EOM
CZQ14CD   CDoaks    LOGIN($who) 'Chris Doaks'
ABCDEF    ABaker    LOGIN(no-such-user) 'Alex Baker'
EOM
    echo 'the text of a data set' >"$SITE/catalog/OTAPXYZ.MYMESSGE.TEXT"
    chown -R "$owner:$group" "$SPOOL"
    chown "$who" "$HOME_DIR"
    chmod 700 "$SPOOL/work"
    chmod 3733 "$SPOOL/mail"
}

teardown()
{
    stop_all
    [[ -S $socket ]] && tmux -S "$socket" kill-server 2>/dev/null
    [[ -n $base ]] && rm -rf "$base"
    return 0
}

# as_user CMD...: with nothing of our environment, in the user's home.
as_user()
{
    (
        cd "$HOME_DIR" || exit 99
        exec env -i PATH="$PATH" HOME="$HOME_DIR" TERM="${TERM_TYPE:-screen}" \
            LC_ALL="${USER_LOCALE-C.UTF-8}" TZ=EST5EDT ASAN_OPTIONS=detect_leaks=0 \
            "${user_is[@]}" "$@"
    )
}

sndmsg()
{
    as_user "$SITE/sndmsg" -C "$MEMBER" "$@"
}

# type_in LINE...: the lines as standard input.
type_in()
{
    printf '%s\n' "$@"
}

# mails: the files of committed offers, in order.
mails()
{
    find "$SPOOL/mail" -path '*.done/*' -type f | sort
}

# mail N: the text of the Nth.
mail()
{
    cat "$(mails | sed -n "${1}p")"
}

# body N: what stands behind its header.
body()
{
    mail "$1" | sed '1,/^$/d'
}

drafts()
{
    find "$HOME_DIR/.local/state/spoolmail" -type f 2>/dev/null | sort
}

expect_nothing_spooled()
{
    run find "$SPOOL/mail" -mindepth 1
    assert_output ''
}

# ---- a terminal

# session [ARGS...]: sndmsg in a terminal of 100 x 30.
session()
{
    local words
    words=$(printf '%q ' env -i PATH="$PATH" HOME="$HOME_DIR" TERM=screen \
        LC_ALL="${USER_LOCALE-C.UTF-8}" TZ=EST5EDT ASAN_OPTIONS=detect_leaks=0 \
        "${user_is[@]}" "$SITE/sndmsg" -C "$MEMBER" "$@")
    printf 'set -g remain-on-exit on\nset -g status off\nset -g default-terminal screen\n' \
        >"$SITE/tmux.conf"
    # The shell between notes how it ended: tmux does not always know.
    (cd "$HOME_DIR" && tmux -u -S "$socket" -f "$SITE/tmux.conf" new-session -d -s "${NAME:-s}" \
        -x 100 -y 30 "$words; echo \$? >'$SITE/status.${NAME:-s}'" 3>&-)
    wait_screen 'SNDMSG'
}

screen()
{
    tmux -S "$socket" capture-pane -t "${NAME:-s}" -p -S - |
        sed -e '/^Pane is dead/d' -e 's/ *$//' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'
}

screen_has()
{
    screen | grep -qe "$1"
}

wait_screen()
{
    wait_until 10 screen_has "$1" || { screen >&2; return 1; }
}

# type_line TEXT: typed, with Enter behind it.
type_line()
{
    tmux -S "$socket" send-keys -t "${NAME:-s}" -l -- "$1"
    tmux -S "$socket" send-keys -t "${NAME:-s}" Enter
}

type_text()
{
    tmux -S "$socket" send-keys -t "${NAME:-s}" -l -- "$1"
}

press()
{
    tmux -S "$socket" send-keys -t "${NAME:-s}" "$@"
}

# paste: standard input, as a terminal pastes it.
paste_in()
{
    tmux -S "$socket" load-buffer -
    tmux -S "$socket" paste-buffer -p -t "${NAME:-s}"
}

session_over()
{
    [[ -s $SITE/status.${NAME:-s} ]]
}

# session_status: waits for the end; its exit status.
session_status()
{
    wait_until 20 session_over || { screen >&2; return 99; }
    return "$(cat "$SITE/status.${NAME:-s}")"
}

# session_pid: of sndmsg itself, which is the only child of the shell in the terminal.
session_pid()
{
    ps -o pid= --ppid "$(tmux -S "$socket" display -p -t "${NAME:-s}" '#{pane_pid}')" | tr -d ' '
}

process_gone()
{
    # One that nobody has waited for yet is gone as well.
    [[ ! -e /proc/$1/stat || $(sed 's/.*) //' "/proc/$1/stat") == Z* ]]
}

# ---- the session of the original

@test "the session of the seed, on a pipe" {
    run sndmsg < <(type_in 'abc@unix.md.company.com,xyz@unix.md.company.com.' \
        mno@unix.md.company.com 'new test' . 'message text' . '')
    assert_success
    assert_line --index 0 --regexp \
        '^\*\*SNDMSG \*\* (SUN|MON|TUE|WED|THU|FRI|SAT), [0-3][0-9] [A-Z]{3} [0-9]{2} [0-9:]{8} E[SD]T$'
    assert_line --index 1 "To: CC: Subject: $EXPLANATION"
    assert_line --index 2 -- '-->abc@unix.md.company.com SPOOLED'
    assert_line --index 3 -- '-->xyz@unix.md.company.com SPOOLED'
    assert_line --index 4 -- '-->mno@unix.md.company.com SPOOLED'
    assert_equal "${#lines[@]}" 5
    run drafts
    assert_output ''
}

@test "the session of the seed, on a terminal, to the letter" {
    session
    type_line 'abc@unix.md.company.com,xyz@unix.md.company.com.'
    type_line mno@unix.md.company.com
    type_line 'new test'
    type_line 'message text'
    press Enter
    session_status
    run screen
    assert_line --index 0 --regexp '^\*\*SNDMSG \*\* [A-Z]{3}, [0-9]{2} [A-Z]{3} [0-9]{2} [0-9:]{8} E[SD]T$'
    assert_equal "$(screen | sed 1d)" "To: abc@unix.md.company.com,xyz@unix.md.company.com.
CC: mno@unix.md.company.com
Subject: new test
$EXPLANATION
message text

-->abc@unix.md.company.com SPOOLED
-->xyz@unix.md.company.com SPOOLED
-->mno@unix.md.company.com SPOOLED"
}

@test "one data set for each recipient, owned by the user, in the form that usmtp reads" {
    sndmsg < <(type_in abc@one.example xyz@two.example 'new test' 'message text' '')
    assert_equal "$(mails | wc -l)" 2
    run mail 1
    assert_line --index 0 'X-From: <CDoaks@mail.example.org>'
    assert_line --index 1 'X-To: <abc@one.example>'
    assert_line --index 2 --regexp "^Received: by mail\.example\.org \(SNDMSG, user $who\)$"
    assert_line --index 4 --regexp '^Date: [A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} -0[45]00$'
    assert_line --index 5 'From: Chris Doaks <CDoaks@mail.example.org>'
    assert_line --index 6 'To: abc@one.example'
    assert_line --index 7 'Cc: xyz@two.example'
    assert_line --index 8 'Subject: new test'
    assert_line --index 9 --regexp '^Message-ID: <[^ ]+@mail\.example\.org>$'
    assert_line --index 10 'message text'
    refute_output --partial MIME
    run stat -c '%U %a %h' "$(mails | head -1)"
    assert_output "$who 640 1"
    run stat -c '%a' "$(dirname "$(mails | head -1)")"
    assert_output 2770
    assert_equal "$(stat -c %g "$(mails | head -1)")" "$group"
    # Both have the same text.
    assert_equal "$(mail 1 | sed 2d)" "$(mail 2 | sed 2d)"
}

@test "another user can neither list nor read, alter or remove the mail" {
    ((EUID == 0)) || skip 'needs root'
    sndmsg < <(type_in a@one.example '' s text '')
    file=$(mails)
    user_is=(setpriv --reuid 65533 --regid 65533 --clear-groups)
    run as_user ls "$SPOOL/mail"
    assert_failure
    run as_user cat "$file"
    assert_failure
    run as_user rm -f "$file"
    assert_failure
    run as_user mv "${file%/*}" "$SPOOL/mail/mine"
    assert_failure
    run as_user sh -c "echo x >>'$file'"
    assert_failure
    assert_equal "$(body 1)" text
}

@test "to the far end's Maildir: a session, and a script's attachment" {
    sink=$SITE/sink port=$(free_port)
    ((EUID == 0)) && sed -i "s/^SYSTEM /SYSTEM USER($(id -nu "$owner"))/" "$MEMBER"
    printf "SERVICE NAME(USMTP)\nROUTE DOMAIN(*) HOST([127.0.0.1]) PORT(%d)\n" "$port" >>"$MEMBER"
    sed -i 's/MAXSIZE/QUIET(1S) MAXSIZE/' "$MEMBER"
    start_server sink "$(tool smtpsink)" -p "$port" --maildir "$sink"
    wait_for_port "$port"
    sndmsg < <(type_in 'one@far.example, "Zwo" <two@far.example>' 'Bcc: three@far.example' '' \
        'Grüße' . 'schöne Grüße' .f=OTAPXYZ.MYMESSGE.TEXT '')
    head -c 50000 /dev/urandom >"$HOME_DIR/octets"
    sndmsg -s s -a octets four@far.example <<<text
    run "$BUILD/usmtp" -C "$MEMBER" --log stderr --once
    assert_success
    assert_equal "$(find "$SPOOL/mail" -mindepth 1 ! -name '.WAKE')" ''
    assert_equal "$(find "$sink/new" -type f | wc -l)" 4
    tr -d '\r' <"$(grep -rl 'X-Envelope-To: one@far.example' "$sink/new")" >"$SITE/got"
    run cat "$SITE/got"
    assert_line 'From: Chris Doaks <CDoaks@mail.example.org>'
    assert_line 'To: one@far.example, Zwo <two@far.example>'
    refute_output --partial three@far.example
    assert_equal "$(sed '1,/^$/d' "$SITE/got")" "$(printf '.\nschöne Grüße\nthe text of a data set')"
    tr -d '\r' <"$(grep -rl 'filename=octets' "$sink/new")" |
        awk '/filename=octets/ { on = 1; next } /^--/ { on = 0 } on' | base64 -d >"$SITE/octets"
    cmp "$HOME_DIR/octets" "$SITE/octets"
}

# ---- addresses

@test "display names, quoted names, literals and lists over several lines" {
    run sndmsg < <(type_in '"Doe, Joe" <joe@one.example>,' 'a@[10.10.0.1], "q r"@two.example' \
        'Bcc: hidden@three.example' '' 's' 'text' '')
    assert_success
    assert_line -- '-->joe@one.example SPOOLED'
    assert_line -- '-->a@[10.10.0.1] SPOOLED'
    assert_line -- '-->"q r"@two.example SPOOLED'
    assert_line -- '-->hidden@three.example SPOOLED'
    assert_equal "$(mails | wc -l)" 4
    run mail 4
    assert_line 'X-To: <hidden@three.example>'
    assert_line 'To: "Doe, Joe" <joe@one.example>, a@[10.10.0.1], "q r"@two.example'
    refute_line --partial 'hidden@three.example>,'
    assert_equal "$(mail 4 | grep -c hidden)" 1
}

@test "a bad address is marked and asked again" {
    run sndmsg < <(type_in 'a@b.example, joe@@x' 'a@b.example' '' s text '')
    assert_success
    assert_line 'To: '
    assert_line '    a@b.example, joe@@x'
    assert_line --regexp '^                     \^ the domain is not of the form'
    assert_line --partial 'To: CC: Subject:'
    assert_equal "$(mails | wc -l)" 1
}

@test "nicknames and users of this system need no domain" {
    printf ':nick.JOE :name.Joe Doe :addr.joe@example.net\n:nick.team :list.joe, abaker\n' \
        >"$HOME_DIR/.spoolmail.names"
    chown "$who" "$HOME_DIR/.spoolmail.names"
    run sndmsg < <(type_in 'team, czq14cd' '' s text '')
    assert_success
    assert_line -- '-->joe@example.net SPOOLED'
    assert_line -- '-->ABaker@mail.example.org SPOOLED'
    assert_line -- '-->CDoaks@mail.example.org SPOOLED'
    run mail 1
    assert_line "To: Joe Doe <joe@example.net>, Alex Baker <ABaker@mail.example.org>,"
}

@test "a bad file of nicknames is told, and the session goes on" {
    printf ':nick.JOE\n' >"$HOME_DIR/.spoolmail.names"
    chown "$who" "$HOME_DIR/.spoolmail.names"
    run sndmsg < <(type_in 'a@b.example' '' s text '')
    assert_success
    assert_line --partial 'T01SM084W NICKNAMES OF '
    assert_line --partial 'line 1, column 1'
}

@test "who stands in To, CC and Bcc has one copy" {
    run sndmsg < <(type_in 'Bcc: a@b.example' 'a@b.example, A <a@B.EXAMPLE>' 'a@b.example' s text '')
    assert_success
    assert_equal "$(mails | wc -l)" 1
    assert_equal "$(grep -c SPOOLED <<<"$output")" 1
}

@test "1,000 recipients" {
    list=$(for i in {1..1000}; do printf 'user%d@example%d.org,' "$i" "$((i % 7))"; done)
    run sndmsg < <(type_in "${list%,}" '' s text '')
    assert_success
    assert_equal "$(mails | wc -l)" 1000
    assert_equal "$(grep -c ' SPOOLED$' <<<"$output")" 1000
    run mail 1000
    assert_line --index 1 'X-To: <user1000@example6.org>'
    assert_equal "$(mail 1 | awk 'length > 998' | wc -l)" 0
    assert_equal "$(mail 1 | sed -n '/^To: /,/^Subject/p' | grep -o '@' | wc -l)" 1000
}

@test "5,001 recipients are too many, and that is said" {
    list=$(for i in {1..5001}; do printf 'u%d@x.example,' "$i"; done)
    head=${list:0:40000} head=${head%,*},
    run sndmsg < <(type_in "$head" "$(cut -c1-40000 <<<"${list#"$head"}" | sed 's/,[^,]*$/,/')" \
        "u@x.example,$(for i in {6000..8500}; do printf 'u%d@x.example,' "$i"; done)" '' '' s text '')
    assert_output --partial '5,000'
}

# ---- text

@test "escapes: cancel, display, and what only looks like them" {
    run sndmsg < <(type_in a@b.example '' s one two '\x' '\x' '\x' three '\y' '.f' ' ' '\t' '')
    assert_success
    assert_line '(cancelled: two)'
    assert_line '(cancelled: one)'
    assert_line '(nothing to cancel)'
    assert_line 'To: a@b.example'
    assert_line 'Subject: s'
    assert_equal "$(body 1)" "$(printf 'three\n\\y\n.f\n ')"
}

@test "no control character gets through, into the mail or onto the screen" {
    for code in {1..9} {11..31} 127; do
        rm -rf "$SPOOL"/mail/.OFFER*
        printf -v octal '%03o' "$code"
        printf "a@b.example\n\nsub\nbefore\\${octal}after\n\n" >"$SITE/in"
        run sndmsg <"$SITE/in"
        assert_success
        assert_equal "$(LC_ALL=C tr -d '\n\t -~' <<<"$output" | wc -c)" 0
        case $code in
        9) assert_equal "$(body 1)" $'before\tafter' ;;
        *)
            assert_equal "$(body 1)" beforeafter
            assert_line '(1 control character dropped)'
            ;;
        esac
        # In addresses and subjects they are refused.
        printf "a${octal:+\\$octal}@b.example\na@b.example\n\nsub\\${octal}ject\nsub\nx\n\n" >"$SITE/in"
        run sndmsg <"$SITE/in"
        assert_success
        assert_equal "$(LC_ALL=C tr -d '\n -~' <<<"$output" | wc -c)" 0
        ((code == 9)) || assert_line --partial "^ control character X'"
    done
    run sndmsg < <(printf 'a@b.example\n\ns\na\0b\n\n')
    assert_line '(1 control character dropped)'
}

@test "C1, right-to-left overrides and bad UTF-8" {
    printf 'a@b.example\n\nsub\342\200\256ject\nsub\nC1 \302\233 rtl \342\200\256 \342\201\246 bad \377 end\n\\t\n\n' \
        >"$SITE/in"
    run sndmsg <"$SITE/in"
    assert_success
    assert_line '    sub\u{202E}ject'
    assert_line '(3 control characters dropped)'
    assert_line '(1 octet is no UTF-8: replaced by U+FFFD)'
    assert_equal "$(body 1)" $'C1  rtl   bad \357\277\275 end'
    run mail 1
    assert_line 'Content-Type: text/plain; charset=UTF-8'
    assert_line 'Content-Transfer-Encoding: 8bit'
    assert_line 'MIME-Version: 1.0'
}

@test "a line of a megabyte is refused as a whole, at each prompt" {
    long=$(head -c 1000000 /dev/zero | tr '\0' x)
    run sndmsg < <(type_in "$long" a@b.example "$long,$long" '' "$long" s "$long" text '')
    assert_success
    assert_equal "$(grep -c 'too long and was not taken' <<<"$output")" 4
    assert_equal "$(body 1)" text
}

@test "the marks of pasted text are removed on a pipe as well" {
    run sndmsg < <(printf '\033[200~a@b.example\033[201~\n\ns\n\033[200~text\033[201~\n\n')
    assert_success
    assert_equal "$(body 1)" text
}

@test "other text than ASCII: encoded words, UTF-8, and the locale's charset" {
    run sndmsg -s 'Grüße' 'Jörg <j@x.example>' <<<'schöne Grüße'
    assert_success
    run mail 1
    assert_line --regexp '^Subject: =\?UTF-8\?[bq]\?.*\?=$'
    assert_line --regexp '^To: =\?UTF-8\?[bq]\?.*\?= <j@x.example>$'
    assert_equal "$(body 1)" 'schöne Grüße'
}

@test "without a locale, as from cron, text is UTF-8" {
    USER_LOCALE= run sndmsg -s 'Grüße' a@b.example <<<'schöne Grüße'
    assert_success
    assert_equal "$(body 1)" 'schöne Grüße'
}

@test "a terminal of another charset: in and out" {
    mkdir "$SITE/locales"
    localedef -i de_DE -f ISO-8859-1 "$SITE/locales/de_DE.ISO-8859-1" 2>/dev/null ||
        skip 'needs the sources of locales'
    run as_user env LOCPATH="$SITE/locales" LC_ALL=de_DE.ISO-8859-1 "$SITE/sndmsg" -C "$MEMBER" \
        < <(printf 'J\366rg <j@x.example>\n\ngr\374n\nsch\366n \245\n\\t\n\n')
    assert_success
    assert_output --partial $'To: J\xf6rg <j@x.example>'
    assert_output --partial $'sch\xf6n \xa5'
    assert_equal "$(body 1)" 'schön ¥'
    run as_user env LOCPATH="$SITE/locales" LC_ALL=de_DE.ISO-8859-1 "$SITE/sndmsg" -C "$MEMBER" \
        -s $'gr\374n' a@b.example < <(printf '\344')
    assert_success
    assert_equal "$(mails | wc -l)" 2
    assert_equal "$(cat $(mails) | grep -c '^ä$')" 1
}

@test "a long line becomes quoted-printable" {
    printf 'x%.0s' {1..2000} >"$SITE/long"
    run sndmsg -s s a@b.example <"$SITE/long"
    assert_success
    run mail 1
    assert_line 'Content-Transfer-Encoding: quoted-printable'
    assert_equal "$(body 1 | awk 'length > 76' | wc -l)" 0
    assert_equal "$(body 1 | sed 's/=$//' | tr -d '\n' | wc -c)" 2000
}

# ---- files

@test ".f= includes a data set or a path, at once" {
    printf 'of a path\n' >"$HOME_DIR/file"
    run sndmsg < <(type_in a@b.example '' s before .f=OTAPXYZ.MYMESSGE.TEXT .f=./file after '')
    assert_success
    assert_equal "$(body 1)" "$(printf 'before\nthe text of a data set\nof a path\nafter')"
}

@test ".f= with a code page" {
    printf '\310\205\223\223\226\025' >"$HOME_DIR/ebcdic"
    run sndmsg < <(type_in a@b.example '' s .f=./ebcdic,IBM-1047 '')
    assert_success
    assert_equal "$(body 1)" Hello
}

@test ".f= of what cannot be included has its message, and the session goes on" {
    cd "$HOME_DIR"
    mkfifo fifo
    ln -s loop loop
    printf 'a\0b' >nul
    printf 'a\377b' >bad
    printf 'x\n.f=y\n' >nested
    head -c 210000000 /dev/zero | tr '\0' x >huge
    (umask 077 && echo secret >secret)
    ((EUID == 0)) || chmod 0 secret
    run sndmsg < <(type_in a@b.example '' s one \
        .f=./fifo .f=/dev/tty .f=/dev/zero .f=/tmp .f=./loop .f=./none .f=NO.SUCH.DATASET \
        .f=./secret .f=./nul .f=./bad .f=./nested .f=./huge .f=./bad,NOPAGE .f= two '')
    assert_success
    assert_line 'T01SM074W UNABLE TO OPEN FILE ./fifo, REASON: IT IS A FIFO'
    assert_line 'T01SM074W UNABLE TO OPEN FILE /dev/tty, REASON: IT IS A DEVICE'
    assert_line 'T01SM074W UNABLE TO OPEN FILE /dev/zero, REASON: IT IS A DEVICE'
    assert_line 'T01SM074W UNABLE TO OPEN FILE /tmp, REASON: IT IS A DIRECTORY'
    assert_line 'T01SM074W UNABLE TO OPEN FILE ./loop, REASON: Too many levels of symbolic links'
    assert_line 'T01SM074W UNABLE TO OPEN FILE ./none, REASON: No such file or directory'
    assert_line --partial 'T01SM070W ACCESS TO INCLUDE FILE DENIED: NO.SUCH.DATASET'
    assert_line --partial 'T01SM071W ACCESS TO INCLUDE FILE DENIED: ./secret - CODE 5'
    assert_line 'T01SM075W FILE ./nul IS NO TEXT: OCTET 2 IS NUL'
    assert_line 'T01SM076W FILE ./bad IS NOT IN CODE PAGE UTF-8: LOOK AT OCTET 2'
    assert_line 'T01SM073W RECURSION ERROR IN FILE ./nested: ITS LINE 2 BEGINS WITH .F='
    assert_line --partial 'T01SM078W FILE ./huge IS TOO LARGE'
    assert_line 'T01SM079W CODE PAGE NOPAGE IS NOT KNOWN'
    assert_line --partial '^ name a data set or a path behind .f='
    assert_equal "$(body 1)" "$(printf 'one\ntwo')"
}

@test ".f= of a file that grows" {
    cd "$HOME_DIR"
    head -c 60000000 /dev/zero | tr '\0' '\n' >growing
    (while sleep 0.005; do echo more >>growing || exit; done) 3>&- &
    writer=$!
    run sndmsg < <(type_in a@b.example '' s one .f=./growing two '')
    kill "$writer"
    assert_success
    assert_line 'T01SM077W FILE ./growing CHANGED WHILE IT WAS READ'
    assert_equal "$(body 1)" "$(printf 'one\ntwo')"
}

@test "100 MiB are included and attached within 150 MiB" {
    [[ $(nm -D "$SITE/sndmsg" 2>/dev/null) != *asan* ]] || skip 'the sanitizer needs more'
    cd "$HOME_DIR"
    yes 'A line of text, some sixty octets of it, no more and no less' | head -c 104857600 >big
    run bash -c 'ulimit -v 153600; "$@" <<END
a@b.example

s
.f=./big
.a=./OTHER

END' - "${bare[@]}" "${user_is[@]}" "$SITE/sndmsg" -C "$MEMBER"
    assert_success
    assert_line '-->a@b.example SPOOLED'
    cmp <(body 1) <(cat big; tail -c 1 big | grep -q . && echo)
    rm -rf "$SPOOL"/mail/.OFFER*
    run bash -c 'ulimit -v 153600; exec "$@" </dev/null' - "${bare[@]}" "${user_is[@]}" "$SITE/sndmsg" -C "$MEMBER" -s s -a big a@b.example
    assert_success
    cmp big <(mail 1 | awk '/filename=big/ { on = 1; next } /^--/ { on = 0 } on' | base64 -d)
}

@test ".a= attaches: type, base64, the name in RFC 2231" {
    printf 'a;b\n' >"$HOME_DIR/Grüße aus Wien.csv"
    head -c 300 /dev/urandom >"$HOME_DIR/x.bin"
    run sndmsg < <(type_in a@b.example '' s text '.a=./Grüße aus Wien.csv' .a=./x.bin '')
    assert_success
    assert_line '(4 octets attached as text/csv)'
    assert_line '(300 octets attached as application/octet-stream)'
    run mail 1
    assert_line --regexp '^Content-Type: multipart/mixed; boundary='
    assert_line 'Content-Type: text/csv; charset=US-ASCII;'
    assert_line --partial "filename*=UTF-8''Gr%C3%BC%C3%9Fe%20aus%20Wien.csv"
    assert_line 'Content-Disposition: attachment; filename=x.bin'
    cmp "$HOME_DIR/x.bin" \
        <(mail 1 | awk '/filename=x.bin/ { on = 1; next } /^--/ { on = 0 } on' | base64 -d)
}

# ---- who sends

@test "no entry in the user table: refused, with the administrator's step" {
    printf 'ABCDEF ABaker LOGIN(no-such-user)\n' >"$SITE/USERTBL"
    run sndmsg < <(type_in a@b.example '' s text '')
    assert_equal "$status" 77
    assert_line --index 0 "T01SM080E USER $who MAY NOT SEND MAIL: NO ENTRY IN THE USER TABLE $SITE/USERTBL"
    assert_line --index 1 --partial "Ask the administrator to add a line to it, such as:"
    assert_line --index 1 --partial "LOGIN($who)"
    expect_nothing_spooled
}

@test "--check says as whom one sends" {
    run sndmsg --check
    assert_success
    assert_output "sndmsg: $who sends as CDoaks@mail.example.org"
}

@test "nothing is setuid or setgid" {
    run find "$BUILD/sndmsg" -perm /6000
    assert_output ''
}

# ---- scripts

@test "from a script: no dialogue, no output, exit status 0" {
    run sndmsg -s 'new test' -c c@d.example -b e@f.example -r r@s.example a@b.example g@h.example \
        <<<$'line\n.f=/etc/passwd\n\\x\n\nafter an empty line'
    assert_success
    assert_output ''
    assert_equal "$(mails | wc -l)" 4
    assert_equal "$(body 1)" $'line\n.f=/etc/passwd\n\\x\n\nafter an empty line'
    run mail 1
    assert_line 'To: a@b.example, g@h.example'
    assert_line 'Cc: c@d.example'
    assert_line 'Reply-To: r@s.example'
    refute_output --partial e@f.example
}

@test "from a script: -v, -E, -a" {
    run sndmsg -v -s s a@b.example <<<text
    assert_success
    assert_output '-->a@b.example SPOOLED'
    rm -rf "$SPOOL"/mail/.OFFER*
    run sndmsg -E -s s a@b.example </dev/null
    assert_success
    expect_nothing_spooled
    run sndmsg -s s a@b.example </dev/null
    assert_success
    assert_equal "$(mails | wc -l)" 1
    run sndmsg -s s -a "$SITE/USERTBL" -a /no/such/file a@b.example </dev/null
    assert_equal "$status" 66
    assert_line --partial 'T01SM074W'
    assert_equal "$(mails | wc -l)" 1
}

@test "from a script: exit statuses" {
    run sndmsg -s s 'a@@b' <<<text
    assert_equal "$status" 65
    assert_output --partial 'sndmsg: recipients: column 3: the domain is not'
    run sndmsg -s s nobody-here <<<text
    assert_equal "$status" 67
    assert_output --partial 'no nickname and no user here is called nobody-here'
    run sndmsg -s s -c '"open' a@b.example <<<text
    assert_equal "$status" 65
    assert_output --partial 'sndmsg: -c: column'
    run sndmsg -s $'red \e[31m' a@b.example <<<text
    assert_equal "$status" 65
    assert_output "sndmsg: -s: control character X'1B': remove it"
    run sndmsg -s s a@b.example < <(printf 'a\0b')
    assert_equal "$status" 65
    assert_output 'T01SM075W FILE standard input IS NO TEXT: OCTET 2 IS NUL'
    run sndmsg -s s a@b.example < <(printf 'a\377b')
    assert_equal "$status" 65
    run as_user sh -c 'exec "$@" <&-' - "$SITE/sndmsg" -C "$MEMBER" -s s a@b.example
    assert_equal "$status" 65
    assert_output 'T01SM072W FILE ERROR Bad file descriptor IN FILE standard input'
    run as_user sh -c 'exec "$@" <&- >&-' - "$SITE/sndmsg" -C "$MEMBER"
    assert_failure
    run sndmsg --frob
    assert_equal "$status" 64
    run sndmsg -s
    assert_equal "$status" 64
    run as_user "$SITE/sndmsg" -C "$SITE/none" -s s a@b.example <<<text
    assert_equal "$status" 78
    echo 'A b c' >"$SITE/USERTBL"
    run sndmsg -s s a@b.example <<<text
    assert_equal "$status" 78
    assert_output --partial "USERTBL: line 1, column"
    expect_nothing_spooled
}

@test "what comes from the command line or the configuration is shown safely" {
    run sndmsg -s s $'\e]0;x\a@b' <<<text
    refute_output --partial $'\e'
    run as_user "$SITE/sndmsg" -C $'/no\e[2Jsuch' <<<text
    refute_output --partial $'\e'
}

@test "a message over MAXSIZE" {
    sed -i 's/200M/64K/' "$MEMBER"
    run sndmsg -s s a@b.example < <(head -c 70000 /dev/zero | tr '\0' 'x')
    assert_equal "$status" 65
    assert_output --partial 'T01SM078W'
    run sndmsg -s s a@b.example < <(head -c 65500 /dev/zero | tr '\0' 'x')
    assert_equal "$status" 65
    assert_output --partial 'T01SM085E MESSAGE TOO LARGE'
    expect_nothing_spooled
}

# ---- the spool

@test "the spool missing or closed is told before anything is typed" {
    ((EUID == 0)) || skip 'needs root'
    chmod 700 "$SPOOL/mail"
    for args in '' '-s s a@b.example'; do
        # shellcheck disable=SC2086 # words
        run sndmsg $args <<<a@b.example
        assert_equal "$status" 73
        assert_output --partial 'T01SM081E NOT SPOOLED: '
        refute_output --partial 'To:'
    done
    rmdir "$SPOOL/mail"
    run sndmsg -s s a@b.example <<<text
    assert_equal "$status" 73
    rm -rf "$SPOOL"
    run sndmsg -s s a@b.example <<<text
    assert_equal "$status" 73
}

@test "a spool that is closed in the middle: not spooled, and the draft stays" {
    ((EUID == 0)) || skip 'needs root'
    session
    type_line a@b.example
    press Enter
    type_line s
    type_line text
    wait_screen '^text$'
    chmod 700 "$SPOOL/mail"
    press Enter
    run session_status
    assert_equal "$status" 73
    run screen
    assert_line --partial -- "-->a@b.example NOT SPOOLED: the spool's directory mail is closed to you"
    assert_line --partial '(nothing was sent; the draft is kept'
    assert_equal "$(drafts | wc -l)" 1
}

@test "mail/ without its setgid bit is told" {
    ((EUID == 0)) || skip 'needs root'
    chmod 1733 "$SPOOL/mail"
    chmod g-s "$SPOOL/mail"
    run sndmsg -s s a@b.example <<<text
    assert_equal "$status" 73
    assert_output --partial 'setgid'
    expect_nothing_spooled
}

# A full disk at each call that changes a file: accepted if and only if that is what was said, whole,
# and nothing left of it otherwise but what the sweeper removes.
@test "ENOSPC at each file-changing call of a script: all or none" {
    killat=$(tool killat)
    as_user true # the environment of the count is that of the runs
    count=$(cd "$HOME_DIR" && "$killat" -o /dev/stdout count -- "${bare[@]}" "${user_is[@]}" "$SITE/sndmsg" -C "$MEMBER" -s s -a "$SITE/USERTBL" a@b.example c@d.example \
        <<<text | tail -1)
    ((count > 10))
    for ((n = 1; n <= count; n++)); do
        rm -rf "$SPOOL"/mail/.OFFER*
        run "$killat" -o /dev/null fail "$n" ENOSPC -- "${bare[@]}" "${user_is[@]}" "$SITE/sndmsg" -C "$MEMBER" -s s -a "$SITE/USERTBL" a@b.example \
            c@d.example <<<text
        if ((status == 0)); then
            assert_equal "$(mails | wc -l)" 2
            assert_equal "$(grep -c '^To: a@b.example, c@d.example$' "$(mails | head -1)")" 1
            assert_equal "$(mail 1 | grep -c '^--.*--$')" 1
        elif [[ $output == *T01SM082E* ]]; then
            assert_equal "$status" 74 # in doubt: the rename was done
            assert_equal "$(mails | wc -l)" 2
        else
            [[ $status == 73 || $status == 75 || $status == 65 ]] || fail "call $n: status $status: $output"
            assert_output --regexp 'T01SM(081|086)E'
            assert_equal "$(mails | wc -l)" 0
        fi
    done
}

@test "ENOSPC at each file-changing call of a session: SPOOLED is only said of what is" {
    killat=$(tool killat)
    type_in a@b.example c@d.example s text ".f=OTAPXYZ.MYMESSGE.TEXT" '\x' '' >"$SITE/in"
    count=$("$killat" -o /dev/stdout count -- "${bare[@]}" "${user_is[@]}" "$SITE/sndmsg" -C "$MEMBER" <"$SITE/in" | tail -1)
    ((count > 20))
    for ((n = 1; n <= count; n++)); do
        rm -rf "$SPOOL"/mail/.OFFER* "$HOME_DIR/.local"
        run "$killat" -o /dev/null fail "$n" ENOSPC -- "${bare[@]}" "${user_is[@]}" "$SITE/sndmsg" -C "$MEMBER" <"$SITE/in"
        if [[ $output == *' SPOOLED'* && $output != *'NOT SPOOLED'* ]]; then
            assert_equal "$(mails | wc -l)" 2
            assert_equal "$status" 0
            # What the disk did not take of the text was told.
            [[ $(body 1) == text ]] || assert_output --partial T01SM086E
        else
            ((status != 0)) || fail "call $n: status 0: $output"
            [[ $output == *T01SM082E* ]] || assert_equal "$(mails | wc -l)" 0
        fi
    done
}

@test "killed before each file-changing call: a whole offer or none, and the draft" {
    killat=$(tool killat)
    type_in a@b.example c@d.example s text '' >"$SITE/in"
    count=$("$killat" -o /dev/stdout count -- "${bare[@]}" "${user_is[@]}" "$SITE/sndmsg" -C "$MEMBER" <"$SITE/in" | tail -1)
    for ((n = 1; n <= count; n++)); do
        rm -rf "$SPOOL"/mail/.OFFER* "$HOME_DIR/.local"
        run "$killat" -o /dev/null before "$n" -- "${bare[@]}" "${user_is[@]}" "$SITE/sndmsg" -C "$MEMBER" <"$SITE/in"
        assert_equal "$status" 137
        if [[ -n $(mails) ]]; then
            assert_equal "$(mails | wc -l)" 2
            assert_equal "$(body 2)" text
        else
            refute_output --partial SPOOLED
        fi
    done
}

# ---- the draft

@test "the end of input at each prompt leaves the draft, of what was typed" {
    typed=(a@b.example c@d.example subject 'first line')
    for n in 0 1 2 3 4; do
        rm -rf "$HOME_DIR/.local"
        run sndmsg < <(((n > 0)) && type_in "${typed[@]:0:n}")
        assert_equal "$status" 65
        if ((n == 0)); then
            assert_equal "$(drafts)" ''
        else
            assert_output --partial '(nothing was sent; the draft is kept'
            assert_equal "$(cat "$(drafts)")" "$(printf ' %s\n' "${typed[@]:0:n}")"
            assert_equal "$(stat -c '%a %U' "$(drafts)")" "600 $who"
        fi
        expect_nothing_spooled
    done
}

@test "a terminal that goes away at each prompt leaves the draft, the line in hand included" {
    typed=(a@b.example c@d.example subject 'first line')
    prompts=('^To:' '^CC:' '^Subject:' '^Enter message' '^first line')
    for n in 0 1 2 3 4; do
        rm -rf "$HOME_DIR/.local"
        NAME=s$n session
        for line in "${typed[@]:0:n}"; do
            NAME=s$n type_line "$line"
        done
        NAME=s$n wait_screen "${prompts[n]}"
        NAME=s$n type_text 'half'
        NAME=s$n wait_screen 'half$'
        pid=$(NAME=s$n session_pid)
        tmux -S "$socket" kill-pane -t "s$n"
        wait_until 10 process_gone "$pid"
        expect_nothing_spooled
        case $n in
        0) assert_equal "$(drafts)" '' ;;
        [12]) assert_equal "$(cat "$(drafts)")" "$(printf ' %s\n' "${typed[@]:0:n}")" ;;
        *) assert_equal "$(cat "$(drafts)")" "$(printf ' %s\n' "${typed[@]:0:n}")
+half" ;;
        esac
    done
}

@test "SIGTERM and SIGKILL leave the draft, and the next session goes on with it" {
    for signal in TERM KILL; do
        rm -rf "$HOME_DIR/.local"
        NAME=$signal session
        NAME=$signal type_line 'a@b.example, Joe <j@x.example>'
        NAME=$signal type_line 'Bcc: b@x.example'
        NAME=$signal type_line ''
        NAME=$signal type_line 'subject'
        NAME=$signal type_line one
        NAME=$signal type_line two
        NAME=$signal type_line '\x'
        NAME=$signal type_line .f=OTAPXYZ.MYMESSGE.TEXT
        NAME=$signal wait_screen included
        pid=$(NAME=$signal session_pid)
        kill "-$signal" "$pid"
        NAME=$signal wait_until 10 session_over
        NAME=$signal-2 session
        NAME=$signal-2 wait_screen 'Y goes on with it, N discards it, Enter leaves it:'
        NAME=$signal-2 type_line y
        NAME=$signal-2 wait_screen 'lines of text so far'
        NAME=$signal-2 type_line three
        NAME=$signal-2 press Enter
        NAME=$signal-2 session_status
        assert_equal "$(mails | wc -l)" 3
        assert_equal "$(body 1)" "$(printf 'one\nthe text of a data set\nthree')"
        assert_equal "$(drafts)" ''
        rm -rf "$SPOOL"/mail/.OFFER*
    done
}

@test "a draft can be left or discarded" {
    run sndmsg < <(type_in a@b.example '' s text)
    session
    wait_screen 'Y goes on'
    press Enter
    wait_screen '^To:'
    type_line c@d.example
    press Enter
    type_line s
    press Enter
    session_status
    assert_equal "$(mails | wc -l)" 1
    assert_equal "$(drafts | wc -l)" 1
    NAME=t session
    NAME=t wait_screen 'Y goes on'
    NAME=t type_line N
    NAME=t wait_screen '^To:'
    assert_equal "$(grep -c . "$(drafts)")" 0
    NAME=t press C-d
    NAME=t wait_until 10 session_over
    assert_equal "$(drafts)" ''
}

@test "two sessions side by side keep two drafts" {
    NAME=one session
    NAME=one type_line a@b.example
    NAME=one wait_screen '^CC:'
    NAME=two session
    NAME=two wait_screen '^To:'
    NAME=two type_line c@d.example
    NAME=two wait_screen '^CC:'
    assert_equal "$(cat "$HOME_DIR/.local/state/spoolmail/draft")" ' a@b.example'
    assert_equal "$(cat "$HOME_DIR/.local/state/spoolmail/draft.1")" ' c@d.example'
}

@test "without a place for the draft the session goes on, and says so" {
    ((EUID == 0)) || skip 'needs root'
    chown 0 "$HOME_DIR"
    session
    run screen
    assert_line --partial 'T01SM083W THE DRAFT CANNOT BE KEPT'
    type_line a@b.example
    press Enter
    type_line s
    press Enter
    session_status
    assert_equal "$(mails | wc -l)" 1
}

# ---- at the terminal

@test "an interrupt asks before it discards" {
    session
    type_line a@b.example
    press Enter
    type_line s
    type_line text
    type_text 'not this'
    wait_screen 'not this$'
    press C-c
    wait_screen 'Discard this message? (Y/N)'
    type_line n
    type_line more
    wait_screen '^more$'
    press C-c
    wait_screen 'Discard this message? (Y/N)$'
    press C-c
    run session_status
    assert_equal "$status" 130
    assert_equal "$(drafts | wc -l)" 1
    assert_equal "$(tail -1 "$(drafts)")" ' more'
    NAME=t session
    NAME=t type_line y
    NAME=t wait_screen 'so far'
    NAME=t press C-c
    NAME=t wait_screen 'Discard this message'
    NAME=t type_line y
    NAME=t run session_status
    assert_equal "$status" 130
    assert_equal "$(drafts)" ''
    expect_nothing_spooled
}

@test "an interrupt before anything is typed just ends" {
    session
    wait_screen '^To:'
    press C-c
    run session_status
    assert_equal "$status" 130
    refute screen_has 'Discard this'
}

@test "pasted text is text: no commands, no end at an empty line, no control characters" {
    session
    type_line a@b.example
    press Enter
    type_line s
    wait_screen '^Enter message'
    printf 'first\n\n.f=/etc/passwd\n\\x\nred \033[31m \342\200\256 end\nno end' | paste_in
    wait_screen '^no end'
    type_line ' typed'
    type_line '\t'
    wait_screen '^Subject: s$'
    press Enter
    session_status
    assert_equal "$(body 1)" "$(printf 'first\n\n.f=/etc/passwd\n\\x\nred [31m  end\nno end typed')"
    refute screen_has '(1 control'
}

@test "control keys do no harm, and what is typed literally is dropped" {
    session
    type_line a@b.example
    press Enter
    type_line s
    wait_screen '^Enter message'
    type_text keep
    press C-a C-b C-e C-f C-g C-k C-n C-p C-t C-x C-y C-_ 'C-]' 'C-^' C-e
    press C-u
    type_text 'kept '
    press C-v Escape
    type_line '[31m'
    wait_screen '(1 control character dropped)'
    press Enter
    session_status
    assert_equal "$(body 1)" 'kept [31m'
}

@test "a pasted line of a megabyte is refused as a whole" {
    session
    type_line a@b.example
    press Enter
    type_line s
    wait_screen '^Enter message'
    { head -c 1000000 /dev/zero | tr '\0' x; echo; } | paste_in
    wait_screen 'too long and was not taken'
    type_line text
    press Enter
    session_status
    assert_equal "$(body 1)" text
}

@test "completion of addresses and files, and history" {
    echo text >"$HOME_DIR/one file"
    session
    type_text cdo
    press Tab
    wait_screen '^To: CDoaks$'
    type_text ', ab'
    press Tab
    wait_screen '^To: CDoaks, ABaker$'
    press Enter
    press Up Enter
    wait_screen '^CC: CDoaks, ABaker$'
    type_line s
    wait_screen '^Enter message'
    type_text '.f=./one'
    press Tab
    wait_screen '^.f=./one file$'
    press Enter
    wait_screen '(1 line included)'
    type_text 'a'
    press Tab
    type_line b
    press Enter
    session_status
    assert_equal "$(mails | wc -l)" 2
    assert_equal "$(body 1)" $'text\na\tb'
}

@test "options answer prompts" {
    session -c c@d.example -b b@x.example -a "$SITE/USERTBL" a@b.example
    wait_screen '^Subject:'
    run screen
    assert_line 'To: Bcc: b@x.example'
    assert_line 'To: a@b.example'
    assert_line 'CC: c@d.example'
    type_line s
    wait_screen 'attached as text/plain'
    press Enter
    session_status
    assert_equal "$(mails | wc -l)" 3
}

@test "a bad option is asked for, and the others still answer" {
    session -c c@d.example 'a@@b'
    wait_screen '\^ the domain'
    type_line a@b.example
    wait_screen '^CC: c@d.example$'
    wait_screen '^Subject:'
}

@test "the manual page is in order" {
    command -v mandoc >/dev/null || skip 'needs mandoc'
    run mandoc -T lint -W warning "$ROOT/sndmsg/sndmsg.1"
    assert_output ''
}

@test "--help and --version" {
    run sndmsg --help
    assert_success
    assert_line --index 0 --partial 'usage: sndmsg'
    run sndmsg --version
    assert_output --regexp '^sndmsg \(spoolmail\) [0-9]+\.[0-9]+\.[0-9]+$'
}
