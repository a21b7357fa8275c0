/* Configuration members.
 *
 * Holds: what was read can be written down, each value in apostrophes, and is then read as the
 * same; an error has a place inside the text; a size or a time never exceeds its bound, and is the
 * number of octets or seconds that it says. */
#include "tests/fuzz/fuzz.h"

#include <inttypes.h>
#include <string.h>

#include "lib/statement.h"

static void write_value(struct buf *out, const char *value)
{
    buf_adds(out, "('");
    for (const char *p = value; *p != '\0'; p++) {
        if (*p == '\'')
            buf_addc(out, '\'');
        buf_addc(out, *p);
    }
    buf_adds(out, "')");
}

static void write_list(struct buf *out, const struct statement_list *list)
{
    for (size_t i = 0; i < list->statements; i++) {
        const struct statement *st = &list->statement[i];
        buf_addspan(out, st->name);
        for (size_t k = 0; k < st->keywords; k++) {
            buf_adds(out, "\n\t");
            buf_addspan(out, st->keyword[k].name);
            if (st->keyword[k].value != NULL)
                write_value(out, st->keyword[k].value);
            buf_adds(out, " * comment");
        }
        buf_adds(out, "\n* comment\n");
    }
}

static bool same_value(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void check_same(const struct statement_list *a, const struct statement_list *b)
{
    CHECK(a->statements == b->statements);
    for (size_t i = 0; i < a->statements; i++) {
        const struct statement *sa = &a->statement[i], *sb = &b->statement[i];
        CHECK(span_eq(sa->name, sb->name) && sa->keywords == sb->keywords);
        for (size_t k = 0; k < sa->keywords; k++)
            CHECK(span_eq(sa->keyword[k].name, sb->keyword[k].name) &&
                  same_value(sa->keyword[k].value, sb->keyword[k].value));
    }
}

static void check_number(bool (*read)(const char *, uint64_t, uint64_t *), const char *value)
{
    static const uint64_t bounds[] = {0, 1000, UINT32_MAX, UINT64_MAX};
    uint64_t n, again;
    char digits[24];

    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        if (!read(value, bounds[i], &n))
            continue;
        CHECK(n <= bounds[i]);
        CHECK(value[0] >= '0' && value[0] <= '9');
        snprintf(digits, sizeof(digits), "%" PRIu64, n);
        CHECK(read(digits, n, &again) && again == n);
        CHECK(n == 0 || !read(value, n - 1, &again));
    }
}

static void check_values(const struct statement_list *list)
{
    static const char *const words[] = {"PATH", "REMOTE", "RETRYINT", "RETRYMAX", ""};

    for (size_t i = 0; i < list->statements; i++) {
        for (size_t k = 0; k < list->statement[i].keywords; k++) {
            const struct keyword *key = &list->statement[i].keyword[k];
            const char *near = nearest_word(key->name, words, 5);
            CHECK(near == NULL || strlen(near) + 2 >= key->name.n);
            if (key->value == NULL)
                continue;
            CHECK(no_controls(span_of(key->value), ""));
            check_number(value_size, key->value);
            check_number(value_time, key->value);
        }
    }
}

static void check_error(struct span text, const struct statement_list *list, const struct diag *d)
{
    struct span line = {NULL, 0};

    CHECK(list->statement == NULL && list->statements == 0);
    CHECK(d->text[0] != '\0' && no_controls(span_of(d->text), ""));
    CHECK(d->line > 0 && d->column > 0);
    for (size_t i = 0; i < d->line; i++)
        CHECK(span_line(&text, &line));
    CHECK(d->column <= line.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    struct statement_list list, again;
    struct buf written = {0};
    struct diag d;

    if (!statement_parse(text, &list, &d)) {
        check_error(text, &list, &d);
        return 0;
    }
    check_values(&list);
    write_list(&written, &list);
    CHECK(statement_parse(BUF_SPAN(&written), &again, &d));
    check_same(&list, &again);
    statement_free(&again);
    statement_free(&list);
    buf_free(&written);
    return 0;
}
