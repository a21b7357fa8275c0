/* See hold.h. */
#include "lib/hold.h"

#include <errno.h>

#include "lib/clock.h"
#include "lib/notice.h"

static bool write_words(struct buf *words, const struct hold *h)
{
    buf_adds(words, "The file ");
    buf_addsafe(words, span_of(h->as));
    buf_printf(words,
               " of user %s was not sent.\n\nReason: ", h->owner != NULL ? h->owner : "unknown");
    buf_addsafe(words, span_of(h->reason));
    return buf_printf(words, "\n\nIt lies unchanged in jes/%s.\n%s\n",
                      h->part == UNIT_DEAD ? "DEAD" : "HOLD", h->advice);
}

static bool write_notice(struct buf *text, const struct hold *h, struct span words)
{
    const struct site *site = h->program->site;
    struct user user;
    bool known = notice_find(h->program->users, span_of(h->owner), (struct span){NULL, 0}, &user);
    struct notice n = {
        .site = site, .subject = h->subject, .id = h->id, .program = h->by, .wall = clock_wall()};

    n.offset = clock_offset(n.wall);
    return notice_user(site, known ? &user : NULL, &n.to) && notice_begin(text, &n) &&
           buf_adds(text, "Content-Type: text/plain; charset=US-ASCII\n\n") &&
           buf_addspan(text, words);
}

int hold_stage(struct unit *u, const struct hold *h)
{
    const struct span nothing = {NULL, 0};
    struct buf words = {0}, text = {0};
    char reason[NAME_MAX + 1];
    int result = -1;

    if (unit_keep(u, h->as) < 0)
        return -1;
    unit_reason_name(reason, h->as);
    errno = ENOMEM;
    if (write_words(&words, h) && (h->owner == NULL || write_notice(&text, h, BUF_SPAN(&words))))
        result = unit_put(u, h->part, reason, BUF_SPAN(&words), nothing);
    if (result == 0 && h->owner != NULL)
        result = unit_put(u, h->program->site->postoffice != NULL ? UNIT_POST : UNIT_PRT, h->id,
                          BUF_SPAN(&text), nothing);
    int saved = errno;
    buf_free(&words);
    buf_free(&text);
    errno = saved;
    return result;
}
