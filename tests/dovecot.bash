# Bats helper: Debian's dovecot as LMTP server and IMAP server, private to a test.
#
# Load it after `helper`. start_dovecot makes a configuration and folders of its own and listens on
# free loopback ports; every user has the password "secret" and a Maildir DIR/mail/<login>. It
# touches nothing of a dovecot that the machine may run. Call stop_dovecot in teardown.
# shellcheck shell=bash

# require_dovecot: skips the test with the reason where it cannot run.
require_dovecot()
{
    [[ -x /usr/sbin/dovecot && -x /usr/lib/dovecot/lmtp && -x /usr/lib/dovecot/imap ]] ||
        skip 'dovecot-lmtpd or dovecot-imapd is not installed'
}

# Dovecot's processes must reach their folder under whatever user; bats makes its own folders 0700.
dovecot_open_parents()
{
    local dir=$1
    while [[ $dir == "${BATS_RUN_TMPDIR:?}"* ]]; do
        chmod go+x "$dir"
        dir=${dir%/*}
    done
}

# As root: mail belongs to nobody, and the internal users are those of the package. Otherwise all is
# the caller's.
dovecot_conf()
{
    local dir=$1 user=nobody group=nogroup internal=dovecot login=dovenull
    if ((EUID != 0)); then
        user=$(id -un)
        group=$(id -gn)
        internal=$user
        login=$user
    fi
    cat <<EOM
base_dir = $dir/run
state_dir = $dir/state
log_path = $dir/log
protocols = lmtp imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = $internal
default_internal_group = $([[ $internal == dovecot ]] && echo dovecot || echo "$group")
default_login_user = $login
first_valid_uid = 1
first_valid_gid = 1
auth_username_format = %Ln
mail_location = maildir:$dir/mail/%n
postmaster_address = postmaster@example.org
lmtp_save_to_detail_mailbox = no
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=$user gid=$group home=$dir/mail/%n allow_all_users=yes
}
service anvil {
  chroot =
}
service imap-login {
  chroot =
  inet_listener imap {
    port = $DOVECOT_IMAP
  }
  inet_listener imaps {
    port = 0
  }
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = $DOVECOT_LMTP
  }
  unix_listener lmtp {
    mode = 0666
  }
}
EOM
}

# start_dovecot DIR [LINE...]: the lines are added to its configuration. Sets DOVECOT_DIR,
# DOVECOT_LMTP and DOVECOT_IMAP (ports), DOVECOT_SOCKET (LMTP) and DOVECOT_MAIL.
start_dovecot()
{
    local dir=$1
    shift
    DOVECOT_DIR=$dir
    DOVECOT_LMTP=$(free_port)
    DOVECOT_IMAP=$(free_port)
    DOVECOT_SOCKET=$dir/run/lmtp
    DOVECOT_MAIL=$dir/mail
    export DOVECOT_DIR DOVECOT_LMTP DOVECOT_IMAP DOVECOT_SOCKET DOVECOT_MAIL
    mkdir -p "$dir"/{run,state,mail}
    dovecot_open_parents "$dir"
    chmod 755 "$dir" "$dir"/{run,state}
    chmod 777 "$dir/mail"
    dovecot_conf "$dir" >"$dir/conf"
    (($# == 0)) || printf '%s\n' "$@" >>"$dir/conf"
    start_server dovecot /usr/sbin/dovecot -F -c "$dir/conf"
    if ! wait_for_port "$DOVECOT_LMTP" || ! wait_for_port "$DOVECOT_IMAP"; then
        cat "$dir/log" "$(servers_dir)/dovecot.log" >&2
        return 1
    fi
}

# stop_dovecot: its master by its id, which ends what it started.
stop_dovecot()
{
    [[ -n ${DOVECOT_DIR:-} ]] || return 0
    stop_server dovecot || true
}

# imap_read LOGIN N: the text of a mail in the INBOX, counted from 1, as IMAP gives it.
imap_read()
{
    curl -sS --max-time 10 --user "$1:secret" "imap://127.0.0.1:$DOVECOT_IMAP/INBOX;MAILINDEX=$2"
}

# imap_count LOGIN: how many mails there are in the INBOX.
imap_count()
{
    curl -sS --max-time 10 --user "$1:secret" "imap://127.0.0.1:$DOVECOT_IMAP/" \
        -X 'STATUS INBOX (MESSAGES)' | tr -d '\r' | sed -n 's/.*MESSAGES \([0-9]*\).*/\1/p'
}
