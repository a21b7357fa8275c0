/* The operand field of a JCL statement: parameters, sublists, apostrophes. Pure.
 *
 * All functions work on the text of the field as the cards gave it, continuations joined; what they
 * return points into that text. Commas within parentheses or apostrophes separate nothing. */
#ifndef SPOOLMAIL_SUBMIT_OPERAND_H
#define SPOOLMAIL_SUBMIT_OPERAND_H

#include "lib/buf.h"

struct operand {
    struct span keyword; /* empty: a positional parameter */
    struct span value;   /* as written, apostrophes and parentheses included */
};

enum operand_fault {
    OPERAND_GOOD,
    OPERAND_OPEN,      /* a parenthesis is not closed */
    OPERAND_CLOSE,     /* a parenthesis is closed that was not opened */
    OPERAND_CHARACTER, /* outside of apostrophes, a character that JCL does not know */
    OPERAND_STRING     /* an apostrophe is not closed */
};

/* Looks over the whole field once; *at is the octet at fault. */
enum operand_fault operand_check(struct span text, size_t *at);
/* Takes the text up to the next separating comma off the front of *rest, as span_cut() does: "a,b"
 * gives a, b; "a," gives a and an empty part. False when *rest is used up (its p is NULL). */
bool operand_cut(struct span *rest, struct span *part);
/* KEYWORD=value, or a positional parameter. */
struct operand operand_split(struct span part);
/* The inside of (...); false, and *inside is all of it, when no parentheses stand round the value.
 */
bool operand_inside(struct span value, struct span *inside);

enum operand_text { OPERAND_TEXT, OPERAND_TEXT_LONG, OPERAND_TEXT_BAD };
/* The value without its apostrophes, '' made one; a value without apostrophes is copied. BAD: text
 * stands behind the closing apostrophe, or the value is a list. LONG: `size` has no room for it. */
enum operand_text operand_plain(struct span value, char *out, size_t size);

#endif
