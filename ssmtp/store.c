/* See store.h. */
#include "ssmtp/store.h"

#include <errno.h>
#include <string.h>

#include "lib/header.h"

enum { DATA_SETS_MAX = 9999, DATA_SETS = DATA_SETS_MAX + 1, DATA_SET_DIGITS = 7 };

bool store_names_open(struct store_names *n, const struct spool *spool)
{
    *n = (struct store_names){.spool = spool, .job = spool_job_number(spool)};
    if (n->job == 0)
        return false;
    errno = pthread_mutex_init(&n->lock, NULL);
    return errno == 0;
}

void store_names_close(struct store_names *n)
{
    pthread_mutex_destroy(&n->lock);
}

unsigned store_name_journal(const char *name)
{
    static const char before[] = SPOOL_RECEIVED ".JOB00000.D";
    struct span digits = {name + sizeof(before) - 1, DATA_SET_DIGITS};
    uint64_t number;

    if (!spool_name_received(name) || strlen(name) < sizeof(before) + DATA_SET_DIGITS ||
        digits.p[-1] != 'D' || digits.p[-2] != '.' || digits.p[DATA_SET_DIGITS] != '.' ||
        !span_number(digits, UINT64_MAX, &number))
        return 0;
    return (unsigned)(number / DATA_SETS);
}

bool store_names_next(struct store_names *n, bool taken, char name[STORE_NAME])
{
    static const struct recfm text = {.form = RECORD_TEXT};
    bool good = true;

    pthread_mutex_lock(&n->lock);
    if (taken || n->last == DATA_SETS_MAX) {
        unsigned job = spool_job_number(n->spool);
        good = job != 0;
        if (good) {
            n->job = job;
            n->last = 0;
        }
    }
    if (good)
        good = spool_name_format(name, STORE_NAME, SPOOL_RECEIVED, n->job,
                                 n->journal * DATA_SETS + ++n->last, "MAIL", &text);
    pthread_mutex_unlock(&n->lock);
    return good;
}

/* The trace field of RFC 5321 4.4, folded. */
static void put_received(struct buf *out, const struct store_head *h, const char *name)
{
    const char *with = !h->esmtp        ? "SMTP" /* RFC 3848 */
                       : h->login       ? "ESMTPSA"
                       : h->tls != NULL ? "ESMTPS"
                                        : "ESMTP";

    buf_printf(out, "Received: from %s (%s)\n\t", h->helo, h->literal);
    if (h->tls != NULL)
        buf_printf(out, "(%s)\n\t", h->tls);
    buf_printf(out, "by %s (SSMTP) with %s id %s;\n\t", h->host, with, name);
    header_date(out, h->wall, h->offset);
    buf_addc(out, '\n');
}

/* The first failure is the one that counts. */
static void fail(struct store_file *f, int error)
{
    if (f->error == 0)
        f->error = error != 0 ? error : EIO;
    buf_free(&f->held);
}

static void write_held(struct store_file *f)
{
    if ((f->writer.fd < 0 && spool_create(&f->writer, f->dir) < 0) ||
        spool_write(&f->writer, BUF_SPAN(&f->held)) < 0)
        fail(f, errno);
    else
        seal_add(&f->seal, BUF_SPAN(&f->held));
    buf_free(&f->held); /* a client that stops here keeps no memory */
}

bool store_begin(struct store_file *f, int dir, const char *name, const struct store_head *head)
{
    const struct envelope *e = head->envelope;

    *f = (struct store_file){.dir = dir, .writer.fd = -1};
    if (!span_copy(span_of(name), f->name, sizeof(f->name)) ||
        !envelope_write(&f->held, &e->from, e->to, e->nto, false)) {
        store_drop(f);
        return false;
    }
    put_received(&f->held, head, name);
    if (!f->held.failed)
        return true;
    store_drop(f);
    return false;
}

struct buf *store_text(struct store_file *f)
{
    return f->error == 0 ? &f->held : NULL;
}

void store_took(struct store_file *f)
{
    if (f->held.failed)
        fail(f, ENOMEM);
    else if (f->held.len >= STORE_HELD)
        write_held(f);
}

bool store_end(struct store_file *f, bool hold)
{
    if (f->error == 0 && f->held.failed)
        fail(f, ENOMEM);
    if (f->error == 0 && hold && f->writer.fd < 0 && f->held.len <= STORE_HELD)
        return true;
    if (f->error == 0)
        write_held(f);
    if (f->error == 0 && seal_end(&f->seal, f->writer.fd) < 0)
        fail(f, errno);
    buf_free(&f->held);
    return f->error == 0;
}

void store_drop(struct store_file *f)
{
    buf_free(&f->held);
    seal_drop(&f->seal);
    spool_abandon(&f->writer);
}
