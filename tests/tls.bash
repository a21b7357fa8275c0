# Bats helper: certificates of test authorities, and peers that speak TLS.
#
# Load it after `helper`. Everything is made below $TLS ($BATS_FILE_TMPDIR/tls), once a file, by
# tls_authority in setup_file.
# shellcheck shell=bash

TLS=${BATS_FILE_TMPDIR:-/nowhere}/tls

# tls_authority: $TLS/ca.pem and its key.
tls_authority()
{
    TLS=$BATS_FILE_TMPDIR/tls
    mkdir -p "$TLS"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=Authority' \
        -keyout "$TLS/ca.key" -out "$TLS/ca.pem" 2>/dev/null
}

# tls_certificate FILE SAN [KIND] [FROM TO]: $TLS/FILE.pem, key and certificate in one; SAN as
# "DNS:host.example" or none; KIND ec, rsa or self; FROM and TO in days from now.
tls_certificate()
{
    local file=$TLS/$1 san=$2 kind=${3:-ec} from=${4:--1} to=${5:-20} key=(ec -pkeyopt ec_paramgen_curve:P-256)
    [[ $kind != rsa ]] || key=(rsa:2048)
    openssl req -newkey "${key[@]}" -nodes -subj "/CN=${file##*/}" -keyout "$file.key" -out "$file.csr" 2>/dev/null
    printf 'basicConstraints=CA:FALSE\n' >"$file.ext"
    [[ $san == none ]] || printf 'subjectAltName=%s\n' "$san" >>"$file.ext"
    if [[ $kind == self ]]; then
        openssl x509 -req -in "$file.csr" -signkey "$file.key" -days 20 -extfile "$file.ext" -out "$file.crt" 2>/dev/null
    else
        : >"$TLS/index"
        openssl ca -batch -config <(tls_ca_config) -in "$file.csr" -notext -out "$file.crt" \
            -startdate "$(tls_date "$from")" -enddate "$(tls_date "$to")" -extfile "$file.ext" 2>"$file.log" ||
            { cat "$file.log" >&2; return 1; }
    fi
    cat "$file.key" "$file.crt" >"$file.pem"
    chmod 600 "$file.pem" "$file.key"
}

tls_date()
{
    date -u -d "$1 days" +%Y%m%d%H%M%SZ
}

tls_ca_config()
{
    cat <<EOM
[ca]
default_ca = own
[own]
database = $TLS/index
new_certs_dir = $TLS
certificate = $TLS/ca.pem
private_key = $TLS/ca.key
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
EOM
}

# tls_serve [OPTION... --] SCRIPT...: tests/tlsplay as the server at $PORT, each SCRIPT the text of
# one connection's.
tls_serve()
{
    local i=0 options=() files=() script
    while [[ $1 == --* ]]; do
        [[ $1 != -- ]] || break
        options+=("$1" "$2")
        shift 2
    done
    [[ $1 != -- ]] || shift
    for script in "$@"; do
        printf '%s\n' "$script" >"$BATS_TEST_TMPDIR/tls.$i"
        files+=("$BATS_TEST_TMPDIR/tls.$i")
        i=$((i + 1))
    done
    start_server tls "$ROOT/tests/tlsplay" server "${options[@]}" -p "$PORT" "${files[@]}"
    wait_for_port "$PORT"
}

# tls_played N: connection N was played to its end.
tls_played()
{
    wait_until 10 grep -qx "ok $1" "$(servers_dir)/tls.log"
}

# tls_client SCRIPT [OPTION...]: tests/tlsplay as the client of $PORT.
tls_client()
{
    printf '%s\n' "$1" >"$BATS_TEST_TMPDIR/tls.client"
    shift
    "$ROOT/tests/tlsplay" client "$@" "127.0.0.1:$PORT" "$BATS_TEST_TMPDIR/tls.client"
}
