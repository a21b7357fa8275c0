/* See deck.h. */
#include "jobs/submit/deck.h"

#include <stdlib.h>
#include <string.h>

#include "jobs/submit/array.h"
#include "jobs/submit/operand.h"
#include "lib/charset.h"

struct scan {
    struct deck *deck;
    struct findings *findings;
    const char *end;   /* of the text */
    size_t next;       /* index of the next card to look at */
    struct place open; /* the comma or apostrophe behind which a statement must go on */
    bool no_text;      /* a card was met that holds what is no text */
    bool failed;       /* memory */
};

enum { COLUMN_NAME = 3, DELIMITER = 2 };

/* JES2's own statements: none changes what submit does. */
static const char *const jes2_controls[] = {"EOF",    "JOBPARM",  "MESSAGE", "NETACCT", "NOTIFY",
                                            "OUTPUT", "PRIORITY", "ROUTE",   "SETUP",   "XEQ"};

static bool continues_character(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

static size_t columns(struct span text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++)
        n += !continues_character(text.p[i]);
    return n;
}

/* The octet at which a column begins; the card's length when the card ends before it. */
static size_t column_offset(struct span card, size_t column)
{
    size_t i = 0, at = 0;

    for (; i < card.n; i++)
        if (!continues_character(card.p[i]) && ++at == column)
            break;
    return i;
}

/* The text from one column to another, both included; shorter when the card is. */
static struct span card_field(struct span card, size_t from, size_t to)
{
    size_t first = column_offset(card, from), end = column_offset(card, to + 1);

    return (struct span){card.p + first, end - first};
}

static bool starts(struct span card, const char *with)
{
    size_t n = strlen(with);

    return card.n >= n && memcmp(card.p, with, n) == 0;
}

static bool is_blank(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != ' ')
            return false;
    return true;
}

static bool bad_octet(struct span card, bool data, size_t *at)
{
    for (*at = 0; *at < card.n; ++*at) {
        unsigned char c = (unsigned char)card.p[*at];
        if ((c < ' ' && !(data && c == '\t')) || c == 0x7F)
            return true;
    }
    return !utf8_valid(card, at);
}

/* Each card is looked over when it is taken, by the rules for what it is taken for. */
static void check_card(struct scan *s, size_t index, bool data)
{
    struct span card = s->deck->card[index];
    struct span beyond = span_from(card, column_offset(card, CARD_COLUMNS + 1));
    struct place at = {index + 1, CARD_COLUMNS + 1};
    size_t bad;

    while (beyond.n > 0 && beyond.p[0] == ' ') {
        beyond = span_from(beyond, 1);
        at.column++;
    }
    if (beyond.n > 0)
        finding_add(s->findings, FINDING_TOO_LONG, at, "CARD", "a card has 80 columns: %s",
                    data ? "put longer lines into a member of a library and name it by DSN="
                         : "go on with the statement on a second card");
    if (card.n == 0 || !bad_octet(card, data, &bad))
        return;
    s->no_text = true;
    at.column = columns((struct span){card.p, bad}) + 1;
    if (card.p[bad] == '\t')
        finding_add(s->findings, FINDING_BAD_OCTET, at, "", "a tab: put blanks in its place");
    else
        finding_add(s->findings, FINDING_BAD_OCTET, at, "",
                    "X'%02X' is no character: a deck is text in UTF-8; binary data go into a "
                    "library member",
                    (unsigned char)card.p[bad]);
}

static bool split_cards(struct deck *deck, struct span text, struct findings *f)
{
    struct span rest = text, line;
    size_t lines = 0;

    while (span_line(&rest, &line))
        lines++;
    if (lines > DECK_CARDS_MAX) {
        finding_add(f, FINDING_TOO_LONG, (struct place){0, 0}, "DECK",
                    "a deck has at most %d cards, and this one %zu: split it", DECK_CARDS_MAX,
                    lines);
        return true;
    }
    deck->card = calloc(lines + 1, sizeof(*deck->card));
    if (deck->card == NULL)
        return false;
    for (rest = text; span_line(&rest, &line);) {
        bool ended = line.p + line.n < text.p + text.n;
        if (ended && line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        deck->card[deck->cards++] = line;
    }
    return true;
}

static struct deck_statement *add_statement(struct scan *s, struct place at)
{
    struct deck *d = s->deck;
    struct deck_statement *grown =
        array_grow(d->statement, d->statements, &d->capacity, sizeof(*grown));

    if (grown == NULL) {
        s->failed = true;
        return NULL;
    }
    d->statement = grown;
    struct deck_statement *st = &d->statement[d->statements++];
    st->at = st->operation_at = at;
    return st;
}

static bool add_segment(struct scan *s, struct deck_statement *st, struct place at)
{
    struct deck_segment *grown =
        array_grow(st->segment, st->segments, &st->segment_capacity, sizeof(*grown));

    if (grown == NULL) {
        s->failed = true;
        return false;
    }
    st->segment = grown;
    st->segment[st->segments++] = (struct deck_segment){st->text.len, at};
    return true;
}

enum field_end { FIELD_DONE, FIELD_COMMA, FIELD_STRING };

/* Adds the operand text of one card, from `at` on, to the statement. */
static enum field_end take_field(struct scan *s, struct deck_statement *st, struct place at,
                                 bool *string)
{
    struct span card = s->deck->card[at.card - 1];
    struct span field = card_field(card, at.column, CARD_TEXT);
    size_t i = 0;

    if (!add_segment(s, st, at))
        return FIELD_DONE;
    for (; i < field.n && (*string || field.p[i] != ' '); i++)
        if (field.p[i] == '\'' && (*string = !*string) && (i == 0 || field.p[i - 1] != '\''))
            s->open = (struct place){at.card, at.column + columns((struct span){field.p, i})};
    buf_add(&st->text, field.p, i);
    size_t used = at.column + columns((struct span){field.p, i});
    if (*string && used <= CARD_TEXT)
        buf_fill(&st->text, ' ', CARD_TEXT + 1 - used); /* blanks that an editor took away */
    s->failed |= st->text.failed;
    if (*string)
        return FIELD_STRING;
    if (i > 0 && field.p[i - 1] == ',') {
        s->open = (struct place){at.card, used - 1};
        return FIELD_COMMA;
    }
    if (used == CARD_MARK && !is_blank(card_field(card, CARD_MARK, CARD_MARK)))
        finding_add(s->findings, FINDING_PAST_71, (struct place){at.card, CARD_MARK}, "",
                    "the operands run past column 71: end the card after a comma and go on in "
                    "column 4 to 16 of the next");
    return FIELD_DONE;
}

/* The finding stands where the statement is open: the next card may belong to another job. */
static bool no_continuation(struct scan *s, bool string)
{
    if (string)
        finding_add(s->findings, FINDING_NO_CONTINUATION, s->open, "",
                    "this apostrophe is not closed: close it, or fill the card to column 71 and go "
                    "on in column 16 of a card that is blank from 3 to 15");
    else
        finding_add(s->findings, FINDING_NO_CONTINUATION, s->open, "",
                    "behind this comma: take it away, or go on in column 4 to 16 of the next card, "
                    "with // and a blank before");
    return false;
}

/* Does the name field hold an equals sign? Then its blank in column 3 got lost. */
static bool lost_blank(struct span field)
{
    struct span name = {field.p, span_find(field, ' ')};

    return span_find(name, '=') < name.n;
}

/* Finds the card on which a statement goes on, and the column; false (a finding was made) when the
 * next card is none. Comment cards may stand between. */
static bool find_continuation(struct scan *s, size_t from, bool string, struct place *to)
{
    const struct deck *d = s->deck;

    while (s->next < d->cards && starts(d->card[s->next], "//*"))
        check_card(s, s->next++, false);
    if (s->next == d->cards)
        return no_continuation(s, string);
    *to = (struct place){s->next + 1, COLUMN_NAME};
    struct span card = d->card[s->next], field = card_field(card, COLUMN_NAME, CARD_TEXT);
    if (!starts(card, "//"))
        return no_continuation(s, string);
    if (string && !is_blank(card_field(card, COLUMN_NAME, CARD_RESUME - 1)))
        return no_continuation(s, true);
    if (!string && field.n > 0 && field.p[0] != ' ') {
        if (!lost_blank(field))
            return no_continuation(s, false);
        finding_add(s->findings, FINDING_WARNING, *to, "",
                    "taken as the continuation of card %zu: put a blank into column 3", from);
    } else if (is_blank(field)) {
        return no_continuation(s, string);
    }
    while (!string && field.p[to->column - COLUMN_NAME] == ' ')
        to->column++;
    if (string)
        to->column = CARD_RESUME;
    check_card(s, s->next++, false);
    if (to->column <= CARD_RESUME)
        return true;
    finding_add(s->findings, FINDING_NO_CONTINUATION, *to, "",
                "the text begins too far to the right: begin it in column 4 to 16");
    return false;
}

/* A comment that goes on because column 72 is not blank: whatever the next card holds is no
 * operand. */
static void skip_comment(struct scan *s, size_t card)
{
    const struct deck *d = s->deck;

    while (!is_blank(card_field(d->card[card - 1], CARD_MARK, CARD_MARK)) && s->next < d->cards &&
           starts(d->card[s->next], "// ") &&
           !is_blank(card_field(d->card[s->next], COLUMN_NAME, CARD_TEXT))) {
        finding_add(s->findings, FINDING_WARNING, (struct place){s->next + 1, 0}, "",
                    "taken as comment, because column 72 of card %zu is not blank", card);
        card = s->next + 1;
        check_card(s, s->next++, false);
    }
}

static void take_operands(struct scan *s, struct deck_statement *st, struct place at)
{
    enum field_end end;
    bool string = false;

    while ((end = take_field(s, st, at, &string)) != FIELD_DONE && !s->failed)
        if (!find_continuation(s, at.card, end == FIELD_STRING, &at)) {
            st->damaged = true;
            return;
        }
    skip_comment(s, at.card);
}

/* Takes one word of a field; *column is moved to the next word. */
static struct span take_word(struct span field, size_t *at)
{
    struct span word = span_from(field, *at);

    word.n = span_find(word, ' ');
    *at += word.n;
    while (*at < field.n && field.p[*at] == ' ')
        ++*at;
    return word;
}

enum data_end {
    END_STATEMENT = 1, /* any card with // */
    END_DELIMITER = 2  /* a card with / and * */
};

/* Takes the cards up to what ends them. A card with dlm is taken, too; other cards are the
 * caller's. */
static void take_data(struct scan *s, struct deck_statement *st, unsigned ends, const char *dlm)
{
    const struct deck *d = s->deck;
    size_t first = s->next;
    const char *stop = s->end;

    for (; s->next < d->cards; s->next++) {
        struct span card = d->card[s->next];
        if ((dlm[0] != '\0' && starts(card, dlm)) ||
            ((ends & END_DELIMITER) && starts(card, "/*")) ||
            ((ends & END_STATEMENT) && starts(card, "//")))
            break;
        check_card(s, s->next, true);
    }
    if (s->next < d->cards)
        stop = d->card[s->next].p;
    if (s->next > first)
        st->data = (struct span){d->card[first].p, (size_t)(stop - d->card[first].p)};
    if (s->next == d->cards && !(ends & END_STATEMENT) && first < d->cards)
        finding_add(s->findings, FINDING_WARNING, st->at, "",
                    "the data run to the end of the deck: no card begins with %s",
                    dlm[0] != '\0' ? dlm : "/*");
    if (s->next < d->cards && dlm[0] != '\0' && starts(d->card[s->next], dlm))
        s->next++;
}

/* The two characters of DLM=, or "" when it is not coded or wrong. */
static void find_delimiter(struct scan *s, const struct deck_statement *st, char dlm[DELIMITER + 1],
                           bool *wrong)
{
    struct span rest = BUF_SPAN(&st->text), part;
    char text[CARD_COLUMNS];

    dlm[0] = '\0';
    *wrong = false;
    while (operand_cut(&rest, &part)) {
        struct operand o = operand_split(part);
        if (!span_eq(o.keyword, SPAN("DLM")))
            continue;
        enum operand_text form = operand_plain(o.value, text, sizeof(text));
        *wrong = form != OPERAND_TEXT || strlen(text) != DELIMITER;
        if (*wrong)
            finding_add(s->findings, FINDING_BAD_FIELD, deck_place(st, o.value.p), "DLM",
                        "a delimiter is two characters, in apostrophes if need be: DLM=$$ or "
                        "DLM='%%%%'");
        else
            memcpy(dlm, text, DELIMITER + 1);
    }
}

static void take_instream(struct scan *s, struct deck_statement *st)
{
    struct span rest = BUF_SPAN(&st->text), first;
    char dlm[DELIMITER + 1];
    bool wrong;

    if (!span_eq(st->operation, SPAN("DD")) || !operand_cut(&rest, &first))
        return;
    bool star = span_eq(first, SPAN("*"));
    if (!star && !span_eq(first, SPAN("DATA")))
        return;
    find_delimiter(s, st, dlm, &wrong);
    st->instream = true;
    /* A wrong delimiter fails the job; JES2 then ends the data at either kind of card. */
    unsigned ends = star || wrong ? END_STATEMENT : 0;
    if (dlm[0] == '\0')
        ends |= END_DELIMITER;
    take_data(s, st, ends, dlm);
}

static void take_statement(struct scan *s)
{
    struct span card = s->deck->card[s->next];
    struct span field = card_field(card, COLUMN_NAME, CARD_TEXT);
    struct place at = {s->next + 1, 1};
    struct deck_statement *st = add_statement(s, at);
    size_t i = 0;

    s->no_text = false;
    check_card(s, s->next++, false);
    if (st == NULL || is_blank(field))
        return;
    st->name = take_word(field, &i);
    st->operation_at.column = COLUMN_NAME + columns((struct span){field.p, i});
    st->operation = take_word(field, &i);
    at.column = COLUMN_NAME + columns((struct span){field.p, i});
    take_operands(s, st, at);
    st->damaged = st->damaged || s->no_text;
    if (!s->failed)
        take_instream(s, st);
}

/* `/`, `*` and a blank is a delimiter without data; else one of JES2's statements. */
static void take_control(struct scan *s)
{
    struct span card = s->deck->card[s->next];
    struct span field = card_field(card, COLUMN_NAME, CARD_TEXT);
    struct place at = {s->next + 1, 1};
    size_t i = 0;

    check_card(s, s->next++, false);
    struct span word = take_word(field, &i);
    if (word.n == 0)
        return;
    for (i = 0; i < sizeof(jes2_controls) / sizeof(jes2_controls[0]); i++)
        if (span_eq(word, span_of(jes2_controls[i]))) {
            finding_add(s->findings, FINDING_WARNING, at, "",
                        "this statement of JES2 is passed over");
            return;
        }
    finding_add(s->findings, FINDING_BAD_STATEMENT, at, "",
                "no JES2 statement is called %.*s; if the card is data, choose another delimiter "
                "with DLM=",
                (int)(word.n < 16 ? word.n : 16), word.p);
}

/* Data with no DD in front: the system supplies SYSIN. Empty lines alone are nothing. */
static void take_stray(struct scan *s)
{
    struct place at = {s->next + 1, 1};
    size_t first = s->next;
    struct deck_statement *st = add_statement(s, at);

    if (st == NULL)
        return;
    take_data(s, st, END_STATEMENT | END_DELIMITER, "");
    bool blank = true;
    for (size_t i = first; blank && i < s->next; i++)
        blank = is_blank(s->deck->card[i]);
    if (blank) {
        s->deck->statements--;
        return;
    }
    st->name = SPAN("SYSIN");
    st->operation = SPAN("DD");
    st->instream = st->generated = true;
    s->failed |= !add_segment(s, st, at) || !buf_addc(&st->text, '*');
}

bool deck_parse(struct span text, struct deck *deck, struct findings *f)
{
    struct scan s = {.deck = deck, .findings = f};

    *deck = (struct deck){0};
    if (text.p == NULL)
        text = SPAN(""); /* an empty buf */
    if (starts(text, "\xEF\xBB\xBF")) {
        finding_add(f, FINDING_WARNING, (struct place){1, 1}, "",
                    "the deck begins with a byte order mark: save it as UTF-8 without one");
        text = span_from(text, 3);
    }
    if (!split_cards(deck, text, f))
        return false;
    s.end = text.p + text.n;
    while (s.next < deck->cards && !s.failed) {
        struct span card = deck->card[s.next];
        if (starts(card, "//*"))
            check_card(&s, s.next++, false);
        else if (starts(card, "//"))
            take_statement(&s);
        else if (starts(card, "/*"))
            take_control(&s);
        else
            take_stray(&s);
    }
    return !s.failed;
}

void deck_free(struct deck *deck)
{
    for (size_t i = 0; i < deck->statements; i++) {
        buf_free(&deck->statement[i].text);
        free(deck->statement[i].segment);
    }
    free(deck->statement);
    free(deck->card);
    *deck = (struct deck){0};
}

bool deck_is_null(const struct deck_statement *st)
{
    return st->name.n == 0 && st->operation.n == 0;
}

struct place deck_place(const struct deck_statement *st, const char *octet)
{
    size_t offset = (size_t)(octet - st->text.data), i = st->segments;

    while (i > 1 && st->segment[i - 1].offset > offset)
        i--;
    if (i == 0 || offset > st->text.len)
        return st->at;
    struct place at = st->segment[i - 1].at;
    size_t from = st->segment[i - 1].offset;
    at.column += columns((struct span){st->text.data + from, offset - from});
    return at;
}
