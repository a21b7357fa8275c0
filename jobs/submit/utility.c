/* See utility.h. */
#include "jobs/submit/utility.h"

#include <string.h>

#include "jobs/submit/gener.h"

/* IEFBR14 does nothing, well. */
static int iefbr14(const struct utility_step *step)
{
    (void)step;
    return RC_GOOD;
}

static const struct {
    const char *name;
    utility_fn *run;
} utilities[UTILITIES] = {
    {"IEBGENER", gener_run},
    {"IEFBR14", iefbr14},
};

utility_fn *utility_find(const char *name)
{
    for (size_t i = 0; i < UTILITIES; i++)
        if (strcmp(utilities[i].name, name) == 0)
            return utilities[i].run;
    return NULL;
}

void utility_names(const char *names[UTILITIES + 1])
{
    for (size_t i = 0; i < UTILITIES; i++)
        names[i] = utilities[i].name;
    names[UTILITIES] = NULL;
}

size_t utility_file_index(const struct utility_step *step, const char *ddname)
{
    size_t i = 0;

    while (i < step->files && strcmp(step->file[i].ddname, ddname) != 0)
        i++;
    return i;
}
