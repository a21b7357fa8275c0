/* See printer.h. */
#include "jobs/printer/printer.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "jobs/printer/writer.h"

struct printer {
    struct program program;
    struct writer writer;
};

static enum pass pass(void *arg)
{
    struct printer *p = arg;

    return writer_pass(&p->writer);
}

static void reloaded(void *arg)
{
    struct printer *p = arg;

    p->writer.lp_next = 0;
}

static int work(struct printer *p)
{
    struct passes passes = {.program = &p->program,
                            .spool = &p->writer.spool,
                            .queues = 1U << QUEUE_PRT,
                            .role = "EXTERNAL WRITER",
                            .pass = pass,
                            .reloaded = reloaded,
                            .arg = p};

    if (!passes_own(&p->program, &p->writer.spool))
        return EX_TEMPFAIL;
    if (!writer_open(&p->writer)) {
        MSG(&p->program.log, T01SM022E, p->program.name, strerror(errno));
        return EX_IOERR;
    }
    return passes_run(&passes);
}

int printer_main(int argc, char **argv)
{
    struct printer p = {.program = {.name = "printer", .synopsis = ""}, .writer = {.print = -1}};

    int status = program_start(&p.program, argc, argv, true);
    if (status < 0) {
        status = EX_CANTCREAT;
        p.writer.program = &p.program;
        if (program_become_user(&p.program) &&
            program_spool(&p.program, &p.writer.spool, SPOOL_ALL_QUEUES)) {
            status = work(&p);
            writer_close(&p.writer);
        }
    }
    program_end(&p.program);
    return status;
}
