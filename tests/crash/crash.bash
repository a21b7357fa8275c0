# What the crash tests share: the table of scenarios, a throwaway site, putting it back to where it
# was, and the judgement whether every recipient is accounted for exactly once. Sourced.
#
# A driver (sweep, powercut, plant) strikes a scenario's command somewhere, lets its recovery run,
# and calls `judge`. Nothing here decides where to strike. Everything lies below $WORK, which is
# removed at the end; on a tmpfs where there is one, because a sync costs nothing there.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2004 # for the drivers; keys of tables

CRASH=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
ROOT=${CRASH%/tests/crash}
BUILD=${BUILD:-build}
[[ $BUILD == /* ]] || BUILD=$ROOT/$BUILD
KILLAT=$BUILD/tests/killat
INVENTORY=$BUILD/tests/inventory
LIMIT=30 # seconds that any run may take: else it hangs
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:verify_asan_link_order=0}

die()
{
    echo "${0##*/}: $*" >&2
    exit 2
}

for tool in killat inventory smtpsink; do
    [[ -x $BUILD/tests/$tool ]] || die "$BUILD/tests/$tool is missing: run \`make BUILD=$BUILD tools\`"
done

# The table. `row NAME TEXT` begins a scenario, the other words belong to it:
#
#   needs PROGRAM...    skipped, with a word, where one of them is not built
#   keywords TEXT       more for the SMTP statement of the configuration
#   statement TEXT      one more statement of it; @SPOOL@ and @PORT@ (a free one) are replaced
#   prepare TEXT        shell text that brings the site to where the command begins
#   unsynced TEXT       more of it, which a power cut may find not yet synced
#   command TEXT        what is struck: one command; a program's name stands for it with its options
#   recover TEXT        what is run afterwards, untouched; its exit status must be 0
#   expect TEXT...      what the inventory then shows, all of it: COUNT PLACE WHO BODIES
#   varies TEXT         one of these lines whose text need not be that of an untouched run
#   forgets TEXT        one line that may stand for all, when the memory of tries was lost (a hint)
#   unread FILE TEXT... lines that fall away where FILE could not be read: then it lies in HOLD
#
# COUNT is a number; 1+ (sent: at most once more, and only if the strike came between the peer's 250
# and the end of our delete); or ack=REGEX, ack+=REGEX: the same two if the command's output, as far
# as it came, matches (grep -zP), else also 0, but then for all lines with this REGEX.
declare -a ROWS=()
declare -A ABOUT NEEDS KEYWORDS STATEMENTS PREPARE UNSYNCED COMMAND RECOVER EXPECT VARIES UNREAD FORGETS
ROW=

row()
{
    ROW=$1
    ROWS+=("$1")
    ABOUT[$1]=$2
}

add_to()
{
    local -n table=$1
    local text
    shift
    for text in "$@"; do
        table[$ROW]+=$text$'\n'
    done
}

needs() { NEEDS[$ROW]=$*; }
keywords() { KEYWORDS[$ROW]=$*; }
statement() { add_to STATEMENTS "$@"; }
prepare() { add_to PREPARE "$@"; }
unsynced() { add_to UNSYNCED "$@"; }
command_is() { COMMAND[$ROW]=$1; }
recover() { add_to RECOVER "$@"; }
expect() { add_to EXPECT "$@"; }
varies() { add_to VARIES "$@"; }
forgets() { FORGETS[$ROW]=$1; }
unread() { add_to UNREAD "$(printf '%s|' "$@")"; }

# argv TEXT: the command as words in ARGV; what begins with a program of ours gets its options.
declare -a ARGV
argv()
{
    eval "ARGV=($1)"
    case ${ARGV[0]} in
    submit | sndmsg) ARGV=("$BUILD/${ARGV[0]}" -C "$MEMBER" "${ARGV[@]:1}") ;;
    */* | bash | env | faketime) ;;
    *) ARGV=("$BUILD/${ARGV[0]}" -C "$MEMBER" --log stderr "${ARGV[@]:1}") ;;
    esac
}

# Words for `prepare`.

# run TEXT...: commands, as in `recover`.
run()
{
    local text
    for text in "$@"; do
        argv "$text"
        timeout "$LIMIT" "${ARGV[@]}" >>"$WORK/prepare.log" 2>&1 || return
    done
}

# body ID[:LINES]: a sealed body.
body()
{
    local lines=8
    [[ $1 != *:* ]] || lines=${1#*:}
    "$INVENTORY" --seal "${1%:*}" "$lines"
}

# into DIR NAME: standard input becomes a file there, whole at once.
into()
{
    cat >"$WORK/file" && mv "$WORK/file" "$1/.new" && mv "$1/.new" "$1/$2"
}

FROM=CDoaks@mail.example.org USER_OF=CZQ14CD@MYHOST

# submitted ID TO...: what ssmtp writes for the outside; its header lacks nothing.
submitted()
{
    local id=$1
    shift
    printf 'X-From: <%s>\n' "$FROM"
    printf 'X-To: <%s>\n' "$@"
    printf 'Received: by x\nDate: x\nMessage-ID: <%s@x.example>\nFrom: %s\n\n' "$id" "$FROM"
    body "$id"
}

# mail ID[:LINES] FROM TO...: a job's mail with a sealed body.
mail()
{
    local body=$1 from=$2
    shift 2
    printf 'X-From: %s\n' "$from"
    printf 'X-To: %s\n' "$@"
    printf 'Subject: %s\n\n' "${body%:*}"
    body "$body"
}

# drop ID[:LINES] TO...: a job's mail in the queue, under the name ID.
drop()
{
    mail "$1" "$FROM" "${@:2}" | into "$SPOOL/jes/RMT21" "${1%:*}"
}

# queue ID[:LINES] TO...: the same, already converted to data sets.
queue()
{
    drop "$@" && run 'spool4 --once'
}

# deck 'ID[:LINES] TO...'...: $WORK/deck, a job with a step for each argument; a step writes one mail.
deck()
{
    local step n=0
    local -a words
    {
        printf '%s\n' "//JOBA JOB (X),TEST,MSGCLASS=X"
        for step in "$@"; do
            n=$((n + 1))
            read -ra words <<<"$step"
            printf '%s\n' "//S$n EXEC PGM=IEBGENER" '//SYSUT1 DD DATA,DLM=@@'
            mail "${words[0]}" "$FROM" "${words[@]:1}"
            printf '%s\n' '@@' '//SYSUT2 DD SYSOUT=A,DEST=RMT21' '//SYSPRINT DD SYSOUT=*' \
                '//SYSIN DD DUMMY'
        done
        echo //
    } >"$WORK/deck"
}

# script NAME COMMAND...: $WORK/NAME runs them one after the other, each by $UNDER, if that is set.
script()
{
    local text name=$1
    shift
    {
        for text in "$@"; do
            argv "$text"
            printf '%s' "\$UNDER "
            printf '%q ' "${ARGV[@]}"
            echo
        done
    } >"$WORK/$name"
}

# server NAME COMMAND: $WORK/NAME starts ssmtp, runs COMMAND when it listens, and stops it.
server()
{
    argv 'ssmtp --workers 1 --per-client 1000'
    cat >"$WORK/$1" <<EOM
\$UNDER $(printf '%q ' "${ARGV[@]}") 2>"$WORK/ssmtp.log" &
pid=\$!
n=0
until (: </dev/tcp/127.0.0.1/$OWN_PORT) 2>/dev/null; do
    n=\$((n + 1))
    test \$n -lt 100 && kill -0 \$pid 2>/dev/null || break
    sleep 0.02
done
$2
sleep 0.1 # it may listen before it minds a signal
kill \$pid 2>/dev/null
wait \$pid
EOM
}

# The site.

open_work()
{
    local base=${CRASH_DIR:-}
    [[ -n $base ]] || for base in /dev/shm "${TMPDIR:-/tmp}"; do
        [[ -d $base && -w $base ]] && break
    done
    WORK=$(mktemp -d "$base/spoolmail-crash.XXXXXX") || die 'no place to work in'
    export WORK
    SPOOL=$WORK/spool MEMBER=$WORK/site/APPCFG00 FAR=$WORK/far TEMPLATE=$WORK/template
    export SPOOL MEMBER
    SINK=
    trap close_work EXIT
    trap 'exit 130' INT TERM HUP
    mkdir "$WORK/site"
    start_sink
}

close_work()
{
    [[ -z $SINK ]] || kill "$SINK" 2>/dev/null
    [[ -z ${CLEANUP:-} ]] || "$CLEANUP"
    [[ -n ${KEEP:-} ]] || rm -rf "$WORK"
}

# The far end: takes all, but not no@ (550) nor later@ (451).
start_sink()
{
    local tries
    "$BUILD/tests/smtpsink" --port-file "$WORK/port" --maildir "$FAR" --refuse-rcpt '^<?no=550' \
        --refuse-rcpt '^<?later=451' </dev/null >"$WORK/sink.log" 2>&1 3>&- &
    SINK=$!
    for ((tries = 0; tries < 500; tries++)); do
        [[ -s $WORK/port ]] && break
        sleep 0.02
    done
    PORT=$(<"$WORK/port") || die 'the sink does not start'
}

# write_site [KEYWORDS [STATEMENTS]]
write_site()
{
    cat >"$MEMBER" <<EOM
SYSTEM  HOST(mail.example.org) SPOOL($SPOOL)
SMTP    PATH(OUT) REMOTE(RMT21) POSTOFFICE(MYHOST) CATALOG($WORK/site/catalog)
        RETRYINT(1H) RETRYCEIL(2H) RETRYMAX(1D) TIMEGREET(5S) TIMECMD(5S) TIMEDATA(5S)
        TIMEBLOCK(5S) TIMETERM(5S) TIMEALL(10S) USERTABLE($WORK/site/USERTBL) ${1:-}
SERVICE NAME(SPOOL#4)
SERVICE NAME(USMTP)
ROUTE   DOMAIN(*) HOST([127.0.0.1]) PORT($PORT)
${2:-}
EOM
    cat >"$WORK/site/USERTBL" <<EOM
CZQ14CD   CDoaks    LOGIN($(id -un)) 'Chris Doaks'
ABCDEF    ABaker    LOGIN($(id -un)) 'Alex Baker'
FORWARDS  forwards  FORWARD(one@far.example)
POSTMAST  postmaster  FORWARD($FROM)
EOM
    chmod 644 "$MEMBER" "$WORK/site/USERTBL"
    mkdir -p "$WORK/site/catalog"
}

# free_port: a port of loopback that nobody listens on, in OWN_PORT.
free_port()
{
    for ((OWN_PORT = 21000 + RANDOM % 9000; ; OWN_PORT++)); do
        (: <"/dev/tcp/127.0.0.1/$OWN_PORT") 2>/dev/null || break
    done
}

# set_up NAME: an empty spool, prepared for the scenario, kept as the template.
set_up()
{
    ROW=$1
    rm -rf "$SPOOL" "$TEMPLATE"
    : >"$WORK/prepare.log"
    local more=${STATEMENTS[$ROW]:-}
    if [[ $more == *@PORT@* ]]; then
        free_port
        more=${more//@PORT@/$OWN_PORT}
    fi
    write_site "${KEYWORDS[$ROW]:-}" "${more//@SPOOL@/$SPOOL}"
    if ! run 'spool4 --once' 'usmtp --once' || ! eval "${PREPARE[$ROW]:-}"; then
        cat "$WORK/prepare.log" >&2
        die "$ROW: cannot be prepared"
    fi
    cp -a "$SPOOL" "$TEMPLATE"
    EXPECTED=()
    mapfile -t EXPECTED <<<"${EXPECT[$ROW]%$'\n'}"
}

restore()
{
    rm -rf "$SPOOL" "$FAR"/new/*
    cp -a "$TEMPLATE" "$SPOOL"
    [[ -z ${MOUNT:-} ]] || sync -f "$SPOOL"
    [[ -z ${UNSYNCED[$ROW]:-} ]] || eval "${UNSYNCED[$ROW]}"
}

take_inventory()
{
    "$INVENTORY" --far "far=$FAR/new" "$SPOOL" >"$1" || die 'the inventory failed'
}

# Runs the scenario's recovery. False, with a word in WHY, when a part of it fails.
recovers()
{
    local text status
    while read -r text; do
        argv "$text"
        timeout "$LIMIT" "${ARGV[@]}" >"$WORK/recover.log" 2>&1
        status=$?
        if ((status != 0)); then
            WHY="recovery by \`$text\` ended with $status: $(tail -n 3 "$WORK/recover.log")"
            return 1
        fi
    done <<<"${RECOVER[$ROW]%$'\n'}"
}

# Judgement.

declare -A HAVE DIGESTS GOLDEN STRUCK=() ACKS WANT
UNTOUCHED='' # set while nothing is struck
MAY_FORGET='' # set by a driver whose fault may cost a hint
MAY_HOLD='' # set by a driver whose fault keeps files from being read

# count_inventory FILE: HAVE[PLACE WHO BODIES] and DIGESTS of it.
count_inventory()
{
    local place who bodies digest
    HAVE=() DIGESTS=()
    while read -r place who bodies digest; do
        HAVE[$place $who $bodies]=$((${HAVE[$place $who $bodies]:-0} + 1))
        DIGESTS[$place $who $bodies]+=" $digest"
    done <"$1"
}

# What lay where in the moment of the strike: tells whether a double is lawful. Further strikes of
# one case add to it.
note_strike()
{
    local key
    take_inventory "$WORK/struck"
    count_inventory "$WORK/struck"
    for key in "${!HAVE[@]}"; do
        [[ $key == far\ * ]] || continue
        if [[ -n ${HAVE[mail ${key#far }]:-} ]]; then
            STRUCK[${key#far }]=$((${STRUCK[${key#far }]:-0} + 1))
        fi
    done
}

forget_strikes()
{
    STRUCK=()
}

# lawful COUNT KEY N: may KEY stand there N times? Else WHY tells.
lawful()
{
    local count=$1 key=$2 n=$3 least=$1 most=$1 ack
    case $count in
    1+)
        least=1 most=$((1 + ${STRUCK[${key#far }]:-0}))
        ;;
    ack*=*)
        ack=${count#*=} least=0 most=1
        [[ $count != ack+* ]] || most=$((1 + ${STRUCK[${key#far }]:-0}))
        grep -qazP -- "$ack" "$WORK/out" 2>/dev/null && least=1
        [[ -z $UNTOUCHED ]] || least=1
        if [[ ${ACKS[$ack]:-$((n > 0))} != $((n > 0)) ]]; then
            WHY="$key is there $n times, but not all of its file are there alike"
            return 1
        fi
        ACKS[$ack]=$((n > 0))
        ;;
    esac
    ((n >= least && n <= most)) && return 0
    WHY="$key is there $n times, not $least"
    ((least == most)) || WHY+=" to $most"
    return 1
}

# WANT[PLACE WHO BODIES]: the count that is expected.
count_expected()
{
    local line count key
    local -a part
    WANT=()
    for line in "${EXPECTED[@]}"; do
        read -r count key <<<"$line"
        WANT[$key]=$count
    done
    if [[ -n $MAY_FORGET && -n ${FORGETS[$ROW]:-} && -n ${HAVE[${FORGETS[$ROW]#* }]:-} ]]; then
        WANT=([${FORGETS[$ROW]#* }]=${FORGETS[$ROW]%% *})
    fi
    [[ -n $MAY_HOLD ]] || return 0
    while IFS='|' read -r -a part && ((${#part[@]} > 0)); do
        for key in "${!HAVE[@]}"; do
            [[ $key == "HOLD ${part[0]} "* && $key != *'!'* ]] || continue
            for line in "${part[@]:1}"; do
                WANT[$line]=0
            done
            WANT[$key]=1
            WANT[HOLD ${part[0]}.REASON -]=1
            # Its owner is told, where that is the program's way.
            ((${HAVE[POST $USER_OF -]:-0} <= ${WANT[POST $USER_OF -]:-0})) ||
                WANT[POST $USER_OF -]=$((${WANT[POST $USER_OF -]:-0} + 1))
        done
    done <<<"${UNREAD[$ROW]:-}"
}

# The final state of a case: everything that was expected, and nothing else, each file with the text
# that it has when nothing was struck. False: WHY tells.
judge()
{
    local key digest
    ACKS=()
    take_inventory "$WORK/final"
    count_inventory "$WORK/final"
    count_expected
    for key in "${!WANT[@]}"; do
        lawful "${WANT[$key]}" "$key" "${HAVE[$key]:-0}" || return
    done
    for key in "${!HAVE[@]}"; do
        if [[ -z ${WANT[$key]:-} ]]; then
            WHY="$key: it should not be there"
            return 1
        fi
        [[ -n ${GOLDEN[$key]:-} ]] || continue
        [[ -z $MAY_HOLD || $key != *' -' ]] || continue # another reason
        for digest in ${DIGESTS[$key]}; do
            if [[ " ${GOLDEN[$key]} " != *" $digest "* ]]; then
                WHY="$key: its text differs from that of an untouched run"
                return 1
            fi
        done
    done
}

# The scenario untouched: must hold, and gives the texts that all other runs are compared with.
untouched()
{
    local key
    local UNTOUCHED=1
    GOLDEN=()
    forget_strikes
    restore
    argv "${COMMAND[$ROW]}"
    timeout "$LIMIT" "${ARGV[@]}" >"$WORK/out" 2>&1
    local status=$?
    if ! allowed_status "$status"; then
        WHY="untouched: the command ended with $status: $(tail -n 3 "$WORK/out")"
        return 1
    fi
    take_inventory "$WORK/middle"
    recovers && judge || return
    for key in "${!DIGESTS[@]}"; do
        [[ $'\n'${VARIES[$ROW]:-} == *$'\n'"$key"$'\n'* ]] || GOLDEN[$key]=${DIGESTS[$key]}
    done
}

# An exit status by which a program may end in trouble: 0, a condition code, sysexits.
allowed_status()
{
    case $1 in
    0 | 4 | 8 | 12 | 16) return 0 ;;
    esac
    (($1 >= 64 && $1 <= 78))
}

# built NAME: are the programs of the scenario there? Else it is said why it is skipped.
built()
{
    local program
    for program in ${NEEDS[$1]:-spool4 usmtp}; do
        if [[ ! -x $BUILD/$program ]]; then
            echo "skipped: $1: $program is not built"
            return 1
        fi
    done
}

# Figures, one home for all drivers.
declare -A FIGURES=()
figure()
{
    FIGURES[$1]=$((${FIGURES[$1]:-0} + ${2:-1}))
}

FAILURES=0 SHOWN=5
# failed CASE REPEAT: shows WHY with all that is needed to repeat it; not the hundredth of a row.
failed()
{
    FAILURES=$((FAILURES + 1))
    SHOWN=$((SHOWN - 1))
    ((SHOWN >= 0)) || return
    printf 'FAILED %s: %s\n  %s\n  repeat: %s\n' "$ROW" "${1//"$WORK"\//}" \
        "${WHY//"$WORK"\//}" "$2"
    if [[ -n ${VERBOSE:-} ]]; then
        sed 's/^/  | /' "$WORK/final" "$WORK/out" "$WORK/recover.log" 2>/dev/null
    fi
}

now_ms()
{
    local t=${EPOCHREALTIME/[.,]/}
    echo $((t / 1000))
}
