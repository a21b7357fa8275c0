# The scenarios: each step of each program's work. The words are explained in crash.bash.
# shellcheck shell=bash
# shellcheck disable=SC2016 # the texts are evaluated later

# spool4

row spool4-good 'one job for two recipients'
prepare 'drop a one@far.example two@far.example'
command_is 'spool4 --once'
recover 'spool4 --once'
expect '1 mail one@far.example a' '1 mail two@far.example a'
unread a 'mail one@far.example a' 'mail two@far.example a'

row spool4-first 'a start makes folders: each has its mode as soon as it has its name'
prepare 'drop a one@far.example two@far.example' \
    'printf "%s\n" "find \"\$SPOOL\" -mindepth 1 -type d -printf \"%P %m\n\" | sort | diff \"\$1\" -" >"$WORK/modes"' \
    'bash "$WORK/modes" /dev/null | sed -n "s/^> //p" >"$WORK/modes.are"' \
    'rmdir "$SPOOL"/jes/{POST,PRT,HOLD,DEAD,SUBMIT} && rm -r "$SPOOL/mail"'
command_is 'spool4 --once'
recover 'spool4 --once' 'bash "$WORK/modes" "$WORK/modes.are"'
expect '1 mail one@far.example a' '1 mail two@far.example a'
unread a 'mail one@far.example a' 'mail two@far.example a'

row spool4-many 'so many data sets that one syncfs serves them, from several jobs'
prepare 'drop a one@far.example two@far.example three@far.example four@far.example' \
    'drop b one@far.example two@far.example three@far.example four@far.example' \
    'drop c:1500 one@far.example two@far.example'
command_is 'spool4 --once'
recover 'spool4 --once'
for id in a b; do
    for to in one two three four; do
        expect "1 mail $to@far.example $id"
    done
    unread "$id" "mail one@far.example $id" "mail two@far.example $id" \
        "mail three@far.example $id" "mail four@far.example $id"
done
expect '1 mail one@far.example c' '1 mail two@far.example c'
unread c 'mail one@far.example c' 'mail two@far.example c'

row spool4-units 'several units: each but the last is committed while the next is written'
keywords 'UNIT(2)'
prepare 'drop a one@far.example two@far.example' 'drop b three@far.example' \
    '{ printf "X-From: $FROM\n\n"; body c; } | into "$SPOOL/jes/RMT21" faulty' \
    'drop d four@far.example' 'drop e five@far.example'
command_is 'spool4 --once'
recover 'spool4 --once'
expect '1 mail one@far.example a' '1 mail two@far.example a' '1 mail three@far.example b' \
    '1 mail four@far.example d' '1 mail five@far.example e' '1 HOLD faulty c' \
    '1 HOLD faulty.REASON -' '1 POST CZQ14CD@MYHOST -'
unread a 'mail one@far.example a' 'mail two@far.example a'
unread b 'mail three@far.example b'
unread d 'mail four@far.example d'
unread e 'mail five@far.example e'

row spool4-large 'a text so large that its copies share extents where they can'
prepare 'drop a:2300 one@far.example two@far.example'
command_is 'spool4 --once'
recover 'spool4 --once'
expect '1 mail one@far.example a' '1 mail two@far.example a'
unread a 'mail one@far.example a' 'mail two@far.example a'

row spool4-batch 'Batch SMTP: two mails in one file'
prepare '{ printf "HELO host\nMAIL FROM:<$FROM>\nRCPT TO:<one@far.example>\nRCPT TO:<two@far.example>\nDATA\nSubject: a\n\n"; body a; printf ".\nMAIL FROM:<$FROM>\nRCPT TO:<three@far.example>\nDATA\nSubject: b\n\n"; body b; printf ".\nQUIT\n"; } | into "$SPOOL/jes/RMT21" batch'
command_is 'spool4 --once'
recover 'spool4 --once'
expect '1 mail one@far.example a' '1 mail two@far.example a' '1 mail three@far.example b'
unread batch 'mail one@far.example a' 'mail two@far.example a' 'mail three@far.example b'

row spool4-submitted 'what ssmtp took for the outside'
prepare '{ printf "X-From: <$FROM>\nX-To: <one@far.example>\nX-To: <two@far.example>\nReceived: by x\nSubject: a\n\n"; body a; } | into "$SPOOL/jes/SUBMIT" SSMTP.JOB00012.D0000001.MAIL.T'
command_is 'spool4 --once'
recover 'spool4 --once'
expect '1 mail one@far.example a' '1 mail two@far.example a'
unread SSMTP.JOB00012.D0000001.MAIL.T 'mail one@far.example a' 'mail two@far.example a'

row spool4-moved 'the same for one recipient: a rename makes a data set of it; a stranger has a coming name'
prepare 'echo 00000150000000000001 >"$SPOOL/work/NAMES"' \
    'mail s "$FROM" three@far.example >"$SPOOL/mail/OUT.D47195.T0240000.N0002"' \
    'submitted a one@far.example | into "$SPOOL/jes/SUBMIT" SSMTP.JOB00012.D0000001.MAIL.T' \
    'submitted b two@far.example | into "$SPOOL/jes/SUBMIT" SSMTP.JOB00012.D0000002.MAIL.T' \
    'submitted c one@far.example two@far.example | into "$SPOOL/jes/SUBMIT" SSMTP.JOB00012.D0000003.MAIL.T'
command_is 'spool4 --once'
recover 'spool4 --once'
expect '1 mail one@far.example a' '1 mail two@far.example b' '1 mail one@far.example c' \
    '1 mail two@far.example c' '1 mail three@far.example s'
# What cannot be read for a moment is converted.
varies 'mail one@far.example a' 'mail two@far.example b'
unread SSMTP.JOB00012.D0000003.MAIL.T 'mail one@far.example c' 'mail two@far.example c'

row spool4-held 'a faulty file: HOLD with its reason, and a notice'
prepare '{ printf "X-From: $FROM\n\n"; body a; } | into "$SPOOL/jes/RMT21" faulty'
command_is 'spool4 --once'
recover 'spool4 --once'
expect '1 HOLD faulty a' '1 HOLD faulty.REASON -' '1 POST CZQ14CD@MYHOST -'

row spool4-mixed 'good and faulty files in one unit; a name that HOLD has already'
prepare 'drop a one@far.example two@far.example' \
    '{ printf "X-From: $FROM\n\n"; body b; } | into "$SPOOL/jes/HOLD" faulty' \
    '{ printf "X-From: $FROM\n\n"; body c; } | into "$SPOOL/jes/RMT21" faulty' \
    'drop d three@far.example' 'mkfifo "$SPOOL/jes/RMT21/fifo"'
command_is 'spool4 --once'
recover 'spool4 --once'
expect '1 mail one@far.example a' '1 mail two@far.example a' '1 mail three@far.example d' \
    '1 HOLD faulty b' '1 HOLD mark-faulty c' '1 HOLD mark-faulty.REASON -' '1 HOLD fifo fifo' \
    '1 HOLD fifo.REASON -' '2 POST CZQ14CD@MYHOST -'
# The mark stands in the reason and in the notice.
varies 'HOLD mark-faulty.REASON -' 'POST CZQ14CD@MYHOST -'
unread a 'mail one@far.example a' 'mail two@far.example a'
unread d 'mail three@far.example d'

row spool4-taken 'a stranger put files with the coming names into mail/'
prepare 'drop a one@far.example two@far.example' \
    'echo 00000150000000000001 >"$SPOOL/work/NAMES"' \
    'mail s "$FROM" three@far.example >"$SPOOL/mail/OUT.D47195.T0240000.N0002"' \
    'mail t "$FROM" three@far.example >"$SPOOL/mail/OUT.D47195.T0240000.N0003"'
command_is 'spool4 --once'
recover 'spool4 --once'
expect '1 mail one@far.example a' '1 mail two@far.example a' '1 mail three@far.example s' \
    '1 mail three@far.example t'
unread a 'mail one@far.example a' 'mail two@far.example a'

# usmtp

row usmtp-sent 'two data sets are sent and deleted'
prepare 'queue a one@far.example two@far.example'
command_is 'usmtp --once'
recover 'usmtp --once'
expect '1+ far one@far.example a' '1+ far two@far.example a'

row usmtp-many 'several mails over several connections, one of them large'
prepare 'queue a one@far.example two@far.example three@far.example four@far.example' \
    'queue b:3000 one@far.example two@far.example' \
    'queue c one@far.example two@far.example three@far.example four@far.example'
command_is 'usmtp --once'
recover 'usmtp --once'
for id in a c; do
    for to in one two three four; do
        expect "1+ far $to@far.example $id"
    done
done
expect '1+ far one@far.example b' '1+ far two@far.example b'

row usmtp-kept 'refused for now: kept for its retry'
prepare 'queue a later@far.example'
command_is 'usmtp --once'
recover 'usmtp --once'
expect '1 mail later@far.example a'

row usmtp-notice 'refused for good: a notice, and the original in it'
prepare 'queue a no@far.example'
command_is 'usmtp --once'
recover 'usmtp --once'
expect '1 POST CZQ14CD@MYHOST a'

row usmtp-append 'the notice in the form of the S/390'
keywords 'NOTICE(APPEND)'
prepare 'queue a no@far.example'
command_is 'usmtp --once'
recover 'usmtp --once'
expect '1 POST CZQ14CD@MYHOST a'

row usmtp-dead 'refused for good, and nobody to tell: a dead letter'
prepare 'printf "MAIL FROM:<>\nRCPT TO:<no@far.example>\nDATA\nSubject: a\n\n%s\n.\n" "$(body a)" | into "$SPOOL/jes/RMT21" a' \
    'run "spool4 --once"' 'mv "$SPOOL"/mail/OUT.* "$SPOOL/mail/OUT.D26001.T0000000.N0001"'
command_is 'usmtp --once'
recover 'usmtp --once'
expect '1 DEAD OUT.D26001.T0000000.N0001 a' '1 DEAD OUT.D26001.T0000000.N0001.REASON -'

row usmtp-held 'what is no data set: HOLD with its reason'
prepare '{ printf "X-From: $FROM\n\n"; body a; } | into "$SPOOL/mail" stranger'
command_is 'usmtp --once'
recover 'usmtp --once'
expect '1 HOLD stranger a' '1 HOLD stranger.REASON -' '1 POST CZQ14CD@MYHOST -'

row usmtp-expired 'kept before, and now too old: given up'
prepare 'queue a later@far.example' 'run "usmtp --once"' \
    'sed -i "s/^TIME [0-9]*/TIME 9000000/" "$SPOOL/work/CHKPT"'
command_is 'usmtp --once'
recover 'usmtp --once'
expect '1 POST CZQ14CD@MYHOST a'

# Its notice tells what the last try found. Without its age it is tried longer.
varies 'POST CZQ14CD@MYHOST a'
forgets '1 mail later@far.example a'

row usmtp-mixed 'sent, kept, refused, dead and held in one run'
prepare 'queue a one@far.example no@far.example later@far.example two@far.example' \
    '{ printf "X-From: $FROM\n\n"; body s; } | into "$SPOOL/mail" stranger' \
    '{ mail d "<>" no@far.example; } | into "$SPOOL/mail" OUT.D26001.T0000000.N0001'
command_is 'usmtp --once'
recover 'usmtp --once'
expect '1+ far one@far.example a' '1+ far two@far.example a' '1 mail later@far.example a' \
    '1 POST CZQ14CD@MYHOST a' '1 POST CZQ14CD@MYHOST -' '1 HOLD stranger s' '1 HOLD stranger.REASON -' \
    '1 DEAD OUT.D26001.T0000000.N0001 d' '1 DEAD OUT.D26001.T0000000.N0001.REASON -'

row usmtp-unsynced 'data sets that spool4 has put into mail/ but not synced'
prepare 'drop a one@far.example two@far.example'
unsynced 'argv "spool4 --once"; "$KILLAT" --only fsync --path "$SPOOL/mail\$" before 1 -- "${ARGV[@]}" >/dev/null 2>&1'
command_is 'usmtp --once'
recover 'spool4 --once' 'usmtp --once'
expect '1+ far one@far.example a' '1+ far two@far.example a'

# submit

row submit-one 'a job writes one spool file'
needs submit spool4
prepare 'deck "a one@far.example"'
command_is 'submit "$WORK/deck"'
recover 'spool4 --once'
expect 'ack=SPOOLED mail one@far.example a'

row submit-two 'two steps write a spool file each, one large'
needs submit spool4
prepare 'deck "a one@far.example two@far.example" "b:2000 three@far.example four@far.example"'
command_is 'submit "$WORK/deck"'
recover 'spool4 --once'
# When the first is dropped, the second gets its number.
expect 'ack=(?s)^(?!.*is.dropped).*D0000101[^\n]*SPOOLED mail one@far.example a' \
    'ack=(?s)^(?!.*is.dropped).*D0000101[^\n]*SPOOLED mail two@far.example a' \
    'ack=D0000102.*SPOOLED mail three@far.example b' 'ack=D0000102.*SPOOLED mail four@far.example b'

row chain 'submit, spool4 and usmtp one after the other: good, refused and kept recipients'
needs submit spool4 usmtp
prepare 'deck "a one@far.example no@far.example later@far.example"' \
    'script chain "submit $WORK/deck" "spool4 --once" "usmtp --once"'
command_is 'bash "$WORK/chain"'
recover 'spool4 --once' 'usmtp --once'
expect 'ack=SPOOLED mail later@far.example a' 'ack=SPOOLED POST CZQ14CD@MYHOST a' \
    'ack+=SPOOLED far one@far.example a'
# The notice tells how often it was tried.
varies 'POST CZQ14CD@MYHOST a'
unread JOBA.JOB00001.D0000101.SYSUT2.FB80 'mail later@far.example a' 'POST CZQ14CD@MYHOST a' \
    'far one@far.example a'

# sndmsg: what it commits is in mail/ as an offer, which usmtp takes in.

row sndmsg 'a mail for two recipients, typed in'
needs sndmsg usmtp
prepare 'script session "sndmsg -s a one@far.example two@far.example"' \
    '{ body a; echo; } >"$WORK/typed"' 'sed -i "s|\$|<\"$WORK/typed\"|" "$WORK/session"'
command_is 'bash "$WORK/session"'
recover 'usmtp --once'
expect 'ack+=-->\S+.SPOOLED far one@far.example a' 'ack+=-->\S+.SPOOLED far two@far.example a'

row sndmsg-dialogue 'the same, asked for line by line; its draft is no part of the spool'
needs sndmsg usmtp
prepare 'mkdir -p "$WORK/home"' 'script session "env HOME=$WORK/home $BUILD/sndmsg -C $MEMBER"' \
    '{ echo one@far.example, two@far.example; echo; echo a; body a; echo; } >"$WORK/typed"' \
    'sed -i "s|\$|<\"$WORK/typed\"|" "$WORK/session"'
unsynced 'rm -rf "$WORK/home/.local"'
command_is 'bash "$WORK/session"'
recover 'usmtp --once'
expect 'ack+=-->\S+.SPOOLED far one@far.example a' 'ack+=-->\S+.SPOOLED far two@far.example a'

row usmtp-offer 'two offers of sndmsg are taken in, and sent'
needs sndmsg usmtp
prepare '{ body a; echo; } >"$WORK/typed"; argv "sndmsg -s a one@far.example two@far.example"; "${ARGV[@]}" <"$WORK/typed" >/dev/null' \
    '{ body b; echo; } >"$WORK/typed"; argv "sndmsg -s b three@far.example"; "${ARGV[@]}" <"$WORK/typed" >/dev/null'
command_is 'usmtp --once'
recover 'usmtp --once'
expect '1+ far one@far.example a' '1+ far two@far.example a' '1+ far three@far.example b'

# ssmtp

# ssmtp_row NAME TEXT KIB [COUNT]: its journal has so many KiB, 0: none. COUNT: the mail that is then there.
ssmtp_row()
{
    row "$1" "$2"
    needs ssmtp
    statement 'SERVICE NAME(SMTP) MODULE(SSMTP) PORT(@PORT@) ADDRESS(127.0.0.1)'
    prepare '{ printf "%s\n" "<reply 220" "-> EHLO client.example" "<reply 250" "-> MAIL FROM:<a@client.example>" "<reply 250" "-> RCPT TO:<CDoaks@mail.example.org>" "<reply 250" "-> DATA" "<reply 354" "-> Subject: a" "-> "; body a | sed "s/^/-> /"; printf "%s\n" "-> ." "<reply 250" "-> QUIT" "<reply 221"; } >"$WORK/dialogue"' \
        'server receive "$BUILD/tests/smtpplay client --log /dev/stdout 127.0.0.1:$OWN_PORT $WORK/dialogue"' \
        'server restart ":"' \
        "sed -i 's/--per-client/--journal $3 &/' \"\$WORK/receive\" \"\$WORK/restart\""
    command_is 'bash "$WORK/receive"'
    recover 'bash "$WORK/restart"'
    expect "${4:-ack=250.2.0.0.SPOOLED} POST CZQ14CD@MYHOST a"
}

ssmtp_row ssmtp 'a message from the network, synced by itself' 0
ssmtp_row ssmtp-new 'the same by a journal that is to be made' 256
ssmtp_row ssmtp-journal 'the same by a journal that is there' 256
prepare 'bash "$WORK/restart"'

# ssmtp_left NAME TEXT CALL: the same, up to that call on the file that is not shown yet; then a start.
ssmtp_left()
{
    ssmtp_row "$1" "$2" 256 1
    prepare 'bash "$WORK/restart"' \
        "UNDER=\"\$KILLAT --only $3 --path /(.ssmtp-|SSMTP.JOB) before 1 --\" bash \"\$WORK/receive\" >\"\$WORK/left\" 2>&1; grep -q SPOOLED \"\$WORK/left\""
    command_is 'bash "$WORK/restart"'
}

ssmtp_left ssmtp-replay 'a start finds a record that has no file' openat
ssmtp_left ssmtp-show 'a start finds a file that was not shown, its record released' fchmodat

# printer

row printer-mail 'a mail becomes a printout'
needs printer
prepare 'run "printer --once"' \
    '{ printf "X-From: <a@b.example>\nX-To: <CZQ14CD@MYHOST>\nReceived: by x\nFrom: a@b.example\nSubject: a\n\n"; body a; } | into "$SPOOL/jes/PRT" SMTP.JOB00012.D0000001.MAIL.T'
command_is 'printer --once'
recover 'printer --once'
expect '1 print SMTP.JOB#.#.MAIL.T.D#.T#.txt a' '1 print SMTP.JOB#.#.MAIL.T.D#.T#.slip -'
unread SMTP.JOB00012.D0000001.MAIL.T 'print SMTP.JOB#.#.MAIL.T.D#.T#.txt a' \
    'print SMTP.JOB#.#.MAIL.T.D#.T#.slip -'

row printer-both 'a mail as text and PDF, a listing with a faulty record: HOLD with its reason'
needs printer
statement 'PRINTER FORM(BOTH)'
prepare 'run "printer --once"' \
    '{ printf "X-From: <a@b.example>\nX-To: <CZQ14CD@MYHOST>\nReceived: by x\nFrom: a@b.example\nSubject: a\n\n"; body a; } | into "$SPOOL/jes/PRT" SMTP.JOB00012.D0000001.MAIL.T' \
    'printf x | into "$SPOOL/jes/PRT" BAD.JOB00003.D1.A.FB80'
command_is 'printer --once'
recover 'printer --once'
expect '1 print SMTP.JOB#.#.MAIL.T.D#.T#.txt a' '1 print SMTP.JOB#.#.MAIL.T.D#.T#.slip -' \
    '1 print SMTP.JOB#.#.MAIL.T.D#.T#.pdf -' '1 HOLD BAD.JOB00003.D1.A.FB80 -' \
    '1 HOLD BAD.JOB00003.D1.A.FB80.REASON -'
# The PDF has its time in it.
varies 'print SMTP.JOB#.#.MAIL.T.D#.T#.pdf -' 'HOLD BAD.JOB00003.D1.A.FB80.REASON -'
unread SMTP.JOB00012.D0000001.MAIL.T 'print SMTP.JOB#.#.MAIL.T.D#.T#.txt a' \
    'print SMTP.JOB#.#.MAIL.T.D#.T#.slip -' 'print SMTP.JOB#.#.MAIL.T.D#.T#.pdf -'

# postoffice: Maildirs below box/ in the spool, so that they suffer the same.

row post-maildir 'a copy for each of two users; the Maildir of one was begun by an agent that was killed'
needs postoffice
statement 'DELIVER MAILDIR(@SPOOL@/box/%i)'
prepare 'mkdir "$SPOOL/box"' 'mkdir -p -m 700 "$SPOOL/box/ABCDEF/new"' \
    '{ printf "X-From: <a@b.example>\nX-To: <CZQ14CD@MYHOST>\nX-To: <ABCDEF@MYHOST>\nReceived: by x\nSubject: a\n\n"; body a; } | into "$SPOOL/jes/POST" a'
command_is 'postoffice --once'
recover 'postoffice --once'
expect '1 box CZQ14CD@MYHOST a' '1 box ABCDEF@MYHOST a'

row post-begun 'a copy into a Maildir that was begun by an agent that was killed, and nobody else syncs its folder'
needs postoffice
statement 'DELIVER MAILDIR(@SPOOL@/box/%i)'
prepare 'mkdir "$SPOOL/box"' 'mkdir -p -m 700 "$SPOOL/box/ABCDEF/new"' \
    '{ printf "X-From: <a@b.example>\nX-To: <ABCDEF@MYHOST>\nReceived: by x\nSubject: a\n\n"; body a; } | into "$SPOOL/jes/POST" a'
command_is 'postoffice --once'
recover 'postoffice --once'
expect '1 box ABCDEF@MYHOST a'

row post-mixed 'a copy, a mail forwarded, a recipient that is none, and a notice for nobody'
needs postoffice
statement 'DELIVER MAILDIR(@SPOOL@/box/%i)'
prepare 'mkdir "$SPOOL/box"' \
    '{ printf "X-From: <a@b.example>\nX-To: <CZQ14CD@MYHOST>\nX-To: <FORWARDS@MYHOST>\nX-To: <NOBODY@MYHOST>\nReceived: by x\nSubject: a\n\n"; body a; } | into "$SPOOL/jes/POST" a' \
    '{ printf "X-From: <>\nX-To: <NOBODY@MYHOST>\nReceived: by x\nSubject: b\n\n"; body b; } | into "$SPOOL/jes/POST" b'
command_is 'postoffice --once'
recover 'postoffice --once'
expect '1 box CZQ14CD@MYHOST a' '1 mail one@far.example a' '1 mail a@b.example -' '1 HOLD b b' \
    '1 HOLD b.REASON -'

row post-kept 'no LMTP server: kept for its retry'
needs postoffice
statement 'DELIVER LMTP(127.0.0.1:1) DEFAULT(LMTP)'
prepare '{ printf "X-From: <a@b.example>\nX-To: <CZQ14CD@MYHOST>\nReceived: by x\nSubject: a\n\n"; body a; } | into "$SPOOL/jes/POST" a'
command_is 'postoffice --once'
recover 'postoffice --once'
expect '1 POST CZQ14CD@MYHOST a'
