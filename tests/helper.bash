# Bats helper: the assertion libraries, a throwaway site, and servers that end with their test.
#
# A test file begins with `load helper`. Everything is kept under $BATS_TEST_TMPDIR (or, in
# setup_file, $BATS_FILE_TMPDIR). Only processes that start_server started are ever signalled, each
# by its id and only while it is still the same process.
# shellcheck shell=bash

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
bats_load_library bats-file

ROOT=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
BUILD=${BUILD:-build}
[[ $BUILD == /* ]] || BUILD=$ROOT/$BUILD
export ROOT BUILD
# faketime is preloaded before the sanitizers' runtime.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:verify_asan_link_order=0}

# faketime ARGUMENT...: one that was killed has left its semaphore, under its process number; whoever has that number next
# could not start.
faketime()
{
    local left
    for left in /dev/shm/{sem.faketime_sem,faketime_shm}_*; do
        [[ ! -e $left || -d /proc/${left##*_} ]] || rm -f "$left"
    done
    command faketime "$@"
}

# A file with its own teardown calls stop_all in it.
teardown()
{
    stop_all
}

# tool NAME: the path of a test tool; the test fails with a clear word when it is not built.
tool()
{
    local path=$BUILD/tests/$1
    if [[ ! -x $path ]]; then
        echo "$path is missing: run \`make BUILD=$BUILD tools\`" >&2
        return 1
    fi
    echo "$path"
}

# site [ROUTE]: a throwaway site: $SITE/APPCFG00 ($MEMBER) and $SITE/USERTBL, $SPOOL for its spool.
# The argument is the text behind ROUTE. The current user is CZQ14CD, mail name CDoaks. The programs
# make their folders themselves.
site()
{
    local route=${1:-'DOMAIN(*) HOST(127.0.0.1) PORT(25)'}
    SITE=$BATS_TEST_TMPDIR/site
    SPOOL=$SITE/spool
    MEMBER=$SITE/APPCFG00
    mkdir -p "$SITE"
    cat >"$MEMBER" <<EOM
* A throwaway site.
SYSTEM  HOST(mail.example.org) SPOOL($SPOOL)
SMTP    PATH(OUT) REMOTE(RMT21) POSTOFFICE(MYHOST)
        USERTABLE($SITE/USERTBL)
SERVICE NAME(SPOOL#4)
SERVICE NAME(USMTP)
ROUTE   $route
EOM
    cat >"$SITE/USERTBL" <<EOM
* USERID  NAME
CZQ14CD   CDoaks    LOGIN($(id -un)) 'Chris Doaks'
ABCDEF    ABaker    LOGIN(no-such-user) 'Alex Baker'
POSTMAST  postmaster  FORWARD(CDoaks@mail.example.org)
EOM
    chmod 644 "$MEMBER" "$SITE/USERTBL"
    export SITE SPOOL MEMBER
}

# open_site: other users may reach the site, as they may an installed one.
open_site()
{
    local dir=$SITE
    while [[ $dir == "$BATS_RUN_TMPDIR"* ]]; do
        chmod a+rx "$dir"
        dir=${dir%/*}
    done
}

# now_ms: milliseconds, for time limits.
now_ms()
{
    local t=${EPOCHREALTIME/[.,]/}
    echo $((t / 1000))
}

# port_listening PORT: whether somebody listens there. No connection is made, so that a server that
# counts its connections sees none.
port_listening()
{
    local hex files=(/proc/net/tcp)
    printf -v hex '%04X' "$1"
    [[ -e /proc/net/tcp6 ]] && files+=(/proc/net/tcp6)
    awk -v end=":$hex" '$4 == "0A" && substr($2, length($2) - 4) == end { found = 1 }
        END { exit !found }' "${files[@]}"
}

# free_port: a port below the ephemeral range that nobody uses, never given twice in a run of tests.
free_port()
{
    local port tries claimed=${PORTS:-$BATS_RUN_TMPDIR/ports}
    mkdir -p "$claimed"
    for ((tries = 0; tries < 1000; tries++)); do
        port=$((20000 + RANDOM % 12000))
        mkdir "$claimed/$port" 2>/dev/null || continue
        port_listening "$port" && continue
        echo "$port"
        return 0
    done
    echo 'free_port: none found between 20000 and 31999' >&2
    return 1
}

# wait_until SECONDS CMD...: repeats CMD until it succeeds; fails, with its last output, in time.
# SECONDS may have a fraction.
wait_until()
{
    local limit=$1 end output
    shift
    limit=$(awk -v s="$limit" 'BEGIN { printf "%d", s * 1000 }')
    end=$(($(now_ms) + limit))
    until output=$("$@" 2>&1); do
        if (($(now_ms) >= end)); then
            printf 'not within %s ms: %s\n%s\n' "$limit" "$*" "$output" >&2
            return 1
        fi
        sleep 0.02
    done
}

# wait_for_port PORT [SECONDS]
wait_for_port()
{
    wait_until "${2:-10}" port_listening "$1"
}

# wait_for_file FILE [SECONDS]: until it exists and is not empty, as a port file does.
wait_for_file()
{
    wait_until "${2:-10}" test -s "$1"
}

# spooled QUEUE: the files that readers of jes/QUEUE see.
spooled()
{
    find "$SPOOL/jes/$1" -type f ! -name '.*' ! -perm -1000 | sort
}

# wait_spooled COUNT [QUEUE]: until so many are there: what ssmtp confirmed stands in its journal,
# and is shown some milliseconds later.
wait_spooled()
{
    # shellcheck disable=SC2016 # evaluated each time anew
    wait_until 10 eval '(($(spooled '"${2:-POST}"' | wc -l) == '"$1"'))' ||
        { ls -la "$SPOOL/jes/${2:-POST}" >&2; return 1; }
}

servers_dir()
{
    echo "${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}/servers"
}

# process_start PID: its start time, which tells it from a later process with the same id.
process_start()
{
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    stat=${stat##*) }
    # shellcheck disable=SC2086 # the fields are to be split
    set -- $stat
    echo "${20}"
}

# start_server NAME CMD...: in the background, in a process group of its own. servers/NAME.pid holds
# its id while it runs, NAME.log what it prints, NAME.status its exit status once it ended.
start_server()
{
    local name=$1 dir
    shift
    dir=$(servers_dir)
    mkdir -p "$dir"
    if [[ -e $dir/$name.pid ]]; then
        echo "start_server: $name was started before" >&2
        return 1
    fi
    rm -f "$dir/$name.status"
    keep_server "$dir/$name" "$@" </dev/null >"$dir/$name.log" 2>&1 3>&- &
    wait_until 10 test -s "$dir/$name.pid"
}

# Runs beside the test as long as the server does, and notes how it ended for whoever asks.
keep_server()
{
    local base=$1 pid rc=0
    shift
    setsid "$@" &
    pid=$!
    echo "$pid $(process_start "$pid")" >"$base.pid.new"
    mv "$base.pid.new" "$base.pid"
    wait "$pid" || rc=$?
    echo "$rc" >"$base.status.new"
    mv "$base.status.new" "$base.status"
}

# server_pid NAME: its id, if it still runs.
server_pid()
{
    local pid start base
    base=$(servers_dir)/$1
    [[ ! -e $base.status ]] && read -r pid start <"$base.pid" && [[ -n $start ]] &&
        [[ $(process_start "$pid") == "$start" ]] && echo "$pid"
}

server_log()
{
    cat "$(servers_dir)/$1.log"
}

# server_status NAME [SECONDS]: waits until it ends by itself; its exit status is the result.
server_status()
{
    local base rc
    base=$(servers_dir)/$1
    wait_until "${2:-10}" test -s "$base.status" || return 124
    rm -f "$base.pid"
    rc=$(cat "$base.status")
    return "$rc"
}

# stop_server NAME [SIGNAL]: SIGTERM (or SIGNAL) and, after 10 s, SIGKILL to its group; its exit
# status is the result.
stop_server()
{
    local pid base
    base=$(servers_dir)/$1
    if pid=$(server_pid "$1"); then
        kill "-${2:-TERM}" "$pid" 2>/dev/null || true
        if ! wait_until 10 test -s "$base.status" 2>/dev/null; then
            echo "stop_server: $1 ($pid) did not end by SIG${2:-TERM}" >&2
            kill -KILL -- "-$pid" || true
        fi
    fi
    server_status "$1"
}

# stop_all: every server of this test. When the test failed, their logs are shown.
stop_all()
{
    local file name
    for file in "$(servers_dir)"/*.pid; do
        [[ -e $file ]] || continue
        name=${file##*/}
        stop_server "${name%.pid}" || true
    done
    [[ -n ${BATS_TEST_COMPLETED:-} ]] && return 0
    for file in "$(servers_dir)"/*.log; do
        [[ -s $file ]] || continue
        echo "--- ${file##*/}"
        tail -n 40 "$file"
    done
    return 0
}
