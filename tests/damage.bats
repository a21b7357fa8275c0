#!/usr/bin/env bats
# Damage to files that our own programs wrote is found before they are used: cuts, flipped bits, zeroed runs.

load helper

setup() {
  PORT=$(free_port)
  site "DOMAIN(*) HOST([127.0.0.1]) PORT($PORT)"
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  touch "$BATS_TEST_TMPDIR/x"
  setfattr -n user.test -v 1 "$BATS_TEST_TMPDIR/x" 2>/dev/null || skip 'no extended attributes on this file system'
}

@test "200 damaged data sets are all found, held unchanged, and told once; their neighbours go on" {
  local i
  { printf 'X-From: CDoaks@mail.example.org\n'; seq -f 'X-To: user%.0f@far.example' 210; printf 'Subject: s\n\n'; seq 40; } >"$SPOOL/jes/RMT21/.m"
  mv "$SPOOL/jes/RMT21/.m" "$SPOOL/jes/RMT21/m"
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  python3 - "$SPOOL/mail" "$BATS_TEST_TMPDIR/damaged" <<'P'
import os, random, sys
random.seed(4)
mail, out = sys.argv[1:]
names = sorted(n for n in os.listdir(mail) if n.startswith('OUT'))[:200]
os.mkdir(out)
for i, name in enumerate(names):
    path = os.path.join(mail, name)
    text = bytearray(open(path, 'rb').read())
    before = bytes(text)
    at = random.randrange(len(text))
    if i % 4 == 0:
        del text[at:]
    elif i % 4 == 1:
        text[at] ^= 1 << random.randrange(8)
    elif i % 4 == 2:
        end = min(len(text), at + random.randrange(1, 64))
        text[at:end] = bytes(end - at)
    else:
        text += b'more'
    assert bytes(text) != before
    with open(path, 'r+b') as f:
        f.write(text)
        f.truncate(len(text))
    open(os.path.join(out, name), 'wb').write(text)
P
  start_server sink "$(tool smtpsink)" -p "$PORT" --maildir "$BATS_TEST_TMPDIR/sink"
  wait_for_port "$PORT"
  run "$BUILD/usmtp" -C "$MEMBER" --once --log stderr
  assert_success
  assert_equal "$(grep -c T01SM041W <<<"$output")" 200
  assert_equal "$(grep -c 'status=sent' <<<"$output")" 10
  for f in "$BATS_TEST_TMPDIR"/damaged/*; do
    cmp "$f" "$SPOOL/jes/HOLD/${f##*/}"
    [ -s "$SPOOL/jes/HOLD/${f##*/}.REASON" ]
  done
  run find "$SPOOL/mail" -name 'OUT*'
  assert_output ''
}

@test "damage to one copy of a large text is found, wherever it is; the other copies are sent" {
  local at n=0 names
  { printf 'X-From: CDoaks@mail.example.org\n'; seq -f 'X-To: user%.0f@far.example' 5; printf 'Subject: s\n\n'
    seq 60000; } >"$SPOOL/jes/RMT21/.m"
  mv "$SPOOL/jes/RMT21/.m" "$SPOOL/jes/RMT21/m"
  "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  names=("$SPOOL"/mail/OUT*)
  assert_equal "${#names[@]}" 5
  getfattr --only-values -n user.spoolmail.seal "${names[0]}" | grep -qE '^2 [0-9]+ [0-9]+ [0-9a-f]{32}$'
  # In the envelope, in the header, in what may be shared.
  for at in 8 300 200000; do
    printf '~' | dd of="${names[n]}" bs=1 seek="$at" conv=notrunc status=none
    n=$((n + 1))
  done
  start_server sink "$(tool smtpsink)" -p "$PORT" --maildir "$BATS_TEST_TMPDIR/sink"
  wait_for_port "$PORT"
  run "$BUILD/usmtp" -C "$MEMBER" --once --log stderr
  assert_success
  assert_equal "$(grep -c T01SM041W <<<"$output")" 3
  assert_equal "$(grep -c 'status=sent' <<<"$output")" 2
  assert_equal "$(for f in "$BATS_TEST_TMPDIR"/sink/new/*; do tail -n 60000 "$f" | tr -d '\r' | md5sum; done | sort -u)" "$(seq 60000 | md5sum)"
}

@test "a spool file of submit is checked too; a dropped one needs no seal" {
  cp -R "$ROOT/jobs/samples/ICSGENRM.jcl" "$SITE/deck"
  "$BUILD/submit" -q -C "$MEMBER" "$SITE/deck"
  local file
  file=$(find "$SPOOL/jes/RMT21" -type f ! -name '.*')
  getfattr --only-values -n user.spoolmail.seal "$file" | grep -qE '^1 [0-9]+ [0-9a-f]{32}$'
  printf 'Y' | dd of="$file" bs=1 seek=400 conv=notrunc status=none
  run "$BUILD/spool4" -C "$MEMBER" --once --log stderr
  assert_success
  assert_output --partial 'it is damaged'
  run find "$SPOOL/mail" -name 'OUT*'
  assert_output ''
}
