# Bats helper: Debian's postfix as the receiving MTA, private to a test.
#
# Load it after `helper`. start_postfix makes a configuration and queue of its own under a folder
# and listens on a free loopback port; every recipient of one domain goes to one Maildir. It needs
# no DNS, sends nothing on, and touches nothing of a postfix that the machine may run. Call
# stop_postfix in teardown (or teardown_file, if setup_file started it).
# shellcheck shell=bash

# require_postfix: skips the test with the reason where it cannot run.
require_postfix()
{
    ((EUID == 0)) || skip 'postfix needs root to start'
    [[ -x /usr/sbin/postfix ]] || skip 'postfix is not installed'
}

# Its unprivileged processes must reach their folder; bats makes its own folders 0700.
open_parents()
{
    local dir=$1
    while [[ $dir == "${BATS_RUN_TMPDIR:?}"* ]]; do
        chmod go+x "$dir"
        dir=${dir%/*}
    done
}

# The services that receiving needs, without chroot. Columns: service type private unpriv chroot
# wakeup maxproc command.
postfix_master()
{
    cat <<EOM
127.0.0.1:$1 inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
EOM
}

postfix_main()
{
    local dir=$1 domain=$2 uid
    uid=$(id -u nobody)
    cat <<EOM
compatibility_level = 3.6
queue_directory = $dir/queue
data_directory = $dir/data
mail_owner = postfix
setgid_group = postdrop
maillog_file_prefixes = $dir
maillog_file = $dir/log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = mta.$domain
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
local_transport = error:no local delivery here
default_transport = error:nothing is sent on
relay_transport = error:nothing is sent on
virtual_transport = virtual
virtual_mailbox_domains = $domain
virtual_mailbox_base = $dir/mail
virtual_mailbox_maps = static:Maildir/
virtual_mailbox_limit = 0
virtual_minimum_uid = 1
virtual_uid_maps = static:$uid
virtual_gid_maps = static:$(id -g nobody)
message_size_limit = 104857600
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = reject_unauth_destination
biff = no
EOM
}

postfix_answers()
{
    # shellcheck disable=SC2016 # the inner shell expands it
    "${POSTFIX_UNDER[@]}" bash -c 'read -r -t 5 greeting <"/dev/tcp/127.0.0.1/$POSTFIX_PORT" && [[ $greeting == 220* ]]'
} 2>/dev/null

# start_postfix DIR DOMAIN [LINE...]: the lines are added to main.cf, and what is in POSTFIX_SERVICES to master.cf; POSTFIX_UNDER is a
# command that runs it elsewhere. Sets POSTFIX_DIR, POSTFIX_PORT
# and POSTFIX_MAILDIR.
start_postfix()
{
    local dir=$1 domain=$2
    shift 2
    POSTFIX_DIR=$dir
    POSTFIX_PORT=$(free_port)
    POSTFIX_MAILDIR=$dir/mail/Maildir
    export POSTFIX_DIR POSTFIX_PORT POSTFIX_MAILDIR
    mkdir -p "$dir"/{etc,queue,data,mail}
    open_parents "$dir"
    chmod 755 "$dir" "$dir"/{etc,queue,mail}
    chmod 700 "$dir/data"
    chown postfix "$dir/data"
    chown nobody "$dir/mail"
    postfix_main "$dir" "$domain" >"$dir/etc/main.cf"
    (($# == 0)) || printf '%s\n' "$@" >>"$dir/etc/main.cf"
    { postfix_master "$POSTFIX_PORT" && printf '%s\n' "${POSTFIX_SERVICES:-}"; } >"$dir/etc/master.cf"
    if ! "${POSTFIX_UNDER[@]}" postfix -c "$dir/etc" start >"$dir/start.log" 2>&1 3>&-; then
        cat "$dir/start.log" "$dir/log" >&2
        return 1
    fi
    if ! wait_until 10 postfix_answers; then
        cat "$dir/start.log" "$dir/log" >&2
        return 1
    fi
}

# The id of its master process, if it runs.
postfix_pid()
{
    local pid file=$POSTFIX_DIR/queue/pid/master.pid
    [[ -s $file ]] || return 1
    pid=$(tr -d ' \n' <"$file")
    [[ $(readlink "/proc/$pid/exe") == */master ]] &&
        [[ $(readlink "/proc/$pid/cwd") == "$POSTFIX_DIR/queue" ]] && echo "$pid"
}

# Whether nothing of a process group runs; a zombie does not.
postfix_gone()
{
    ! cat /proc/[0-9]*/stat 2>/dev/null |
        awk -v group="$1" '{ sub(/.*\) /, "") } $3 == group && $1 != "Z" { found = 1 }
            END { exit !found }'
}

# stop_postfix: by the id of its master, whose process group holds all that it started.
stop_postfix()
{
    local pid
    [[ -n ${POSTFIX_DIR:-} ]] || return 0
    pid=$(postfix_pid) || return 0
    kill -TERM "$pid"
    if ! wait_until 10 postfix_gone "$pid"; then
        kill -KILL -- "-$pid"
    fi
}

# postfix_mails: the files of the mails that came, the oldest first.
postfix_mails()
{
    find "$POSTFIX_MAILDIR/new" -type f -printf '%T@ %p\n' 2>/dev/null | sort -n | cut -d' ' -f2-
}

postfix_has_mails()
{
    (($(postfix_mails | wc -l) >= $1))
}

# wait_for_mails N [SECONDS]
wait_for_mails()
{
    wait_until "${2:-20}" postfix_has_mails "$1"
}
