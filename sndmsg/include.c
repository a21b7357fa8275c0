/* See include.h. */
#include "sndmsg/include.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/record.h"
#include "sndmsg/cleartext.h"

enum { UTF8_LONGEST = 4 };

static const char recursion[] = ".f=";

/* Text on its way into the letter. */
struct sink {
    struct letter *letter;
    struct source source;
    bool stream;    /* no file: it may grow, and what is in it is nothing but text */
    uint64_t start; /* of it in the letter */
    uint64_t lines; /* ended so far */
    size_t matched; /* octets of `recursion` at the start of this line; SIZE_MAX: it is another */
    bool cr;        /* a CR came last: is it a line end's? */
};

/* Looks for `.f=` at the start of the lines that the text has. */
static bool look_for_recursion(struct sink *k, struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\n') {
            k->lines++;
            k->matched = 0;
            continue;
        }
        if (k->matched < sizeof(recursion) - 1 &&
            span_eq_nocase((struct span){text.p + i, 1}, (struct span){&recursion[k->matched], 1}))
            k->matched++;
        else
            k->matched = SIZE_MAX;
        if (k->matched == sizeof(recursion) - 1 && !k->stream) {
            SAY(k->source.message, T01SM073W, k->source.name,
                msg_num((long long)k->lines + 1).text);
            return false;
        }
        if (k->matched == SIZE_MAX) /* on to the end of the line */
            i += span_find(span_from(text, i), '\n') - 1;
    }
    return true;
}

static bool put_plain(struct sink *k, struct span text)
{
    struct letter *l = k->letter;

    if (source_too_large(&k->source, text.n, letter_room(l, k->source.rules->maxsize)) ||
        !look_for_recursion(k, text))
        return false;
    if (scratch_write(&l->text, text) == 0)
        return true;
    return letter_no_room(l, k->source.message);
}

/* UTF-8 text in pieces; CR LF becomes LF. */
static bool put_text(struct sink *k, struct span text)
{
    const char *nul = text.n > 0 ? memchr(text.p, '\0', text.n) : NULL;

    if (nul != NULL) {
        SAY(k->source.message, T01SM075W, k->source.name,
            msg_num((long long)(k->letter->text.size - k->start) + (nul - text.p) + 1).text);
        return false;
    }
    if (k->cr && text.n > 0 && text.p[0] != '\n' && !put_plain(k, SPAN("\r")))
        return false;
    k->cr = k->cr && text.n == 0;
    while (text.n > 0) {
        size_t n = span_find(text, '\r');
        bool at_end = n + 1 == text.n, line_end = n + 1 < text.n && text.p[n + 1] == '\n';
        if (n == text.n)
            return put_plain(k, text);
        k->cr = at_end;
        if (!put_plain(k, (struct span){text.p, n + (at_end || line_end ? 0 : 1)}))
            return false;
        text = span_from(text, n + 1);
    }
    return true;
}

static bool end_text(struct sink *k)
{
    return !k->cr || put_plain(k, SPAN("\r"));
}

static bool not_in_page(struct sink *k, const struct charset *page, uint64_t octet)
{
    SAY(k->source.message, T01SM076W, k->source.name, page->name,
        msg_num((long long)octet + 1).text);
    return false;
}

/* Pieces of UTF-8 or of a page of single octets; a character may be cut by the end of a piece. */
static bool stream_text(struct sink *k, const struct charset *page, uint64_t *total)
{
    char piece[SOURCE_PIECE + UTF8_LONGEST];
    struct buf decoded = {0};
    size_t carried = 0, bad = 0;
    ssize_t n;
    bool good = true, utf8 = page->kind == CHARSET_UTF8;

    while (good && (n = source_read(&k->source, piece + carried)) > 0) {
        struct span all = {piece, carried + (size_t)n}, now = all;
        *total += (uint64_t)n;
        if (!k->stream && *total > k->source.octets) {
            good = source_unchanged(&k->source, *total);
            break;
        }
        if (utf8 && !utf8_valid(all, &bad) && all.n - bad < UTF8_LONGEST)
            now.n = bad;
        buf_clear(&decoded);
        if (utf8 ? utf8_valid(now, &bad) : charset_decode(page, now, true, &decoded, &bad))
            good = put_text(k, utf8 ? now : BUF_SPAN(&decoded));
        else
            good = not_in_page(k, page, *total - all.n + bad);
        carried = all.n - now.n;
        memmove(piece, piece + now.n, carried);
    }
    buf_free(&decoded);
    if (good && n == 0 && carried > 0)
        good = not_in_page(k, page, *total - carried);
    return good && n == 0 && end_text(k);
}

static bool read_whole(struct sink *k, struct buf *all)
{
    char piece[SOURCE_PIECE];
    ssize_t n;

    if (k->source.octets > INCLUDE_WHOLE_MAX) {
        SAY(k->source.message, T01SM078W, k->source.name, "16 MiB OF A FILE TO CONVERT, THAT IS");
        return false;
    }
    while ((n = source_read(&k->source, piece)) > 0) {
        if (!buf_add(all, piece, (size_t)n)) {
            SAY(k->source.message, T01SM072W, strerror(ENOMEM), k->source.name);
            return false;
        }
        if (all->len > k->source.octets)
            break;
    }
    return n >= 0 && source_unchanged(&k->source, all->len);
}

/* One record as a line, with the blank lines that ASA control puts before it. Machine control is no
 * character of the page: it is dropped before anything is decoded. */
static bool put_record(struct sink *k, const struct charset *page, const struct recfm *format,
                       struct span record, struct buf *line)
{
    size_t bad = 0;

    buf_clear(line);
    if (format->control == CONTROL_MACHINE)
        record = span_from(record, 1);
    if (!charset_decode(page, record, false, line, &bad))
        return not_in_page(k, page, (uint64_t)bad);
    struct span text = BUF_SPAN(line);
    if (format->control == CONTROL_ASA && text.n > 0) {
        struct carriage c = carriage_asa((unsigned char)utf8_control(&text));
        for (unsigned i = 1; i < c.lines; i++)
            if (!put_text(k, SPAN("\n")))
                return false;
    }
    if (format->form == RECORD_FIXED)
        text = span_trim_end(text);
    return put_text(k, text) && put_text(k, SPAN("\n"));
}

static bool put_records(struct sink *k, const struct charset *page, struct span all)
{
    struct recfm format = dcb_format(&k->source.label);
    struct record_reader reader = {.format = format, .rest = all};
    enum record_result r;
    struct buf line = {0};
    struct span record;
    struct diag d = {0};
    bool good = true;

    while (good && (r = record_next(&reader, &record, &d)) == RECORD_OK)
        good = put_record(k, page, &format, record, &line);
    buf_free(&line);
    if (good && r == RECORD_DAMAGED) {
        SAY(k->source.message, T01SM072W, d.text, k->source.name);
        return false;
    }
    return good;
}

/* A page whose characters have several octets or states, or records: all of it in memory. */
static bool convert_text(struct sink *k, const struct charset *page)
{
    const struct dcb *label = &k->source.label;
    struct buf all = {0}, decoded = {0};
    size_t bad = 0;
    bool good = read_whole(k, &all);

    if (good && (label->form != RECORD_TEXT || label->control != CONTROL_NONE)) {
        good = put_records(k, page, BUF_SPAN(&all));
    } else if (good) {
        good =
            charset_decode(page, BUF_SPAN(&all), true, &decoded, &bad) || not_in_page(k, page, bad);
        good = good && put_text(k, BUF_SPAN(&decoded)) && end_text(k);
    }
    buf_free(&all);
    buf_free(&decoded);
    return good;
}

static bool take_text(struct sink *k, const struct charset *page)
{
    const struct dcb *label = &k->source.label;
    uint64_t total = 0;

    if (page->kind == CHARSET_ICONV || label->form != RECORD_TEXT || label->control != CONTROL_NONE)
        return convert_text(k, page);
    return stream_text(k, page, &total) && (k->stream || source_unchanged(&k->source, total));
}

/* ---- the operand */

/* NAME,codepage: the last comma begins a code page unless a file has the whole name. */
static bool find_page(struct span *name, const struct source_rules *rules, struct charset *page,
                      struct buf *message)
{
    char path[PATH_MAX];
    size_t comma = name->n;

    *page = rules->charset;
    while (comma > 0 && name->p[comma - 1] != ',')
        comma--;
    if (comma == 0 || (span_copy(*name, path, sizeof(path)) && access(path, F_OK) == 0))
        return true;
    struct span word = span_trim(span_from(*name, comma));
    if (word.n == 0 || span_find(word, '/') < word.n || span_find(word, '.') < word.n)
        return true;
    if (charset_find(word, page)) {
        *name = span_trim((struct span){name->p, comma - 1});
        return true;
    }
    span_copy((struct span){word.p, word.n < 80 ? word.n : 80}, path, sizeof(path));
    SAY(message, T01SM079W, path);
    return false;
}

/* The text is in the letter; or else nothing of it is. */
static bool finish(struct sink *k, bool good, struct span what)
{
    if (good && !letter_included(k->letter, k->start, what))
        good = letter_no_room(k->letter, k->source.message);
    if (!good)
        scratch_cut(&k->letter->text, k->start);
    return good;
}

bool include_text(struct letter *l, const struct source_rules *rules, struct span operand,
                  struct buf *message)
{
    struct sink k = {.letter = l, .start = l->text.size};
    struct cleartext_loss loss;
    struct span name = operand;
    struct buf what = {0};
    struct charset page;

    if (!find_page(&name, rules, &page, message))
        return false;
    bool good = source_open(&k.source, rules, name, message) &&
                !source_too_large(&k.source, k.source.octets, letter_room(l, rules->maxsize)) &&
                take_text(&k, &page);
    source_close(&k.source);
    buf_adds(&what, recursion);
    cleartext_clean(operand, &what, &loss);
    good = finish(&k, good, BUF_SPAN(&what));
    buf_free(&what);
    unsigned long long lines = k.lines + (k.matched != 0);
    if (good)
        buf_printf(message, "(%llu line%s included)\n", lines, lines == 1 ? "" : "s");
    return good;
}

bool include_stream(struct letter *l, const struct source_rules *rules, int fd, const char *name,
                    struct buf *message)
{
    struct sink k = {.letter = l, .start = l->text.size, .stream = true};
    uint64_t total = 0;

    k.source = (struct source){.fd = fd, .message = message, .rules = rules};
    snprintf(k.source.name, sizeof(k.source.name), "%s", name);
    return finish(&k, stream_text(&k, &rules->charset, &total), span_of(name));
}
