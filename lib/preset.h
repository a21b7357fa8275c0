/* What the big relay services ask of those who send through them: PRESET of the ROUTE statement.
 * Pure: a table of keywords and values that stand where the statement itself says nothing. */
#ifndef SPOOLMAIL_PRESET_H
#define SPOOLMAIL_PRESET_H

#include <stddef.h>

struct preset {
    const char *name, *keyword, *value;
};

extern const struct preset presets[];
extern const size_t preset_rows;
extern const char *const preset_names[]; /* NULL at the end; the first is NONE */

#endif
