/* What comes from a terminal, character by character, made into keys for a line editor: pure.
 *
 * Tells text that the terminal marks as pasted (ESC [200~ to ESC [201~) from what is typed, and
 * drops what may not be echoed. */
#ifndef SNDMSG_KEYS_H
#define SNDMSG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <wchar.h>

/* The editor has this key bound to a function that inserts the text of the key. Nobody can type it.
 */
enum { KEYS_INSERT = 0x1F };

struct key {
    wchar_t character;
    bool pasted;   /* a line end that was pasted */
    wchar_t *text; /* of KEYS_INSERT, owned by who takes the key; else NULL */
};

struct keys {
    struct key *queue; /* owned: keys that are ready, from `first` on */
    size_t first, count, cap;
    wchar_t *paste; /* owned: text pasted so far in this line */
    size_t paste_length, paste_cap, paste_max;
    size_t matched; /* characters of a paste mark that were held back */
    bool pasting;
    bool cr;       /* a pasted CR came last: its LF is no second line end */
    bool refused;  /* something was dropped since keys_refused() was asked */
    bool overlong; /* pasted text was dropped because the line is full */
    bool failed;   /* memory is short */
};

/* `paste_max`: characters of one pasted line. */
void keys_init(struct keys *k, size_t paste_max);
void keys_free(struct keys *k);
/* One more character. */
void keys_put(struct keys *k, wchar_t character);
/* Nothing more came for a moment: what was held back is no mark. */
void keys_flush(struct keys *k);
/* Is something held back, so that keys_flush() would matter? */
static inline bool keys_waiting(const struct keys *k)
{
    return k->matched > 0;
}
/* False: no key is ready. */
bool keys_take(struct keys *k, struct key *key);

#endif
