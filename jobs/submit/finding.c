/* See finding.h. */
#include "jobs/submit/finding.h"

#include <stdio.h>
#include <stdlib.h>

#include "jobs/submit/array.h"

/* The words as the converter and the interpreter of MVS have them; the field's name goes between
 * the two parts. */
static const struct {
    const char *id, *before, *after;
} messages[FINDING_IDS] = {
    [FINDING_WARNING] = {"IEF677I", "WARNING", ""},
    [FINDING_BAD_STATEMENT] = {"IEFC601I", "INVALID JCL STATEMENT", ""},
    [FINDING_TOO_MANY_STEPS] = {"IEFC602I", "EXCESSIVE NUMBER OF EXECUTE STATEMENTS", ""},
    [FINDING_BAD_OPERATION] = {"IEFC605I", "UNIDENTIFIED OPERATION FIELD", ""},
    [FINDING_MISPLACED_DD] = {"IEFC606I", "MISPLACED DD STATEMENT", ""},
    [FINDING_NO_STEPS] = {"IEFC607I", "JOB HAS NO STEPS", ""},
    [FINDING_NO_PROCEDURE] = {"IEFC612I", "PROCEDURE ", " WAS NOT FOUND"},
    [FINDING_PAST_71] = {"IEFC618I", "OPERAND FIELD DOES NOT TERMINATE IN COMMA OR BLANK", ""},
    [FINDING_BAD_CHARACTER] = {"IEFC620I", "UNIDENTIFIABLE CHARACTER ", ""},
    [FINDING_NO_CONTINUATION] = {"IEFC621I", "EXPECTED CONTINUATION NOT RECEIVED", ""},
    [FINDING_PARENTHESIS] = {"IEFC622I", "UNBALANCED PARENTHESIS", ""},
    [FINDING_BAD_OCTET] = {"IEFC623I", "SOURCE TEXT CONTAINS UNDEFINED OR ILLEGAL CHARACTERS", ""},
    [FINDING_APOSTROPHE] = {"IEFC629I", "INCORRECT USE OF APOSTROPHE IN THE ", " FIELD"},
    [FINDING_BAD_KEYWORD] = {"IEFC630I", "UNIDENTIFIED KEYWORD ", ""},
    [FINDING_EXCLUSIVE] = {"IEFC009I", "KEYWORD ", " IS MUTUALLY EXCLUSIVE"},
    [FINDING_BAD_FIELD] = {"IEF632I", "FORMAT ERROR IN THE ", " FIELD"},
    [FINDING_TOO_MANY_POSITIONS] = {"IEF640I", "EXCESSIVE NUMBER OF POSITIONAL PARAMETERS IN THE ",
                                    " FIELD"},
    [FINDING_TOO_LONG] = {"IEF642I", "EXCESSIVE PARAMETER LENGTH IN THE ", " FIELD"},
    [FINDING_BAD_POSITION] = {"IEF643I", "UNIDENTIFIED POSITIONAL PARAMETER IN THE ", " FIELD"},
    [FINDING_REFER_BACK] = {"IEF645I", "INVALID REFER BACK IN THE ", " FIELD"},
    [FINDING_BAD_DISP] = {"IEF648I", "INVALID DISP FIELD", ""},
    [FINDING_TOO_MANY_DDS] = {"IEF649I", "EXCESSIVE NUMBER OF DD STATEMENTS", ""},
    [FINDING_BAD_LABEL] = {"IEFC662I", "INVALID LABEL", ""},
    [FINDING_NO_PROGRAM] = {"CSV003I", "REQUESTED MODULE ", " NOT FOUND"},
    [FINDING_NO_DATA_SET] = {"IEF212I", "", " - DATA SET NOT FOUND"},
    [FINDING_NO_MEMBER] = {"IEC141I", "013-18,", " - MEMBER NOT FOUND"},
    [FINDING_NOT_AUTHORISED] = {"ICH408I", "", " - INSUFFICIENT ACCESS AUTHORITY"},
    [FINDING_NO_ALLOCATION] = {"IEF344I", "", " - ALLOCATION FAILED"},
};

void finding_add(struct findings *f, enum finding_id id, struct place at, const char *field,
                 const char *format, ...)
{
    struct finding *grown = NULL;
    char sentence[sizeof(grown->diag.text)];
    va_list args;

    if (f->count < FINDINGS_MAX)
        grown = array_grow(f->list, f->count, &f->capacity, sizeof(*grown));
    if (grown == NULL) {
        f->dropped++;
        return;
    }
    f->list = grown;
    va_start(args, format);
    if (vsnprintf(sentence, sizeof(sentence), format, args) < 0)
        sentence[0] = '\0';
    va_end(args);
    struct finding *new = &f->list[f->count++];
    new->id = id;
    diag_set(&new->diag, at.card, at.column, "%s %s%s%s - %s", messages[id].id, messages[id].before,
             field, messages[id].after, sentence);
}

bool finding_is_error(const struct finding *f)
{
    return f->id != FINDING_WARNING;
}

size_t findings_errors(const struct findings *f, size_t first, size_t last)
{
    size_t errors = 0;

    for (size_t i = 0; i < f->count; i++) {
        const struct finding *one = &f->list[i];
        if (finding_is_error(one) && one->diag.line >= first && one->diag.line <= last)
            errors++;
    }
    return errors;
}

static bool behind(const struct diag *a, const struct diag *b)
{
    return a->line != b->line ? a->line > b->line : a->column > b->column;
}

void findings_sort(struct findings *f)
{
    /* Insertion: the list is short and almost in order already. */
    for (size_t i = 1; i < f->count; i++) {
        struct finding moving = f->list[i];
        size_t j = i;
        for (; j > 0 && behind(&f->list[j - 1].diag, &moving.diag); j--)
            f->list[j] = f->list[j - 1];
        f->list[j] = moving;
    }
}

void findings_free(struct findings *f)
{
    free(f->list);
    *f = (struct findings){0};
}
