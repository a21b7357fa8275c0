/* Card images to JCL statements. Pure.
 *
 * A deck is lines, ended by LF or CR LF, each one card of 80 columns; a column is one character of
 * UTF-8. Statements stand in columns 1-71, column 72 tells that a comment goes on, 73-80 hold a
 * sequence number that is dropped. In-stream data keep all 80 columns and stay as they are. The
 * rules are those of the MVS JCL Reference, with one leniency: after a card that ended in a comma a
 * card such as `//MSGCLASS=X`, whose name field holds an equals sign, is taken as the continuation
 * whose blank in column 3 got lost, with a warning.
 *
 * Nothing in the deck is trusted. Every error becomes a finding with its card and column, and the
 * reading goes on with the next statement, so that all errors of a deck are found at once. */
#ifndef SPOOLMAIL_SUBMIT_DECK_H
#define SPOOLMAIL_SUBMIT_DECK_H

#include "jobs/submit/finding.h"
#include "lib/buf.h"

enum { CARD_COLUMNS = 80, CARD_TEXT = 71, CARD_MARK = 72, CARD_RESUME = 16 };
enum { DECK_CARDS_MAX = 1000000 };

/* A run of a statement's text that stands on one card. */
struct deck_segment {
    size_t offset; /* in the statement's text */
    struct place at;
};

struct deck_statement {
    struct place at, operation_at;
    struct span name, operation; /* into the deck; both empty: the null statement */
    struct buf text;             /* operand field, continuations joined */
    struct deck_segment *segment;
    size_t segments, segment_capacity;
    struct span data; /* in-stream data: whole cards with their line ends */
    bool instream;    /* `DD *` or `DD DATA` */
    bool generated;   /* SYSIN supplied for data that had no DD in front */
    bool damaged;     /* a card of it is missing or wrong: its operands tell nothing */
};

struct deck {
    struct span *card; /* owned array; line ends removed; card[i] has the number i + 1 */
    size_t cards;
    struct deck_statement *statement; /* owned array */
    size_t statements, capacity;
};

/* Reads a deck; spans point into `text`, which must live as long as the deck. Errors go to *f.
 * False only when memory is short: nothing in *deck is then to be used, but deck_free() is to be
 * called. */
bool deck_parse(struct span text, struct deck *deck, struct findings *f);
void deck_free(struct deck *deck);

bool deck_is_null(const struct deck_statement *st);
/* Where an octet of st->text (given by its address) stands in the deck. */
struct place deck_place(const struct deck_statement *st, const char *octet);

#endif
