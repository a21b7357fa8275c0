#!/usr/bin/env bats
# submit: decks become spool files in jes/RMT21, job logs and condition codes.

load helper

SAMPLES=$ROOT/jobs/samples

setup() {
  site
  CATALOG=$SITE/catalog
  QUEUE=$SPOOL/jes/RMT21
  sed -i "s|^        USERTABLE|        CATALOG($CATALOG)\n&|" "$MEMBER"
  mkdir -p "$CATALOG" "$QUEUE"
  chmod 3733 "$QUEUE"
  cp -R "$SAMPLES/T01TCP.ACCES.EMAIL" "$CATALOG/"
  : >"$SPOOL/jes/JOBNO"
  chmod 666 "$SPOOL/jes/JOBNO"
}

submit() {
  "$BUILD/submit" -C "$MEMBER" "$@"
}

# deck LINE...: submits a deck of these cards.
deck() {
  printf '%s\n' "$@" | submit -
}

# copy SYSUT1 SYSUT2: a job that copies one to the other, whatever the two DDs say.
copy_deck() {
  printf '%s\n' '//COPY JOB (X),COPY,MSGCLASS=X' '//S1 EXEC PGM=IEBGENER' "//SYSUT1 DD $1" \
    "//SYSUT2 DD $2" '//SYSPRINT DD SYSOUT=*' '//SYSIN DD DUMMY'
}

queued() {
  ls -A "$QUEUE"
}

# expect_refused TEXT...: exit 16, all texts printed, nothing queued, nothing left over.
expect_refused() {
  local text
  assert_equal "$status" 16
  assert_output --partial 'JOB NOT RUN - JCL ERROR'
  for text in "$@"; do
    assert_output --partial "$text"
  done
  refute_output --partial 'IEF403I'
  run queued
  assert_output ''
}

@test "ICSGENER, exactly as the seed prints it: a member goes to RMT21" {
  run submit "$SAMPLES/ICSGENER.jcl"
  assert_success
  assert_output --partial 'J E S 2  J O B  L O G  --  S Y S T E M  M A I L  --  N O D E  N 1'
  assert_line --regexp '^ [0-9]{2}\.[0-9]{2}\.[0-9]{2} JOB00001  \$HASP373 ICSGENER STARTED'
  assert_line --regexp '^ [0-9]{2}\.[0-9]{2}\.[0-9]{2} JOB00001  IEF403I ICSGENER - STARTED - TIME='
  assert_line --regexp 'IEF404I ICSGENER - ENDED - TIME='
  assert_line --regexp '\$HASP395 ICSGENER ENDED - RC=0000'
  assert_line --regexp "^        1 //ICSGENER JOB \(TSO00,,,99\),'WRITE TO SPOOL#4', +JOB00001$"
  assert_line '        2 //MSGCLASS=X,CLASS=A'
  assert_line '     2    3 IEF677I WARNING - taken as the continuation of card 1: put a blank into column 3'
  assert_line ' IEF236I ALLOC. FOR ICSGENER STEP1'
  assert_line ' IEF237I JES2 ALLOCATED TO SYSUT2'
  assert_line ' IEF237I DMY  ALLOCATED TO SYSIN'
  assert_line ' IEF142I ICSGENER STEP1 - STEP WAS EXECUTED - COND CODE 0000'
  assert_line --partial -- '-->jes/RMT21/ICSGENER.JOB00001.D0000101.SYSUT2.T SPOOLED'
  assert_line ' PROCESSING ENDED AT EOD'
  run queued
  assert_output 'ICSGENER.JOB00001.D0000101.SYSUT2.T'
  cmp "$QUEUE/ICSGENER.JOB00001.D0000101.SYSUT2.T" "$SAMPLES/T01TCP.ACCES.EMAIL/NEWMAILD"
  assert_equal "$(stat -c %a "$QUEUE/ICSGENER.JOB00001.D0000101.SYSUT2.T")" 640
}

@test "ICSGENRM, exactly as the seed prints it: in-stream data become records of 80" {
  run submit "$SAMPLES/ICSGENRM.jcl"
  assert_success
  run queued
  assert_output 'ICSGENRM.JOB00001.D0000101.SYSUT2.FB80'
  sed -n '6,16p' "$SAMPLES/ICSGENRM.jcl" | while IFS= read -r line; do
    printf '%-80s' "$line"
  done >"$SITE/want"
  assert_equal "$(stat -c %s "$SITE/want")" 880
  cmp "$QUEUE/ICSGENRM.JOB00001.D0000101.SYSUT2.FB80" "$SITE/want"
}

@test "the two decks in one, with CR LF and sequence numbers" {
  cat "$SAMPLES/ICSGENER.jcl" "$SAMPLES/ICSGENRM.jcl" | awk '
    /^\/\// { printf "%-72s%08d\r\n", $0, NR * 10; next }
    { printf "%s\r\n", $0 }' >"$SITE/deck"
  run submit "$SITE/deck"
  assert_success
  run queued
  assert_line --index 0 'ICSGENER.JOB00001.D0000101.SYSUT2.T'
  assert_line --index 1 'ICSGENRM.JOB00002.D0000101.SYSUT2.FB80'
  cmp "$QUEUE/ICSGENER.JOB00001.D0000101.SYSUT2.T" "$SAMPLES/T01TCP.ACCES.EMAIL/NEWMAILD"
  assert_equal "$(stat -c %s "$QUEUE/ICSGENRM.JOB00002.D0000101.SYSUT2.FB80")" 880
}

@test "the continuation with its blank in place runs without a warning" {
  sed 's|^//MSGCLASS|// MSGCLASS|' "$SAMPLES/ICSGENER.jcl" >"$SITE/deck"
  run submit "$SITE/deck"
  assert_success
  refute_output --partial 'IEF677I'
}

@test "job numbers count from 1 to 99999 and begin again" {
  run submit -q "$SAMPLES/ICSGENER.jcl"
  assert_output 'JOB00001 ICSGENER ENDED - RC=0000'
  run submit -q "$SAMPLES/ICSGENER.jcl"
  assert_output 'JOB00002 ICSGENER ENDED - RC=0000'
  printf '99998\n' >"$SPOOL/jes/JOBNO"
  run submit -q "$SAMPLES/ICSGENER.jcl"
  assert_output 'JOB99999 ICSGENER ENDED - RC=0000'
  run submit -q "$SAMPLES/ICSGENER.jcl"
  assert_output 'JOB00001 ICSGENER ENDED - RC=0000'
  # The name of the first job's file was taken: the next data set number is.
  run queued
  assert_line 'ICSGENER.JOB00001.D0000101.SYSUT2.T'
  assert_line 'ICSGENER.JOB00001.D0000102.SYSUT2.T'
}

@test "twenty jobs at once get twenty numbers" {
  local i pids=()
  for i in {1..20}; do
    submit -q "$SAMPLES/ICSGENER.jcl" >"$SITE/out$i" &
    pids+=($!)
  done
  wait "${pids[@]}"
  assert_equal "$(cat "$SITE"/out* | sort -u | wc -l)" 20
  assert_equal "$(queued | wc -l)" 20
}

@test "a deck from standard input, -q and -l" {
  run submit -q - <"$SAMPLES/ICSGENER.jcl"
  assert_success
  assert_output 'JOB00001 ICSGENER ENDED - RC=0000'
  run submit -l "$SITE/log" "$SAMPLES/ICSGENER.jcl"
  assert_success
  assert_output 'JOB00002 ICSGENER ENDED - RC=0000'
  assert_equal "$(stat -c %a "$SITE/log")" 600
  run cat "$SITE/log"
  assert_output --partial 'J E S 2  J O B  L O G'
  assert_output --partial 'SPOOLED'
  run submit -l "$SITE/no/such/log" "$SAMPLES/ICSGENER.jcl"
  assert_equal "$status" 73
  assert_equal "$(queued | wc -l)" 2
}

@test "unknown operation" {
  run deck '//J JOB' '//S EXCE PGM=IEBGENER' '//'
  expect_refused '     2    5 IEFC605I UNIDENTIFIED OPERATION FIELD - EXCE: did you mean EXEC?'
}

@test "no JOB card" {
  run --separate-stderr deck '//S EXEC PGM=IEBGENER' '//SYSIN DD DUMMY'
  assert_equal "$status" 16
  assert_output ''
  # shellcheck disable=SC2154 # set by run
  assert_equal "$stderr" 'submit: standard input:1:1: IEFC601I INVALID JCL STATEMENT - no JOB statement stands before this card: begin with //NAME JOB'
  run queued
  assert_output ''
}

@test "missing continuation" {
  run deck '//J JOB (X),' '//S EXEC PGM=IEBGENER'
  expect_refused '     1   12 IEFC621I EXPECTED CONTINUATION NOT RECEIVED - behind this comma'
}

@test "a comma that is missing before a continuation" {
  run deck '//J JOB (X)' '//S EXEC PGM=IEBGENER' '//SYSUT2 DD SYSOUT=A' '// DEST=RMT21'
  expect_refused '     4    4 IEFC605I' 'the card before it must end in a comma'
}

@test "unknown DD name in a refer back" {
  run deck '//J JOB' '//S EXEC PGM=IEBGENER' '//SYSUT2 DD SYSOUT=A,DEST=RMT21,DCB=*.SYSUT9'
  expect_refused '     3   39 IEF645I INVALID REFER BACK IN THE DCB FIELD' 'no DD SYSUT9'
}

@test "DLM of the wrong length" {
  run deck '//J JOB' '//S EXEC PGM=IEBGENER' '//SYSUT1 DD DATA,DLM=ABC' 'text' 'AB'
  expect_refused '     3   22 IEF632I FORMAT ERROR IN THE DLM FIELD' 'two characters'
}

@test "binary in a card, in a statement and in data" {
  run deck '//J JOB' '//S EXEC PGM=IEBGENER' $'//SYSUT2 DD SYS\001OUT=A'
  expect_refused "     3   16 IEFC623I" "X'01' is no character"
  run deck '//J JOB' '//S EXEC PGM=IEBGENER' '//SYSUT1 DD *' $'text\033[2J'
  expect_refused "     4    5 IEFC623I" "X'1B' is no character"
  printf '//J JOB\n//S EXEC PGM=IEBGENER\n//SYSUT1 DD *\nab\0c\n' >"$SITE/deck"
  run submit "$SITE/deck"
  expect_refused "     4    3 IEFC623I" "X'00' is no character"
}

@test "a deck that is no text at all leaves no raw control octet on the screen" {
  head -c 20000 "$BUILD/submit" >"$SITE/deck"
  run submit "$SITE/deck"
  assert_equal "$status" 16
  printf '//J JOB\n//S EXEC PGM=IEBGENER\n' | cat - "$SITE/deck" >"$SITE/deck2"
  submit "$SITE/deck2" >"$SITE/out" 2>&1 || true
  run grep -caP '[\x00-\x08\x0b-\x1f\x7f]' "$SITE/out"
  assert_output 0
}

@test "data set, member, library and file that are not what the deck says" {
  printf 'x\n' >"$CATALOG/A.SEQ"
  mkdir "$CATALOG/T01TCP.ACCES.EMAIL/DIR"
  ln -s NEWMAILD "$CATALOG/T01TCP.ACCES.EMAIL/LINK"
  ln -s T01TCP.ACCES.EMAIL "$CATALOG/A.LINK"
  mkfifo "$CATALOG/T01TCP.ACCES.EMAIL/PIPE"
  local row dsn text rows=(
    'NO.SUCH|IEF212I NO.SUCH - DATA SET NOT FOUND'
    'NO.SUCH(NEWMAILD)|IEF212I NO.SUCH(NEWMAILD) - DATA SET NOT FOUND'
    'T01TCP.ACCES.EMAIL(NOTHERE)|IEC141I 013-18,T01TCP.ACCES.EMAIL(NOTHERE) - MEMBER NOT FOUND'
    'T01TCP.ACCES.EMAIL|T01TCP.ACCES.EMAIL is a library: name a member'
    'A.SEQ(X)|A.SEQ is not a library'
    'T01TCP.ACCES.EMAIL(DIR)|is not a plain file'
    'T01TCP.ACCES.EMAIL(PIPE)|is not a plain file'
    'T01TCP.ACCES.EMAIL(LINK)|is a link'
    'A.LINK(NEWMAILD)|A.LINK is a link'
  )
  for row in "${rows[@]}"; do
    dsn=${row%%|*} text=${row#*|}
    copy_deck "DISP=SHR,DSN=$dsn" 'SYSOUT=A,DEST=RMT21' >"$SITE/deck"
    run submit "$SITE/deck"
    expect_refused '     3   26 ' "$text"
  done
}

@test "the library and members of a deck are never looked for outside of the catalog" {
  printf 'secret\n' >"$SITE/SECRET"
  local dsn
  for dsn in '../SECRET' "'../SECRET'" 'T01TCP.ACCES.EMAIL(../../SECRET)' '/ETC/PASSWD' '..' '.'; do
    copy_deck "DISP=SHR,DSN=$dsn" 'SYSOUT=A,DEST=RMT21' >"$SITE/deck"
    run submit "$SITE/deck"
    expect_refused 'IEF632I FORMAT ERROR IN THE DSN FIELD'
  done
}

@test "no CATALOG in the configuration: the keyword to add is named" {
  sed -i '/CATALOG/d' "$MEMBER"
  run submit "$SAMPLES/ICSGENER.jcl"
  expect_refused 'add CATALOG(/folder) to the SMTP statement'
  run submit "$SAMPLES/ICSGENRM.jcl"
  assert_success
}

@test "a DEST that is no queue" {
  copy_deck 'DUMMY' 'SYSOUT=A,DEST=RMT99' >"$SITE/deck"
  run submit "$SITE/deck"
  expect_refused '     4   27 IEF344I SYSUT2 - ALLOCATION FAILED - no queue is called jes/RMT99' 'DEST=RMT21'
  copy_deck 'DUMMY' 'SYSOUT=A,DEST=JOBNO' >"$SITE/deck"
  run submit "$SITE/deck"
  expect_refused 'no queue is called jes/JOBNO'
}

@test "what is wrong in the second step keeps the first from running" {
  {
    copy_deck 'DSN=T01TCP.ACCES.EMAIL(NEWMAILD),DISP=SHR' 'SYSOUT=A,DEST=RMT21'
    echo '//S2 EXEC PGM=IEBGENER'
    echo '//SYSUT1 DD DSN=T01TCP.ACCES.EMAIL(NOTHERE),DISP=SHR'
  } >"$SITE/deck"
  run submit "$SITE/deck"
  expect_refused 'MEMBER NOT FOUND'
}

@test "all errors of a deck are listed, in the order of its cards" {
  run deck '//J JOB CLAS=A' '//S EXEC PGM=IEBGENR' '//X DD SYSOUT=??' '//Y DD DSN=A.B' '//Z DD *,DLM=X' 'data'
  assert_equal "$status" 16
  assert_equal "$(grep -oE '^ +[0-9]+ +[0-9]+ (IEF|CSV)[A-Z0-9]+' <<<"$output" | tr -s ' ' | paste -sd/)" \
    ' 1 9 IEFC630I/ 2 14 CSV003I/ 3 15 IEFC620I/ 4 8 IEF632I/ 5 14 IEF632I'
}

@test "several jobs in one deck: an error stops its own job only" {
  {
    cat "$SAMPLES/ICSGENER.jcl"
    printf '%s\n' '//BAD JOB' '//S EXEC PGM=NOSUCH' '//'
    cat "$SAMPLES/ICSGENRM.jcl"
  } >"$SITE/deck"
  run --separate-stderr submit -q "$SITE/deck"
  assert_equal "$status" 16
  assert_line --index 0 'JOB00001 ICSGENER ENDED - RC=0000'
  assert_line --index 1 'JOB00002 BAD NOT RUN - JCL ERROR'
  assert_line --index 2 'JOB00003 ICSGENRM ENDED - RC=0000'
  assert_equal "$stderr" "submit: $SITE/deck:12:14: CSV003I REQUESTED MODULE NOSUCH NOT FOUND - submit runs: IEBGENER IEFBR14"
  assert_equal "$(queued | wc -l)" 2
}

@test "condition codes: 0, 4, 12, 16, and the highest is the exit code" {
  deck '//J JOB' '//S EXEC PGM=IEFBR14'
  # 4: the record format was copied from SYSUT1; the mail is queued all the same.
  copy_deck 'DSN=T01TCP.ACCES.EMAIL(NEWMAILD),DISP=SHR' 'SYSOUT=A,DEST=RMT21' >"$SITE/deck"
  run submit "$SITE/deck"
  assert_equal "$status" 4
  assert_output --partial 'IEB352I WARNING: ONE OR MORE OF THE OUTPUT DCB PARMS COPIED FROM INPUT'
  assert_output --partial 'COND CODE 0004'
  assert_equal "$(queued | wc -l)" 1
  # 12: a record does not fit, or SYSIN has control statements. Nothing is queued.
  copy_deck 'DSN=T01TCP.ACCES.EMAIL(NEWMAILD),DISP=SHR' 'SYSOUT=A,DEST=RMT21,RECFM=FB,LRECL=20' >"$SITE/deck"
  run submit "$SITE/deck"
  assert_equal "$status" 12
  assert_output --partial 'IEB311I CONFLICTING DCB PARAMETERS - record 1'
  assert_output --partial 'SYSUT2 is dropped: nothing goes to RMT21'
  copy_deck 'DUMMY' 'SYSOUT=A,DEST=RMT21' | sed 's/SYSIN DD DUMMY/SYSIN DD */' >"$SITE/deck"
  echo '  GENERATE MAXNAME=1' >>"$SITE/deck"
  run submit "$SITE/deck"
  assert_equal "$status" 12
  assert_output --partial 'CONTROL STATEMENTS ARE NOT SUPPORTED'
  # 16: no SYSPRINT.
  copy_deck 'DUMMY' 'SYSOUT=A,DEST=RMT21' | grep -v SYSPRINT >"$SITE/deck"
  run submit "$SITE/deck"
  assert_equal "$status" 16
  assert_output --partial 'IEC130I SYSPRINT DD STATEMENT MISSING'
  # The highest of several steps, though the last one is good.
  printf '%s\n' '//S2 EXEC PGM=IEFBR14' >>"$SITE/deck"
  run submit "$SITE/deck"
  assert_equal "$status" 16
  assert_output --partial 'S2 - STEP WAS EXECUTED - COND CODE 0000'
  assert_equal "$(queued | wc -l)" 1
}

@test "each step queues its own output; a failed one keeps nothing from the others" {
  {
    copy_deck 'DSN=T01TCP.ACCES.EMAIL(NEWMAILD),DISP=SHR' 'SYSOUT=A,DEST=RMT21,DCB=*.SYSUT1'
    copy_deck '*' 'SYSOUT=A,DEST=RMT21,DCB=(RECFM=FB,LRECL=2)' | sed '1d; s/S1/S2/; s|^//SYSUT2|too long\n&|'
    copy_deck '*' 'SYSOUT=A,DEST=RMT21,DCB=(RECFM=VB)' | sed '1d; s/S1/S3/; s|^//SYSUT2|ok\n&|'
  } >"$SITE/deck"
  run submit "$SITE/deck"
  assert_equal "$status" 12
  run queued
  assert_line --index 0 'COPY.JOB00001.D0000101.SYSUT2.T'
  assert_line --index 1 'COPY.JOB00001.D0000102.SYSUT2.VB'
  assert_equal "${#lines[@]}" 2
  assert_equal "$(od -An -tx1 "$QUEUE/COPY.JOB00001.D0000102.SYSUT2.VB")" ' 00 06 00 00 6f 6b'
}

@test "record formats of a library, octet for octet" {
  mkdir "$CATALOG/A.FB" "$CATALOG/A.VB" "$CATALOG/A.BAD"
  echo 'RECFM(FB) LRECL(8)' >"$CATALOG/A.FB/.dcb"
  printf 'one     two     ' >"$CATALOG/A.FB/M"
  echo 'RECFM(VB)' >"$CATALOG/A.VB/.dcb"
  printf '\0\7\0\0one\0\4\0\0' >"$CATALOG/A.VB/M"
  echo 'RECFM(XX)' >"$CATALOG/A.BAD/.dcb"
  echo x >"$CATALOG/A.BAD/M"
  copy_deck 'DISP=SHR,DSN=A.FB(M)' 'SYSOUT=A,DEST=RMT21,DCB=*.SYSUT1' >"$SITE/deck"
  run submit "$SITE/deck"
  assert_success
  cmp "$QUEUE/COPY.JOB00001.D0000101.SYSUT2.FB8" "$CATALOG/A.FB/M"
  copy_deck 'DISP=SHR,DSN=A.VB(M)' 'SYSOUT=A,DEST=RMT21,DCB=*.SYSUT1' >"$SITE/deck"
  run submit "$SITE/deck"
  assert_success
  cmp "$QUEUE/COPY.JOB00002.D0000101.SYSUT2.VB" "$CATALOG/A.VB/M"
  copy_deck 'DISP=SHR,DSN=A.VB(M)' 'SYSOUT=A,DEST=RMT21,DCB=(RECFM=FB,LRECL=4)' >"$SITE/deck"
  run submit "$SITE/deck"
  assert_success
  assert_equal "$(cat "$QUEUE/COPY.JOB00003.D0000101.SYSUT2.FB4")" 'one     '
  copy_deck 'DISP=SHR,DSN=A.BAD(M)' 'SYSOUT=A,DEST=RMT21' >"$SITE/deck"
  run submit "$SITE/deck"
  assert_equal "$status" 16
  assert_output --partial '.dcb of the library: RECFM(XX) is wrong'
  # A file that was cut is found out, not sent.
  printf '\0\7\0\0on' >"$CATALOG/A.VB/M"
  copy_deck 'DISP=SHR,DSN=A.VB(M)' 'SYSOUT=A,DEST=RMT21,DCB=*.SYSUT1' >"$SITE/deck"
  run submit "$SITE/deck"
  assert_equal "$status" 12
  assert_output --partial 'IEB351I I/O ERROR - record 1'
  assert_equal "$(queued | wc -l)" 3
}

@test "data sets of the catalog: sequential, concatenated, empty" {
  printf 'X-From: a@b.example\nX-To: c@d.example\n' >"$CATALOG/A.HEAD"
  : >"$CATALOG/A.EMPTY"
  printf '%s\n' '//COPY JOB' '//S EXEC PGM=IEBGENER' '//SYSUT1 DD DSN=A.HEAD,DISP=SHR' \
    '// DD *' 'Subject: s' '' 'body' '/*' '// DD DSN=A.EMPTY,DISP=SHR' \
    '//SYSUT2 DD SYSOUT=A,DEST=RMT21,DCB=*.SYSUT1' '//SYSPRINT DD SYSOUT=*' '//SYSIN DD DUMMY' >"$SITE/deck"
  run submit "$SITE/deck"
  assert_success
  printf 'X-From: a@b.example\nX-To: c@d.example\nSubject: s\n\nbody\n' | cmp - "$QUEUE/COPY.JOB00001.D0000101.SYSUT2.T"
  copy_deck 'DSN=A.EMPTY,DISP=SHR' 'SYSOUT=A,DEST=RMT21,DCB=*.SYSUT1' >"$SITE/deck"
  run submit "$SITE/deck"
  assert_success
  assert_output --partial 'SYSUT2 has no records: nothing goes to RMT21'
  assert_equal "$(queued | wc -l)" 1
}

@test "in-stream data: DATA with DLM, UTF-8, blank cards and all 80 columns stay as they are" {
  local wide
  wide=$(printf 'x%.0s' {1..80})
  printf '%s\n' '//COPY JOB' '//S EXEC PGM=IEBGENER' '//SYSUT1 DD DATA,DLM=@@' 'X-From: a@b' '//not a card' '/*' '' \
    'Grüße, 日本' "$wide" '@@' '//SYSUT2 DD SYSOUT=A,DEST=RMT21,DCB=(RECFM=VB,LRECL=255)' \
    '//SYSPRINT DD SYSOUT=*' '//SYSIN DD DUMMY' >"$SITE/deck"
  run submit "$SITE/deck"
  assert_success
  {
    printf '\0\017\0\0X-From: a@b\0\020\0\0//not a card\0\006\0\0/*\0\004\0\0'
    printf '\0\023\0\0Grüße, 日本\0\124\0\0%s' "$wide"
  } | cmp - "$QUEUE/COPY.JOB00001.D0000101.SYSUT2.VB255"
}

@test "a line longer than a card names its card and column" {
  run deck '//J JOB' '//S EXEC PGM=IEBGENER' '//SYSUT1 DD *' "$(printf 'y%.0s' {1..81})"
  expect_refused '     4   81 IEF642I' 'a card has 80 columns'
}

@test "CODEPAGE of an EBCDIC site: records are written in it, lines of text are not" {
  sed -i 's|CATALOG(.*)|& CODEPAGE(IBM-1047)|' "$MEMBER"
  copy_deck '*' 'SYSOUT=A,DEST=RMT21,DCB=(RECFM=FB,LRECL=4)' | sed 's|^//SYSUT2|A@\n&|' >"$SITE/deck"
  run submit "$SITE/deck"
  assert_success
  assert_equal "$(od -An -tx1 "$QUEUE/COPY.JOB00001.D0000101.SYSUT2.FB4")" ' c1 7c 40 40'
  run submit "$SAMPLES/ICSGENER.jcl"
  assert_success
  cmp "$QUEUE/ICSGENER.JOB00002.D0000101.SYSUT2.T" "$SAMPLES/T01TCP.ACCES.EMAIL/NEWMAILD"
  copy_deck '*' 'SYSOUT=A,DEST=RMT21,DCB=(RECFM=FB,LRECL=4)' | sed 's|^//SYSUT2|€\n&|' >"$SITE/deck"
  run submit "$SITE/deck"
  assert_equal "$status" 12
  assert_output --partial 'the character has no place in'
}

@test "SYSOUT without DEST goes to the job log, and cannot drive the screen from there" {
  copy_deck 'DSN=T01TCP.ACCES.EMAIL(ESC),DISP=SHR' 'SYSOUT=(B,,STD),DCB=*.SYSUT1' >"$SITE/deck"
  printf 'red \033[31m alert\007\n' >"$CATALOG/T01TCP.ACCES.EMAIL/ESC"
  run submit "$SITE/deck"
  assert_success
  assert_line 'S1.SYSUT2'
  assert_line ' red \x1B[31m alert\x07'
  run queued
  assert_output ''
}

@test "TYPRUN=SCAN and --check run nothing" {
  sed 's/CLASS=A$/&,TYPRUN=SCAN/' "$SAMPLES/ICSGENER.jcl" >"$SITE/deck"
  run submit -q "$SITE/deck"
  assert_success
  assert_output 'JOB00001 ICSGENER NOT RUN - TYPRUN=SCAN'
  run "$BUILD/submit" --check "$SAMPLES/ICSGENER.jcl"
  assert_success
  assert_line --index 0 --partial ':2:3: IEF677I WARNING'
  assert_line --index 1 "$SAMPLES/ICSGENER.jcl: 1 job, 0 errors"
  sed 's/NEWMAILD/NOTHERE/' "$SAMPLES/ICSGENER.jcl" >"$SITE/deck"
  run "$BUILD/submit" --check "$SITE/deck"
  assert_success
  run submit --check "$SITE/deck"
  assert_equal "$status" 16
  assert_output --partial ':5:26: IEC141I 013-18,T01TCP.ACCES.EMAIL(NOTHERE) - MEMBER NOT FOUND'
  run queued
  assert_output ''
}

@test "the sample configuration is lawful, and the sample library runs" {
  sed "s|CATALOG(.*)|CATALOG($SAMPLES)|; s|SPOOL(/.*) |SPOOL($SPOOL) |" "$SAMPLES/APPCFG00" >"$SITE/sample"
  chmod 644 "$SITE/sample"
  run "$BUILD/submit" -C "$SITE/sample" -q "$SAMPLES/ICSGENER.jcl"
  assert_success
  run "$BUILD/usertable" check -f "$SAMPLES/USERTBL"
  assert_success
}

@test "arguments, deck, configuration and spool that are wrong" {
  run submit
  assert_equal "$status" 64
  run submit a b
  assert_equal "$status" 64
  run submit --nosuch "$SAMPLES/ICSGENER.jcl"
  assert_equal "$status" 64
  run submit "$SITE/nosuch"
  assert_equal "$status" 66
  assert_output "submit: $SITE/nosuch: No such file or directory"
  run submit "$SITE"
  assert_equal "$status" 66
  run submit --help
  assert_success
  assert_output --partial 'usage: submit'
  run submit --version
  assert_success
  assert_output --regexp '^submit \(spoolmail\) '
  run deck
  assert_equal "$status" 16
  run "$BUILD/submit" -C "$SITE/nosuch" "$SAMPLES/ICSGENER.jcl"
  assert_equal "$status" 78
  mv "$SPOOL" "$SPOOL.away"
  run submit "$SAMPLES/ICSGENER.jcl"
  assert_equal "$status" 69
  mv "$SPOOL.away" "$SPOOL"
  rm "$SPOOL/jes/JOBNO"
  run submit "$SAMPLES/ICSGENER.jcl"
  assert_equal "$status" 75
}

@test "an ordinary user: his file in the queue, no other's member" {
  [ "$(id -u)" -eq 0 ] || skip 'needs root, to become somebody else'
  local place
  place=$(mktemp -d /tmp/submit-XXXXXX)
  chmod 755 "$place"
  cp "$BUILD/submit" "$place/"
  cp -R "$SAMPLES" "$place/catalog"
  mkdir -p "$place/spool/jes/RMT21"
  chmod 3733 "$place/spool/jes/RMT21"
  : >"$place/spool/jes/JOBNO"
  chmod 666 "$place/spool/jes/JOBNO"
  sed "s|SPOOL(.*)|SPOOL($place/spool)|; s|CATALOG(.*)|CATALOG($place/catalog)|" "$MEMBER" >"$place/APPCFG00"
  chmod -R go+rX "$place/catalog" "$place/APPCFG00"
  run setpriv --reuid=65534 --regid=65534 --clear-groups "$place/submit" -q -C "$place/APPCFG00" - <"$SAMPLES/ICSGENER.jcl"
  local first=$status owner
  owner=$(stat -c '%u %a' "$place"/spool/jes/RMT21/*)
  chmod 600 "$place/catalog/T01TCP.ACCES.EMAIL/NEWMAILD"
  run setpriv --reuid=65534 --regid=65534 --clear-groups "$place/submit" -C "$place/APPCFG00" - <"$SAMPLES/ICSGENER.jcl"
  rm -rf "$place"
  assert_equal "$first" 0
  assert_equal "$owner" '65534 640'
  assert_equal "$status" 16
  assert_output --partial 'ICH408I T01TCP.ACCES.EMAIL(NEWMAILD) - INSUFFICIENT ACCESS AUTHORITY - you may not read NEWMAILD'
}

@test "a spool file that cannot be written ends the job with 16 and leaves nothing behind" {
  copy_deck 'DSN=T01TCP.ACCES.EMAIL(BIG),DISP=SHR' 'SYSOUT=A,DEST=RMT21,DCB=*.SYSUT1' >"$SITE/deck"
  echo '//S2 EXEC PGM=IEFBR14' >>"$SITE/deck"
  head -c 300000 /dev/zero | tr '\0' 'x' | fold -w 70 >"$CATALOG/T01TCP.ACCES.EMAIL/BIG"
  run bash -c "ulimit -f 100; trap '' XFSZ; exec '$BUILD/submit' -C '$MEMBER' '$SITE/deck' | cat"
  assert_output --partial 'IEC020I 001-4,COPY,S1,SYSUT2 - I/O ERROR - RMT21: File too large'
  assert_output --partial 'COPY     ENDED - RC=0016'
  assert_output --partial 'S2 - STEP WAS NOT EXECUTED'
  run queued
  assert_output ''
}

@test "what submit queues, SPOOL#4 takes" {
  local spool4=("$BUILD/spool4" -C "$MEMBER" --log stderr)
  [ -x "${spool4[0]}" ] || skip 'spool4 is not built'
  [ "$(id -u)" -eq 0 ] || skip "the seed's senders are not this user's"
  submit -q "$SAMPLES/ICSGENER.jcl"
  submit -q "$SAMPLES/ICSGENRM.jcl"
  "${spool4[@]}" --once
  run cat "$SPOOL"/mail/OUT.*
  assert_success
  assert_line 'X-To: <abcdef@remotehost.example>'
  assert_line 'X-To: <t01tcp@host2.md.company.com>'
  assert_line 'This is the last line.'
  assert_line --regexp '^Received: .*job ICSGENRM JOB00002'
}
