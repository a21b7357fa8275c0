/* See spool4.h. */
#include "spool4/spool4.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "lib/dataset.h"
#include "lib/passes.h"
#include "spool4/intake.h"

struct spool4 {
    struct program program;
    struct intake intake;
};

/* What a start does before it takes work: recovery, leftovers, names. */
static bool recover(struct spool4 *s)
{
    const struct program *p = &s->program;
    const struct spool *spool = &s->intake.spool;

    int found = intake_recover(&s->intake);
    if (found < 0 || dataset_names_check(spool, span_of(p->site->path)) < 0) {
        MSG(&p->log, T01SM022E, p->name, strerror(errno));
        return false;
    }
    if (found > 0)
        MSG(&p->log, T01SM023I, msg_num(found).text, p->name);
    spool_sweep(spool->queue[QUEUE_REMOTE]); /* of SUBMIT ssmtp does it */
    return true;
}

static enum pass pass(void *arg)
{
    struct spool4 *s = arg;

    return intake_pass(&s->intake);
}

static int work(struct spool4 *s)
{
    struct passes passes = {.program = &s->program,
                            .spool = &s->intake.spool,
                            .queues = 1U << QUEUE_REMOTE | 1U << QUEUE_SUBMIT,
                            .role = "SPOOLER",
                            .pass = pass,
                            .arg = s};

    if (!passes_own(&s->program, &s->intake.spool))
        return EX_TEMPFAIL;
    if (!program_jail(&s->program))
        return EX_OSERR;
    if (!recover(s))
        return EX_IOERR;
    int status = passes_run(&passes);
    return intake_wait(&s->intake) == PASS_IN_DOUBT ? EX_IOERR : status;
}

int spool4_main(int argc, char **argv)
{
    struct spool4 s = {
        .program = {
            .name = "spool4", .synopsis = "", .service = "SPOOL#4", .powers = PROGRAM_LEASES}};

    int status = program_start(&s.program, argc, argv, true);
    if (status < 0) {
        status = EX_CANTCREAT;
        s.intake.program = &s.program;
        if (program_become_user(&s.program) &&
            program_spool(&s.program, &s.intake.spool, SPOOL_ALL_QUEUES)) {
            status = work(&s);
            intake_close(&s.intake);
        }
    }
    program_end(&s.program);
    return status;
}
