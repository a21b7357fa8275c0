/* See keys.h. */
#include "sndmsg/keys.h"

#include <stdlib.h>
#include <string.h>

#include "lib/charset.h"
#include "sndmsg/cleartext.h"

enum { ESC = 0x1B, DEL = 0x7F, MARK_LENGTH = 6 };

static const wchar_t begin_mark[] = L"\033[200~", end_mark[] = L"\033[201~";

void keys_init(struct keys *k, size_t paste_max)
{
    *k = (struct keys){.paste_max = paste_max};
}

void keys_free(struct keys *k)
{
    for (size_t i = k->first; i < k->count; i++)
        free(k->queue[i].text);
    free(k->queue);
    free(k->paste);
    *k = (struct keys){0};
}

static bool grow_queue(struct keys *k)
{
    size_t cap = k->cap ? k->cap * 2 : 64;
    struct key *grown = reallocarray(k->queue, cap, sizeof(*grown));

    if (grown == NULL)
        return false;
    k->queue = grown;
    k->cap = cap;
    return true;
}

static bool push(struct keys *k, wchar_t character, bool pasted)
{
    if (k->first == k->count)
        k->first = k->count = 0;
    if (k->count == k->cap && !grow_queue(k)) {
        k->failed = true;
        return false;
    }
    k->queue[k->count++] = (struct key){character, pasted, NULL};
    return true;
}

bool keys_take(struct keys *k, struct key *key)
{
    if (k->first == k->count)
        return false;
    *key = k->queue[k->first++];
    return true;
}

/* What was pasted so far becomes one key. */
static void end_paste(struct keys *k)
{
    if (k->paste_length == 0)
        return;
    k->paste[k->paste_length] = L'\0';
    if (push(k, KEYS_INSERT, true)) {
        k->queue[k->count - 1].text = k->paste;
        k->paste = NULL;
        k->paste_cap = 0;
    }
    k->paste_length = 0;
}

static bool grow_paste(struct keys *k)
{
    size_t cap = k->paste_cap ? k->paste_cap * 2 : 256;
    wchar_t *grown = reallocarray(k->paste, cap, sizeof(*grown));

    if (grown == NULL)
        return false;
    k->paste = grown;
    k->paste_cap = cap;
    return true;
}

static void add_paste(struct keys *k, wchar_t c)
{
    if (k->paste_length >= k->paste_max) {
        k->overlong = true;
        return;
    }
    if (k->paste_length + 1 >= k->paste_cap && !grow_paste(k)) {
        k->failed = true;
        return;
    }
    k->paste[k->paste_length++] = c;
}

/* May the character be shown as it is? */
static bool safe(wchar_t c)
{
    char utf8[4];
    uint32_t code = (uint32_t)c;
    size_t n = 0;

    if (code < 0x80)
        return code >= 0x20 && code != DEL;
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return false;
    if (code >= 0x10000)
        utf8[n++] = (char)(0xF0 | code >> 18);
    if (code >= 0x800)
        utf8[n++] = (char)(code >= 0x10000 ? 0x80 | (code >> 12 & 0x3F) : 0xE0 | code >> 12);
    utf8[n++] = (char)(code >= 0x800 ? 0x80 | (code >> 6 & 0x3F) : 0xC0 | code >> 6);
    utf8[n++] = (char)(0x80 | (code & 0x3F));
    return cleartext_fault((struct span){utf8, n}, false) == n;
}

static void take_pasted(struct keys *k, wchar_t c)
{
    bool after_cr = k->cr;

    k->cr = c == L'\r';
    if (c == L'\n' && after_cr)
        return;
    if (c == L'\r' || c == L'\n') {
        end_paste(k);
        push(k, L'\n', true);
    } else if (c == L'\t' || safe(c)) {
        add_paste(k, c);
    } else {
        k->refused = true;
    }
}

/* C0 controls are keys of the editor. */
static void take_typed(struct keys *k, wchar_t c)
{
    if (c != KEYS_INSERT && ((c >= 0 && c < 0x20) || c == DEL || safe(c)))
        push(k, c, false);
    else
        k->refused = true;
}

static void take(struct keys *k, wchar_t c)
{
    if (k->pasting)
        take_pasted(k, c);
    else
        take_typed(k, c);
}

void keys_flush(struct keys *k)
{
    size_t held = k->matched;
    const wchar_t *mark = k->pasting ? end_mark : begin_mark;

    k->matched = 0;
    for (size_t i = 0; i < held; i++)
        take(k, mark[i]);
}

void keys_put(struct keys *k, wchar_t c)
{
    const wchar_t *mark = k->pasting ? end_mark : begin_mark;

    if (c != mark[k->matched] && k->matched > 0)
        keys_flush(k);
    if (c != mark[k->matched]) {
        take(k, c);
        return;
    }
    if (++k->matched < MARK_LENGTH)
        return;
    k->matched = 0;
    k->cr = false;
    if (k->pasting)
        end_paste(k);
    k->pasting = !k->pasting;
}
