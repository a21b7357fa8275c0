# Bats helper: name servers private to a test, on loopback and free ports.
#
# Load it after `helper`. Zones are served by nsd, and asked through unbound as a site would: the
# programs under test ask unbound alone. Signed zones are made with ldnsutils. Nothing of a name
# server that the machine may run is touched.
# shellcheck shell=bash

# require_dns: skips the test where the servers are not installed.
require_dns()
{
    local program
    for program in nsd unbound ldns-signzone; do
        PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || skip "$program is not installed"
    done
}

# zone NAME: a zone of that name; its records are read from standard input.
zone()
{
    mkdir -p "$BATS_TEST_TMPDIR/zones"
    {
        # shellcheck disable=SC2016 # words of the zone file
        printf '$ORIGIN %s.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n' "$1"
        cat
    } >"$BATS_TEST_TMPDIR/zones/$1"
}

# sign_zone NAME [OPTION...]: signs it (ldns-signzone's options, such as -e for the end of the signatures) and
# adds its key to $TRUST.
sign_zone()
{
    local zone=$1 key
    shift
    TRUST=$BATS_TEST_TMPDIR/trust.key
    (
        cd "$BATS_TEST_TMPDIR/zones" || exit 1
        key=$(ldns-keygen -a ECDSAP256SHA256 -k -r /dev/urandom "$zone") || exit 1
        ldns-signzone "$@" -f "$zone.signed" "$zone" "$key" || exit 1
        mv "$zone.signed" "$zone"
        cat "$key.key" >>"$TRUST"
        mkdir -p ../keys && mv "$key".* ../keys/
    )
}

# zone_of FILE: the root's zone has a file that is called root.
zone_of()
{
    local name=${1##*/}
    [[ $name == root ]] && name=.
    echo "$name"
}

# start_dns [PORT]: serves all zones; $DNS_PORT is where to ask, $NSD_PORT where the zones are. Without PORT a free
# one is taken, and unbound leaves the looking at signatures to who asks. DNS_UNDER is a command that runs them elsewhere.
start_dns()
{
    local dir=$BATS_TEST_TMPDIR/dns file modules=iterator
    NSD_PORT=$(free_port)
    DNS_PORT=${1:-$(free_port)}
    (($# == 0)) || modules='validator iterator'
    mkdir -p "$dir"
    # What is in none of the zones is nowhere: nothing asks the Internet.
    # shellcheck disable=SC2016 # words of the zone file
    printf '$ORIGIN .\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n' \
        >"$BATS_TEST_TMPDIR/zones/root"
    {
        printf 'server:\n  ip-address: 127.0.0.1\n  port: %s\n  username: ""\n  chroot: ""\n' "$NSD_PORT"
        printf '  zonesdir: "%s"\n  pidfile: ""\n  xfrdfile: ""\n  zonelistfile: "%s/list"\n  database: ""\n' \
            "$BATS_TEST_TMPDIR/zones" "$dir"
        printf '  xfrdir: "%s"\n  server-count: 1\n  rrl-ratelimit: 0\nremote-control:\n  control-enable: no\n' "$dir"
        for file in "$BATS_TEST_TMPDIR/zones"/*; do
            printf 'zone:\n  name: "%s"\n  zonefile: "%s"\n' "$(zone_of "$file")" "$file"
        done
    } >"$dir/nsd.conf"
    {
        printf 'server:\n  interface: 127.0.0.1\n  port: %s\n  username: ""\n  chroot: ""\n' "$DNS_PORT"
        printf '  directory: "%s"\n  pidfile: ""\n  use-syslog: no\n  do-daemonize: no\n  num-threads: 1\n' "$dir"
        printf '  do-not-query-localhost: no\n  module-config: "%s"\n  so-rcvbuf: 0\n  so-sndbuf: 0\n' "$modules"
        (($# == 0)) || printf '  trust-anchor-file: "%s"\n' "$TRUST"
        printf '  local-zone: "test." nodefault\n  access-control: 127.0.0.0/8 allow\n'
        printf 'remote-control:\n  control-enable: no\n'
        for file in "$BATS_TEST_TMPDIR/zones"/*; do
            printf 'stub-zone:\n  name: "%s"\n  stub-addr: 127.0.0.1@%s\n' "$(zone_of "$file")" "$NSD_PORT"
        done
    } >"$dir/unbound.conf"
    start_server nsd "${DNS_UNDER[@]}" /usr/sbin/nsd -d -c "$dir/nsd.conf"
    start_server unbound "${DNS_UNDER[@]}" /usr/sbin/unbound -d -c "$dir/unbound.conf"
    if ((${#DNS_UNDER[@]} > 0)); then
        wait_until 20 "${DNS_UNDER[@]}" dig +time=1 +tries=1 -p "$DNS_PORT" @127.0.0.1 . soa
        return
    fi
    wait_for_port "$NSD_PORT"
    wait_for_port "$DNS_PORT"
}
