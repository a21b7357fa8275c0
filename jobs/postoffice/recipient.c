/* See recipient.h. */
#include "jobs/postoffice/recipient.h"

#include <stdlib.h>
#include <string.h>

void recipient_end(struct recipient *r, enum recipient_state state, const char *status,
                   const char *text)
{
    r->state = state;
    span_copy(span_of(status), r->status, sizeof(r->status));
    free(r->text);
    r->text = strdup(text); /* NULL: the words are lost, not the mail */
    for (char *p = r->text; p != NULL && *p != '\0'; p++)
        if (*p < ' ' || *p > '~')
            *p = *p == '\n' || *p == '\t' ? ' ' : '?';
}

void recipient_free(struct recipient *r)
{
    free(r->text);
    free(r->path);
    free(r->login);
    mail_list_free(&r->list);
    r->text = r->path = r->login = NULL;
}
