/* The simulated machines, and all that happens to them: crashes of programs and of whole machines,
 * faults of calls, full disks, clocks that step, a network that falls apart. */
#ifndef TESTS_SIMULATE_SIM_WORLD_H
#define TESTS_SIMULATE_SIM_WORLD_H

#include "tests/simulate/sim_disk.h"
#include "tests/simulate/sim_task.h"

enum { WORLD_DAEMON_UID = 990, WORLD_JOB_UID = 1000 };

enum host_role { HOST_SENDER, HOST_RECEIVER, HOST_STRANGER, HOSTS };

struct host {
    const char *name;
    uint32_t address; /* IPv4, host order */
    struct disk disk;
    bool up, cut; /* cut: its power fails now */
    int64_t boot_us;
    int64_t failing_until_us; /* its disk answers each sync with EIO */
    int64_t full_until_us;
    unsigned boots;
};

extern struct host world_hosts[HOSTS];

struct host *world_host(uint32_t address);
bool world_has_disk(const struct host *h);

/* How rough it is; all "one in so many", 0: never. */
struct weather {
    uint32_t kill, power; /* weighted calls */
    uint32_t fault;       /* calls that can fail */
    uint32_t loss;        /* sends */
    uint32_t pause;       /* calls after which others run */
    uint32_t link_s, disk_s, clock_s, terminate_s,
        twin_s; /* mean seconds between such events; 0: never */
};

/* A call is made. It may be the last of its process: then it does not return. */
void world_call(const struct process *p, unsigned weight);

enum fault { FAULT_SPACE = 1, FAULT_IO = 2, FAULT_FILES = 4, FAULT_SHORT = 8, FAULT_MEMORY = 16 };
/* A call that can fail so: 0, or which of the faults it is to have. */
enum fault world_fault(const struct process *p, unsigned faults);
/* Is a sync on this machine to fail now? */
bool world_sync_fails(const struct process *p);

/* How long mail must at least be tried. */
int64_t world_patience_us(void);
/* Runs one simulation from its seed to its end; a violation does not return. */
void world_run(uint64_t seed, uint32_t messages);

struct world_figures {
    uint64_t kills, cuts, faults, links, restarts;
};
extern struct world_figures world_figures;

#endif
