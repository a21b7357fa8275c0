#!/usr/bin/env bats
# printer and jes: spool files in jes/PRT become printouts, exactly one each, whatever is in them and
# whenever the printer stops. poppler reads the PDF.
# shellcheck disable=SC2154 # stderr: set by bats's run

load helper

setup() {
  cd "$BATS_TEST_TMPDIR" || return
  site
  PRT=$SPOOL/jes/PRT
  PRINT=$SPOOL/print
  printer --once
}

printer() {
  "$BUILD/printer" -C "$MEMBER" --log stderr "$@"
}

jes() {
  "$BUILD/jes" -C "$MEMBER" "$@"
}

# form WORDS: the PRINTER statement of the site.
form() {
  sed -i '/^PRINTER/d' "$MEMBER"
  echo "PRINTER $*" >>"$MEMBER"
}

# put NAME: standard input becomes a spool file in the printer's queue, as a program would do it.
put() {
  cat >"$PRT/.$1"
  mv "$PRT/.$1" "$PRT/$1"
}

MAIL=SMTP.JOB00012.D0000001.MAIL.T

# mail [SUBJECT [TEXT]]
mail() {
  printf 'X-From: <a@b.example>\nX-To: <CZQ14CD@MYHOST>\nReceived: by x\nFrom: a@b.example\nSubject: %s\n\n%s\n' \
    "${1:-Figures}" "${2:-the text}"
}

# the ENDING: the only file in print/ that ends so.
the() {
  local files=("$PRINT"/*."$1")
  [ ${#files[@]} -eq 1 ] && [ -e "${files[0]}" ] && echo "${files[0]}"
}

# expect_held NAME TEXT: it lies in HOLD, its reason holds TEXT, and nothing was printed.
expect_held() {
  [ -e "$SPOOL/jes/HOLD/$1" ] || [ -L "$SPOOL/jes/HOLD/$1" ]
  run cat "$SPOOL/jes/HOLD/$1.REASON"
  assert_line --index 1 --partial 'Reason: '
  assert_output --partial "$2"
  run ls -A "$PRINT" "$PRT"
  refute_output --partial "$1"
}

@test "a mail becomes a text printout between two separator pages, and leaves the queue" {
  mail | put $MAIL
  run printer --once
  assert_success
  run ls -A "$PRT" "$PRINT"
  assert_output --regexp "SMTP\.JOB00012\.D0000001\.MAIL\.T\.D[0-9]{5}\.T[0-9]{6}\.slip"
  refute_output --partial '.pdf'
  run cat "$(the txt)"
  assert_line --index 0 --partial 'CCCCCCCCCC   ZZZZZZZZZZZZ   QQQQQQQQQQ'
  assert_line --regexp '^X-From: <a@b\.example>$'
  assert_line 'Subject: Figures'
  assert_line 'the text'
  refute_line --partial 'Received'
  assert_line --regexp '^\*\*\*\*A  START  JOB   12  SMTP      Chris Doaks           ROOM       .*JOB  12   START  A\*\*\*\*$'
  assert_equal "$(grep -c '^\*\*\*\*A   END ' "$(the txt)")" 4
  assert_equal "$(tail -4 "$(the txt)" | sort -u | wc -l)" 1
  # Three sheets of 66 lines.
  assert_equal "$(grep -c $'\f' "$(the txt)")" 2
  assert_equal "$(awk 'BEGIN { RS = "\f" } { print gsub("\n", "") }' "$(the txt)" | sort -u | tr '\n' ' ')" '10 66 '
}

@test "modes: who is not of the group sees nothing" {
  mail | put $MAIL
  (umask 0 && printer --once)
  assert_equal "$(stat -c %a "$PRINT")" 750
  assert_equal "$(stat -c %a "$(the txt)" "$(the slip)" | sort -u)" 640
}

@test "the slip tells what it is" {
  mail | put $MAIL
  printer --once
  run cat "$(the slip)"
  assert_line 'USER CZQ14CD'
  assert_line 'JOB SMTP'
  assert_line 'NUMBER JOB00012'
  assert_line 'FROM <a@b.example>'
  assert_line 'SUBJECT Figures'
  assert_line 'PAGES 1'
  assert_line 'SIZE 105'
  assert_line 'REASON sent to PRT'
}

@test "PDF: greenbar paper of the right size, one page a sheet, 132 columns" {
  local ruler full
  form 'FORM(BOTH)'
  ruler=$(printf '%.0s123456789.' {1..14})
  ruler=${ruler:0:132}
  mail Ruler "$ruler" | put $MAIL
  printer --once
  run pdfinfo "$(the pdf)"
  assert_line --regexp '^Pages: +3$'
  assert_line --regexp '^Page size: +1071 x 792 pts'
  assert_line --regexp '^Title: +SMTP\.JOB00012\.'
  run pdftotext -layout -nopgbrk "$(the pdf)" -
  assert_line "$ruler"
  assert_line --partial 'PAGE       1'
  # Each of the 132 stands in its column of 7.2 points.
  full=$(pdftotext -bbox -f 2 -l 2 "$(the pdf)" - | grep -oP "xMin=\"\K[0-9.]+(?=\" yMin=\"[0-9.]+\" xMax=\"10[01][0-9.]+\".*>$ruler<)")
  assert_equal "${full%.*}" 60
  # The sheets can be drawn, and there is green on them.
  pdftoppm -r 30 -f 2 -l 2 "$(the pdf)" "$BATS_TEST_TMPDIR/sheet"
  run python3 - "$BATS_TEST_TMPDIR"/sheet-*.ppm <<'P'
import sys
data = open(sys.argv[1], 'rb').read()
head, pixels = data.split(b'\n255\n', 1)
colours = [tuple(pixels[i:i + 3]) for i in range(0, len(pixels), 3)]
green = sum(1 for r, g, b in colours if g > r + 10 and g > b + 10)
dark = sum(1 for c in colours if max(c) < 140)
print(green * 100 // len(colours), dark > 20)
P
  assert_output --regexp '^(3[5-9]|4[0-9]) True$'
}

@test "FORM(PDF): no text, and jes says where to look" {
  form 'FORM(PDF)'
  mail | put $MAIL
  printer --once
  the pdf
  run the txt
  assert_failure
  run jes show JOB00012
  assert_failure 69
  assert_output --partial 'PDF only'
  run jes list
  assert_line --partial Figures
}

@test "LINECT: a form of another length" {
  form 'FORM(BOTH) LINECT(51)'
  mail | put $MAIL
  printer --once
  assert_equal "$(pdfinfo "$(the pdf)" | grep -oP 'Page size: +\K.*')" '1071 x 612 pts'
  assert_equal "$(awk 'BEGIN { RS = "\f" } { print gsub("\n", ""); exit }' "$(the txt)")" 51
}

@test "64 pages take less than a second, PDF included" {
  local start
  form 'FORM(BOTH)'
  { mail Long && for ((i = 0; i < 63 * 64 - 10; i++)); do
    echo "line $i: the quick brown fox jumps over the lazy dog, and does so again and again until the line is full"
  done; } | put $MAIL
  start=$(now_ms)
  printer --once
  took=$(($(now_ms) - start))
  assert_equal "$(pdfinfo "$(the pdf)" | grep -oP '^Pages: +\K.*')" 66
  grep -qx 'PAGES 64' "$(the slip)"
  # A sanitizer's build may take longer.
  grep -q __asan_init "$BUILD/printer" || ((took < 1000)) || fail "$took ms"
}

@test "wide and combining characters keep their columns" {
  form 'FORM(BOTH)'
  mail Wide "日本語テキスト|x"$'\n'"e"$'\u0301'"e"$'\u0301'"|x" | put $MAIL
  printer --once
  run cat "$(the txt)"
  assert_line "日本語テキスト|x"
  run pdftotext -layout "$(the pdf)" -
  assert_line --partial '|x'
}

@test "what drives a terminal does not reach the printout, the list or the screen" {
  local name octets i=0
  form 'FORM(BOTH)'
  local -A hostile=(
    [esc]=$'\e[2J' [osc]=$'\e]52;c;eA==\a' [c1]=$'\x9b31m' [c1utf8]=$'\xc2\x9b31m' [bidi]=$'\xe2\x80\xae' [isolate]=$'\xe2\x81\xa6'
    [cr]=$'\rPAY 900' [ff]=$'\f' [bs]=$'\b\b\b' [bad]=$'\xff\xfe\xc0\xaf' [so]=$'\x0e' [del]=$'\x7f'
    [word]='=?utf-8?q?=1B[2J=0D=0A=0C=C2=9B?=')
  for name in "${!hostile[@]}"; do
    octets=${hostile[$name]}
    printf 'X-From: <a@b>\nX-To: <c@d>\nFrom: %s\nSubject: %s %s\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n%s\n--b\nContent-Type: text/html\n\n<a href="%s">%s</a>\n--b\nContent-Type: a/b; name="%s"\n\n--b--\n' \
      "$octets" "$name" "$octets" "$octets" "$octets" "$octets" "$octets" | put "HOSTILE.JOB000$((10 + i)).$name"
    i=$((i + 1))
  done
  printf 'X-From: <a@b>\nX-To: <c@d>\nSubject: nul\n\na\0b\n' | put HOSTILE.JOB00009.nul
  printf '1one\e[2J\n+\rtwo\n 3\f\n' | put HOSTILE.JOB00008.D1.X.VA
  run printer --once
  assert_success
  assert_equal "$(find "$PRINT" -name '*.slip' | wc -l)" $((i + 2))
  mkdir "$BATS_TEST_TMPDIR/out"
  cd "$BATS_TEST_TMPDIR/out"
  cp "$PRINT"/*.{txt,slip} .
  jes list >a.list
  for name in *.txt; do
    jes show "$name" >"$name.show"
    pdftotext -layout -nopgbrk "$PRINT/${name%.txt}.pdf" "$name.pdf"
  done
  run python3 - ./* <<'P'
import re, sys
for name in sys.argv[1:]:
    text = open(name, 'rb').read().decode('utf-8')
    pages = text.split('\f')
    if name.endswith('.txt'):
        assert len(pages) == 3 or '.VA.' in name, (name, len(pages))
        assert all(page.count('\n') <= 66 for page in pages), name
    elif len(pages) != 1 and not name.endswith('.pdf'):
        sys.exit(name + ' has a form feed')
    # pdftotext marks right-to-left text by itself; none is here.
    bad = re.search('[\x00-\x09\x0b\x0d-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]', text)
    assert not bad, (name, bad)
P
  assert_success
  assert_output ''
  grep -q 'a\\x00b' "$PRINT"/*nul*.txt
}

@test "a listing is obeyed and not taken for MIME" {
  form 'FORM(BOTH)'
  printf '1TITLE\n+TITLE\n+_____\n0two down\n-three down\n1=?utf-8?q?x?=\n' | put PAYROLL.JOB00100.D0000002.SYSPRINT.VA
  printer --once
  run cat "$(the txt)"
  assert_line TITLE
  assert_line '=?utf-8?q?x?='
  run awk 'BEGIN { RS = "\f" } NR == 2' "$(the txt)"
  assert_equal "$(awk 'BEGIN { RS = "\f" } NR == 2' "$(the txt)" | grep -nE 'TITLE|down' | cut -d: -f1 | tr '\n' ' ')" '4 6 9 '
  assert_equal "$(pdfinfo "$(the pdf)" | grep -oP '^Pages: +\K.*')" 4
  # What is struck over each other is there twice in the PDF.
  assert_equal "$(pdftotext -f 2 -l 2 -raw "$(the pdf)" - | grep -o TITLE | wc -l)" 2
  grep -qx 'REASON print file' "$(the slip)"
}

@test "EBCDIC records with machine control" {
  sed -i 's/USERTABLE/CODEPAGE(IBM-1047) USERTABLE/' "$MEMBER"
  printf '\0\7\0\0\x11\xC1\xC2\0\6\0\0\x01\xC3' | put J.JOB00100.D0000002.SYSPRINT.VBM
  printer --once
  run cat "$(the txt)"
  assert_line AB
  assert_line C
}

@test "a file without job number gets one, and keeps it" {
  mail one | put notice
  mail two | put "odd name;rm -rf"
  printer --once
  run ls "$PRINT"
  assert_line --regexp '^MAIL\.JOB[0-9]{5}\.notice\.D[0-9]{5}\.T[0-9]{6}\.txt$'
  assert_line --regexp '^MAIL\.JOB[0-9]{5}\.odd_name_rm_-rf\.D[0-9]{5}\.T[0-9]{6}\.txt$'
}

@test "two files with one job number of different days are two printouts" {
  mail one | put $MAIL
  touch -d '2026-01-01 00:00:00 UTC' "$PRT/$MAIL"
  printer --once
  mail two | put $MAIL
  printer --once
  assert_equal "$(find "$PRINT" -name '*.txt' | wc -l)" 2
  assert_file_exists "$PRINT/$MAIL.D26001.T000000.txt"
}

@test "what cannot be printed goes to HOLD with its reason" {
  printf '\0\5\0\0a\0\1\0\0' | put X.JOB00001.D1.A.VB
  ln -s /etc/passwd "$PRT/link"
  mkfifo "$PRT/fifo"
  mkdir "$PRT/folder"
  truncate -s 2G "$PRT/large"
  awk 'BEGIN { for (i = 0; i <= 10000; i++) print "1" }' | put Y.JOB00002.D1.A.VA
  run printer --once
  assert_success
  assert_equal "$(grep -c T01SM031W <<<"$output")" 6
  expect_held X.JOB00001.D1.A.VB 'record 2: RDW'
  expect_held link 'symbolic link'
  expect_held fifo FIFO
  expect_held folder directory
  expect_held large 'larger than 1 GiB'
  expect_held Y.JOB00002.D1.A.VA '10000 pages'
}

@test "a file with another link is held when it stays so" {
  sed -i 's/USERTABLE/QUIET(1S) USERTABLE/' "$MEMBER"
  mail | put hard
  ln "$PRT/hard" "$BATS_TEST_TMPDIR/other"
  run printer --once
  assert_success
  assert_file_exists "$PRT/hard"
  sleep 2.1
  run printer --once
  assert_success
  expect_held hard 'hard link'
}

@test "a damaged spool file is held unchanged" {
  mail | put $MAIL
  setfattr -n user.spoolmail.seal -v '1 105 00112233445566778899aabbccddeeff' "$PRT/$MAIL" || skip 'no attributes here'
  cp "$PRT/$MAIL" "$BATS_TEST_TMPDIR/was"
  run printer --once
  assert_success
  expect_held $MAIL 'damaged'
  cmp "$BATS_TEST_TMPDIR/was" "$SPOOL/jes/HOLD/$MAIL"
}

@test "a file whose conversion breaks harms only itself" {
  grep -q __asan_init "$BUILD/printer" && skip 'a sanitizer needs all of memory'
  { mail Big && head -c 40000000 /dev/zero | tr '\0' 'x'; } | put SMTP.JOB00001.D1.M.T
  mail Small | put SMTP.JOB00002.D1.M.T
  # Too little memory for the big one: GLib ends the process.
  run bash -c "ulimit -v 200000; '$BUILD/printer' -C '$MEMBER' --log stderr --once"
  assert_file_exists "$(the txt)"
  grep -qx 'SUBJECT Small' "$(the slip)"
  # Held, or still in the queue, as the memory ended within a library or not.
  [ -e "$SPOOL/jes/HOLD/SMTP.JOB00001.D1.M.T" ] || [ -e "$PRT/SMTP.JOB00001.D1.M.T" ]
}

@test "killed at every call: one printout each, and no spool file lost" {
  local killat when n count name
  killat=$(tool killat)
  export ASAN_OPTIONS=detect_leaks=0
  form 'FORM(BOTH) QUEUE(lp1)'
  fake_lp
  fill() {
    rm -rf "${PRINT:?}"/* "${PRT:?}"/* "$SPOOL"/jes/HOLD/*
    mail | put $MAIL
    mail two | put notice
    printf 'x' | put BAD.JOB00003.D1.A.FB80
    touch -d '2026-01-01 00:00:00 UTC' "$PRT"/*
  }
  fill
  "$killat" -o calls --group change,fork count -- "$BUILD/printer" -C "$MEMBER" --log stderr --once >during 2>&1
  count=$(tail -1 calls | grep -oE '[0-9]+' | head -1)
  ((count > 60)) || fail "only $count calls"
  for ((n = 1; n <= count; n++)); do
    # After one call is before the next; so one side is enough, but for the last.
    when=before
    ((n < count)) || when=after
    fill
    "$killat" --group change,fork "$when" "$n" -- "$BUILD/printer" -C "$MEMBER" --log stderr --once >during 2>&1 || true
    printer --once >>during 2>&1 || fail "$when $n: $(cat during)"
    name="$when $n of $count"
    assert_equal "$name: $(find "$PRINT" -name '*.txt' | wc -l) $(find "$PRINT" -name '*.pdf' | wc -l) $(find "$PRINT" -name '*.slip' | wc -l)" "$name: 2 2 2"
    assert_equal "$name: $(find "$PRINT" -name '.*' -type f -o -name '*.lp' | wc -l)" "$name: 0"
    assert_equal "$name: $(ls -A "$PRT")" "$name: "
    assert_equal "$name: $(cd "$SPOOL/jes/HOLD" && echo *)" "$name: BAD.JOB00003.D1.A.FB80 BAD.JOB00003.D1.A.FB80.REASON"
    [ "$(tail -1 "$PRINT"/SMTP*.txt | cut -c1-12)" = '****A   END ' ] || fail "$name: cut short"
  done
}

@test "a full disk or a failing one: nothing is purged, nothing half is left, and the next try prints" {
  local killat mode n count error
  killat=$(tool killat)
  export ASAN_OPTIONS=detect_leaks=0
  form 'FORM(BOTH)'
  mail | put $MAIL
  "$killat" -o calls count -- "$BUILD/printer" -C "$MEMBER" --log stderr --once >during 2>&1
  count=$(tail -1 calls | grep -oE '[0-9]+' | head -1)
  for error in ENOSPC EIO; do
    for mode in once from; do
      for ((n = 1; n <= count; n++)); do
        rm -rf "${PRINT:?}"/* "${PRT:?}"/*
        mail | put $MAIL
        "$killat" fail "$n" "$error" "$mode" -- "$BUILD/printer" -C "$MEMBER" --log stderr --once >during 2>&1 || true
        find "$SPOOL" -name "$MAIL*" ! -name '*.new' | grep -q . || fail "$error $mode $n: lost"
        printer --once >>during 2>&1 || fail "$error $mode $n: $(cat during)"
        assert_equal "$error $mode $n: $(find "$PRINT" -type f | wc -l)" "$error $mode $n: 3"
        assert_equal "$(ls -A "$PRT" "$SPOOL/jes/HOLD")" "$(printf '%s:\n\n%s:' "$SPOOL/jes/HOLD" "$PRT")"
      done
    done
  done
}

@test "order of calls: printout synced, named, folder synced, and only then is the spool file removed" {
  mail | put $MAIL
  "$(tool killat)" -v -o calls count -- "$BUILD/printer" -C "$MEMBER" --log stderr --once
  local removed named
  named=$(grep -n 'rename.*\.slip' calls | head -1 | cut -d: -f1)
  removed=$(grep -n "unlinkat.*jes/PRT.*$MAIL" calls | head -1 | cut -d: -f1)
  ((named > 0 && removed > named)) || fail "$(cat calls)"
  sed -n "1,${named}p" calls | grep -q 'fsync.*print/\.'
  sed -n "${named},${removed}p" calls | grep -qE 'fsync [0-9]+:.*/print( |$)'
}

# fake_lp: an lp that notes its arguments and takes the job when $BATS_TEST_TMPDIR/lp.ok exists.
fake_lp() {
  mkdir -p "$BATS_TEST_TMPDIR/bin"
  cat >"$BATS_TEST_TMPDIR/bin/lp" <<E
#!/bin/sh
printf '%s|' "\$@" >>'$BATS_TEST_TMPDIR/lp.log'
echo >>'$BATS_TEST_TMPDIR/lp.log'
[ -e '$BATS_TEST_TMPDIR/lp.ok' ] || { printf 'lp: \\033[1mno such printer\\n' >&2; exit 1; }
E
  chmod +x "$BATS_TEST_TMPDIR/bin/lp"
  PATH=$BATS_TEST_TMPDIR/bin:$PATH
  touch "$BATS_TEST_TMPDIR/lp.ok"
}

@test "QUEUE: handed to lp with a safe title, without a shell" {
  fake_lp
  form "FORM(TEXT) QUEUE('lp;1')"
  mail | put 'x $(touch pwned) -o y'
  run printer --once
  assert_success
  run cat "$BATS_TEST_TMPDIR/lp.log"
  assert_output --regexp "^-d\|lp;1\|-t\|MAIL\.JOB[0-9]{5}\.x_\\\$_touch_pwned__-o_y\.D[0-9]{5}\.T[0-9]{6}\|$PRINT/MAIL\.[^|]*\.txt\|$"
  run find "$PRINT" -name '*.lp'
  assert_output ''
}

@test "QUEUE: the PDF is handed over where there is one" {
  fake_lp
  form 'FORM(BOTH) QUEUE(lp1)'
  mail | put $MAIL
  printer --once
  run cat "$BATS_TEST_TMPDIR/lp.log"
  assert_output --regexp '\.pdf\|$'
}

@test "lp refuses: the printout stays, is told, and is handed over later" {
  fake_lp
  rm "$BATS_TEST_TMPDIR/lp.ok"
  form 'QUEUE(lp1)'
  mail | put $MAIL
  run printer --once
  assert_failure 74
  assert_output --regexp 'T01SM060I SMTP\.[^ ]* PRINTED AS print/SMTP\.'
  assert_output --regexp 'T01SM061W PRINTOUT SMTP[^ ]* NOT TAKEN BY LP: '
  assert_output --partial 'lp: \x1B[1mno such printer'
  assert_file_exists "$(the txt)"
  assert_file_exists "$(the lp)"
  run ls -A "$PRT"
  assert_output ''
  touch "$BATS_TEST_TMPDIR/lp.ok"
  run printer --once
  assert_success
  assert_output --regexp 'T01SM062I PRINTOUT SMTP[^ ]* HANDED TO LP, QUEUE lp1'
  run find "$PRINT" -name '*.lp'
  assert_output ''
  assert_equal "$(wc -l <"$BATS_TEST_TMPDIR/lp.log")" 2
}

@test "no lp on this machine: told, and the printout stays" {
  form 'QUEUE(lp1)'
  mkdir "$BATS_TEST_TMPDIR/empty"
  mail | put $MAIL
  PATH=$BATS_TEST_TMPDIR/empty run "$BUILD/printer" -C "$MEMBER" --log stderr --once
  assert_failure 74
  assert_output --partial 'lp cannot be run: No such file or directory'
  assert_file_exists "$(the txt)"
}

@test "as a daemon: prints what comes, reads its configuration again, ends on SIGTERM" {
  sed -i 's/USERTABLE/POLL(1S) USERTABLE/' "$MEMBER"
  start_server printer "$BUILD/printer" -C "$MEMBER" --log stderr
  wait_until 10 grep -q 'T01SM020I printer READY' "$(servers_dir)/printer.log"
  mail | put $MAIL
  wait_until 10 the slip
  run the pdf
  assert_failure
  form 'FORM(BOTH)'
  kill -HUP "$(server_pid printer)"
  wait_until 10 grep -q T01SM025I "$(servers_dir)/printer.log"
  rm "$PRINT"/*
  mail | put $MAIL
  wait_until 10 the slip
  the pdf
  run printer --once
  assert_failure 75
  assert_output --partial 'it runs already'
  stop_server printer
}

@test "jes list: newest first, with pages, size, subject and why" {
  mail Older | put SMTP.JOB00001.D1.M.T
  printer --once
  sleep 0.02
  { mail Newer && for i in {1..70}; do head -c 20000 /dev/zero | tr '\0' 'x'; echo; done; } | put SMTP.JOB00002.D1.M.T
  printer --once
  run jes list
  assert_success
  assert_line --index 0 --regexp '^PRINTED +NUMBER +JOB +USER +PAGES +SIZE +REASON +FROM +SUBJECT$'
  assert_line --index 1 --regexp '^[-0-9]{10} [0-9:]{5}  JOB00002  SMTP +CZQ14CD +[0-9]+ +1400173  larger than DIVERT +<a@b\.example> +Newer$'
  assert_line --index 2 --regexp '  JOB00001  SMTP +CZQ14CD +1 +[0-9]+  sent to PRT +<a@b\.example> +Older$'
  sed -i 's/POSTOFFICE(MYHOST)//' "$MEMBER"
  mail None | put SMTP.JOB00003.D1.M.T
  printer --once
  run jes list
  assert_line --index 1 --partial 'no post office'
}

@test "jes show: by name, by file, by job number in any case; unknown ones are told" {
  mail Older 'older text' | put $MAIL
  printer --once
  sleep 0.02
  mail Newer 'newer text' | put SMTP.JOB00012.D0000002.MAIL.T
  printer --once
  for name in JOB00012 job00012; do
    run jes show $name
    assert_success
    assert_line 'newer text'
  done
  name=$(cd "$PRINT" && echo *D0000001*.txt)
  for name in "$name" "${name%.txt}"; do
    run jes show "$name"
    assert_line 'older text'
    assert_line --regexp '^-{132}$'
    refute_output --partial $'\f'
  done
  for name in JOB00099 ../APPCFG00 "$MEMBER" '' $'\e[2J'; do
    run jes show "$name"
    assert_failure 66
    assert_output --partial 'no printout has this name'
    refute_output --partial $'\e'
  done
}

@test "jes show uses the pager on a terminal, and cleans what is not from the printer" {
  mail | put $MAIL
  printer --once
  printf 'evil \e]52;c;x\a\n' >>"$(the txt)"
  run script -qec "PAGER='sed s/^/P:/' '$BUILD/jes' -C '$MEMBER' show JOB00012" /dev/null
  assert_line --partial 'P:evil \x1B]52;c;x\x07'
  run script -qec "PAGER= '$BUILD/jes' -C '$MEMBER' show JOB00012" /dev/null
  assert_line --partial 'evil \x1B]52;c;x\x07'
  run script -qec "PAGER=no-such-pager '$BUILD/jes' -C '$MEMBER' show JOB00012" /dev/null
  assert_line --partial 'the text'
}

@test "jes queue: every queue, and why files are held" {
  mail | put $MAIL
  printf x | put BAD.JOB00003.D1.A.FB80
  printer --once
  mail | put $'evil\e[2J'
  cp "$MEMBER" "$SPOOL/jes/POST/SSMTP.D26001.T1200000.N0001"
  run jes queue
  assert_success
  assert_line 'jes/RMT21: 0 files'
  assert_line 'jes/POST: 1 file'
  assert_line 'jes/PRT: 1 file'
  assert_line --partial 'evil\x1B[2J'
  assert_line 'jes/HOLD: 1 file'
  assert_line --partial 'BAD.JOB00003.D1.A.FB80'
  assert_line --regexp '^      Reason: record 1: the last record has 1 of 80 octets'
  assert_line 'jes/DEAD: 0 files'
  assert_line 'mail: 0 files'
}

@test "jes reads only: nothing below SPOOL changes" {
  mail | put $MAIL
  printer --once
  find "$SPOOL" -printf '%p %s %m %C@ %T@\n' | sort >"$BATS_TEST_TMPDIR/before"
  jes list >/dev/null
  jes show JOB00012 >/dev/null
  jes queue >/dev/null
  find "$SPOOL" -printf '%p %s %m %C@ %T@\n' | sort | diff "$BATS_TEST_TMPDIR/before" -
}

@test "no printouts yet" {
  rm -rf "$PRINT"
  run jes list
  assert_success
  assert_output 'No printouts.'
}

@test "wrong arguments and configurations are told" {
  run jes
  assert_failure 64
  run jes frob
  assert_failure 64
  run jes show
  assert_failure 64
  run jes list x
  assert_failure 64
  run "$BUILD/jes" -C "$SITE/none" list
  assert_failure 78
  run jes --help
  assert_success
  form 'FORM(PAPER)'
  run printer --check
  assert_failure 78
  assert_output --partial 'FORM(PAPER) must be one of TEXT PDF BOTH'
  form 'LINECT(3)'
  run printer --check
  assert_failure 78
  assert_output --partial 'LINECT(3) must be a number from 48 to 144'
  form 'FROM(TEXT)'
  run printer --check
  assert_output --partial 'did you mean FORM?'
}
