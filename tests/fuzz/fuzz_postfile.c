/* A file of jes/POST and the seal of it: octet 1 says what its seal is (none, the true one in both
 * forms, or the first line of the input), octet 2 how it was cut when it was sealed; the rest is
 * the file.
 *
 * Holds: what our own programs sealed is never called damaged, and with another octet always; a
 * file that opens has an envelope, and its header and body are its text but for Return-Path; the
 * result is the same for each user as often as it is asked, and no other user's. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "jobs/postoffice/postfile.h"
#include "lib/header.h"
#include "lib/seal.h"

enum { NO_SEAL, TRUE_SEAL, BRANCHED_SEAL, FOREIGN_SEAL, KINDS };

static int file = -1;
static bool attributes; /* can the file have any? */

static void open_file(void)
{
    const char *folder = getenv("TMPDIR");

    if (file >= 0)
        return;
    file = open(folder != NULL ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    CHECK(file >= 0);
    attributes = fsetxattr(file, "user.spoolmail.seal", "", 0, 0) == 0;
}

static void put_file(struct span text)
{
    CHECK(ftruncate(file, 0) == 0);
    CHECK(text.n == 0 || pwrite(file, text.p, text.n, 0) == (ssize_t)text.n);
    if (attributes)
        CHECK(fremovexattr(file, "user.spoolmail.seal") == 0 || errno == ENODATA);
}

/* As copies are sealed: what is common first, then the front of each. */
static void put_branched(struct span text, size_t cut)
{
    struct seal common = {0}, whole;

    cut = text.n == 0 ? 0 : cut % text.n;
    seal_add(&common, span_from(text, cut));
    seal_branch(&whole, &common, cut);
    seal_add(&whole, (struct span){text.p, cut});
    CHECK(seal_end(&whole, file) == 0);
    seal_drop(&common);
}

static void put_true(struct span text, unsigned pieces)
{
    struct seal s = {0};

    for (size_t n = pieces % 17 + 1; text.n > 0;) {
        struct span piece = {text.p, text.n < n ? text.n : n};
        seal_add(&s, piece);
        text = span_from(text, piece.n);
    }
    CHECK(seal_end(&s, file) == 0);
}

static enum seal_state state_of(struct span text)
{
    struct seal s = {0};

    if (!seal_open(&s, file)) {
        seal_drop(&s);
        return SEAL_NONE;
    }
    for (size_t n = 7; text.n > 0; n = n * 3 % 101 + 1) {
        struct span piece = {text.p, text.n < n ? text.n : n};
        seal_add(&s, piece);
        text = span_from(text, piece.n);
    }
    return seal_check(&s);
}

/* Header fields but Return-Path, then the body, are the text. */
static void check_text(const struct postfile *p, struct span all)
{
    struct span text = span_from(all, (size_t)p->text_at), kept = BUF_SPAN(&p->header);
    struct span rest = text, before = text;
    struct field f, same;

    CHECK(p->text_at <= p->body_at && p->body_at <= all.n);
    CHECK(header_count(kept, "Return-Path") == 0);
    while (header_next(&rest, &f)) {
        if (!span_eq_nocase(f.name, SPAN("Return-Path"))) {
            CHECK(header_next(&kept, &same));
            CHECK(span_eq(f.name, same.name) && span_eq(f.body, same.body));
        }
        before = rest;
    }
    CHECK(kept.n == 0 && (size_t)(before.p - all.p) == p->body_at);
    CHECK(p->header.len == 0 || p->header.data[p->header.len - 1] == '\n');
    size_t ends = 0, eight = 0;
    for (size_t i = 0; i < text.n; i++) {
        ends += text.p[i] == '\n';
        eight += (unsigned char)text.p[i] > 0x7F;
    }
    CHECK(p->wire_octets == text.n + ends && p->eight_bit == (eight > 0));
}

static void check_ids(const struct postfile *p)
{
    char one[POSTFILE_ID], again[POSTFILE_ID], other[POSTFILE_ID];

    CHECK(postfile_id(p, "USER1", one) && postfile_id(p, "USER1", again));
    CHECK(postfile_id(p, "USER2", other) && strlen(one) == POSTFILE_ID - 1);
    CHECK(strcmp(one, again) == 0 && strcmp(one, other) != 0);
}

static void check_postfile(struct span text, enum seal_state state)
{
    char reason[320];
    struct postfile p;
    struct stat st;

    CHECK(fstat(file, &st) == 0);
    int fd = dup(file);
    enum postfile_result r = postfile_open(&p, fd, &st, "NAME", reason);
    CHECK(r != POSTFILE_TROUBLE && (r == POSTFILE_BAD) == (reason[0] != '\0'));
    bool damaged = strcmp(reason, SEAL_REASON) == 0;
    CHECK(damaged == (state == SEAL_BROKEN));
    if (r != POSTFILE_OPEN)
        return;
    CHECK(p.envelope.have_from && p.envelope.nto > 0 && !p.envelope.asa);
    check_text(&p, text);
    check_ids(&p);
    postfile_close(&p);
}

/* One octet is another: no seal of ours fits any more. */
static void damage(struct span text, size_t at)
{
    at %= text.n;
    char octet = (char)(text.p[at] ^ 0x20);

    CHECK(pwrite(file, &octet, 1, (off_t)at) == 1);
    struct buf other = {0};
    CHECK(buf_addspan(&other, text));
    other.data[at] = octet;
    CHECK(state_of(BUF_SPAN(&other)) == SEAL_BROKEN);
    check_postfile(BUF_SPAN(&other), SEAL_BROKEN);
    buf_free(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size}, line = {NULL, 0};
    unsigned kind = take_octet(&text) % KINDS;
    unsigned pieces = take_octet(&text);

    open_file();
    if (kind == FOREIGN_SEAL && !span_line(&text, &line))
        return 0;
    put_file(text);
    if (kind == TRUE_SEAL)
        put_true(text, pieces);
    else if (kind == BRANCHED_SEAL)
        put_branched(text, pieces * 3);
    else if (kind == FOREIGN_SEAL && attributes)
        CHECK(fsetxattr(file, "user.spoolmail.seal", line.p, line.n < 100 ? line.n : 100, 0) == 0);
    enum seal_state state = state_of(text);
    bool ours = kind == TRUE_SEAL || kind == BRANCHED_SEAL;
    CHECK(!ours || state == (attributes ? SEAL_GOOD : SEAL_NONE));
    CHECK(state != SEAL_TROUBLE && (kind != NO_SEAL || state == SEAL_NONE));
    check_postfile(text, state);
    if (ours && attributes && text.n > 0)
        damage(text, pieces);
    return 0;
}
