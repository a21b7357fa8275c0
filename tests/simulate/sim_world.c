/* See sim_world.h. The weather of a run is chosen by its seed; what happens when is an agenda of a
 * few rows, looked at between two switches of tasks. */
#include "tests/simulate/sim_world.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "tests/simulate/sim.h"
#include "tests/simulate/sim_actors.h"
#include "tests/simulate/sim_login.h"
#include "tests/simulate/sim_net.h"
#include "tests/simulate/sim_oracle.h"
#include "tests/simulate/sim_parts.h"

enum {
    SECOND = 1000000, /* in microseconds */
    LOOK_MOST = 20 * SECOND,
    RUN_MOST = 96, /* messages on their way at one time */
    JOBS_MOST = 5,
    MEMORY_CALLS = 40, /* allocations that count as one call that can fail */
    PATIENCE_DAYS = 2  /* RETRYMAX of the sender */
};
#define WALL_START (1780000000LL * SECOND)
#define WALL_FIRST (1100000000LL * SECOND)
#define WALL_LAST (3800000000LL * SECOND)
#define NEVER INT64_MAX

struct host world_hosts[HOSTS] = {
    [HOST_SENDER] = {.name = "alpha", .address = 0x0A000001},
    [HOST_RECEIVER] = {.name = "beta", .address = 0x0A000002},
    [HOST_STRANGER] = {.name = "strange", .address = 0x0A000003},
};
struct world_figures world_figures;

static struct daemon {
    const char *name;
    enum host_role host;
    void (*main)(struct process *p);
    struct process *process;
    int64_t start_us;
} daemons[] = {
    {"spool4", HOST_SENDER, actor_spool4, NULL, 0},
    {"usmtp", HOST_SENDER, actor_usmtp, NULL, 0},
    {"ssmtp", HOST_RECEIVER, actor_ssmtp, NULL, 0},
    {"strange", HOST_STRANGER, actor_strange_host, NULL, 0},
};
enum { DAEMONS = sizeof(daemons) / sizeof(daemons[0]) };

static struct weather weather;
static int64_t until_kill, until_power, until_fault, until_memory;
static struct process *doomed;
static bool next_stale = true; /* what next_us() found is not true any more */
static uint32_t messages_wanted, messages_at_once;
static unsigned jobs_running, clients_running;
static bool link_is_down, all_done;
static unsigned endings; /* power cuts after all was done */
static int64_t calm_us, link_down_us;

static void plan_link(void), plan_disk(void), plan_clock(void), plan_end(void);
static void plan_twin(void), start_job(void), start_client(void), collect(void), inspect(void);

static struct agenda {
    const char *name;
    void (*act)(void);
    int64_t when_us;
} agenda[] = {
    {"job", start_job, 0},    {"client", start_client, 0}, {"collect", collect, 0},
    {"inspect", inspect, 0},  {"link", plan_link, 0},      {"disk", plan_disk, 0},
    {"clock", plan_clock, 0}, {"terminate", plan_end, 0},  {"twin", plan_twin, 0},
};
enum { AGENDA = sizeof(agenda) / sizeof(agenda[0]) };

struct host *world_host(uint32_t address)
{
    for (int h = 0; h < HOSTS; h++)
        if (world_hosts[h].address == address)
            return &world_hosts[h];
    return NULL;
}

bool world_has_disk(const struct host *h)
{
    return h != &world_hosts[HOST_STRANGER];
}

/* About so many seconds from now. */
static int64_t in_seconds(uint32_t mean)
{
    return sim.now_us + SECOND / 10 + (int64_t)(sim_random() % (2 * (uint64_t)mean * SECOND + 1));
}

/* The same for trouble, which is rarer in a partition, and the rarer the longer that lasts: for
 * days, in which there is less and less that trouble could find. */
static int64_t trouble(uint32_t mean)
{
    if (mean == 0 || sim.calm)
        return NEVER;
    return in_seconds(link_is_down ? mean * 100 + (uint32_t)((sim.now_us - link_down_us) / SECOND)
                                   : mean);
}

static void set_agenda(void (*act)(void), int64_t when_us)
{
    next_stale = true;
    for (int i = 0; i < AGENDA; i++)
        if (agenda[i].act == act)
            agenda[i].when_us = when_us;
}

/* Crashes. */

/* About every `mean` weighted calls; often soon after the last, and now and then so late that the
 * longest work can be done between two of them. */
static int64_t countdown(uint32_t mean)
{
    uint64_t most = sim_one_in(3)   ? mean / 8 + 1
                    : sim_one_in(6) ? 20 * (uint64_t)mean
                                    : 2 * (uint64_t)mean;

    return mean == 0 ? NEVER : 1 + (int64_t)(sim_random() % most);
}

static void daemon_gone(struct process *p, bool killed)
{
    struct daemon *d = p->arg;
    int64_t pause = sim_one_in(4) ? 20 * SECOND : SECOND;

    (void)killed;
    d->process = NULL;
    next_stale = true;
    d->start_us = d->host != HOST_STRANGER && !world_hosts[d->host].up
                      ? NEVER
                      : sim.now_us + (int64_t)(sim_random() % (uint64_t)pause);
}

static void power_cut(struct host *h)
{
    world_figures.cuts++;
    sim_trace(h->name, "POWER CUT", "", (long)h->disk.crashes);
    h->cut = false;
    h->up = false;
    net_power_cut(h);
    for (unsigned i = 0; i < PROCESSES; i++) {
        struct process *p = process_at(i);
        if (p != NULL && p->host == h)
            process_kill(p);
    }
    disk_crash(&h->disk);
    h->failing_until_us = h->full_until_us = 0;
    h->disk.limit = UINT64_MAX;
    oracle_power_cut(h);
    h->boot_us = in_seconds(sim_one_in(10) ? 2000 : 20);
}

void world_call(const struct process *p, unsigned weight)
{
    if (!sim.calm && world_has_disk(p->host)) {
        until_kill -= weight;
        until_power -= weight;
        if (until_kill < 0) {
            until_kill = countdown(weather.kill);
            doomed = process_at(p->slot);
            next_stale = true;
            task_pause();
        }
        if (until_power < 0) {
            until_power = countdown(weather.power);
            p->host->cut = true;
            next_stale = true;
            task_pause();
        }
    }
    if (sim_one_in(weather.pause))
        task_pause();
}

/* Faults. */

static enum fault one_of(unsigned faults)
{
    uint32_t n = sim_below((uint32_t)__builtin_popcount(faults));

    while (n-- > 0)
        faults &= faults - 1;
    world_figures.faults++;
    return (enum fault)(faults & -faults);
}

enum fault world_fault(const struct process *p, unsigned faults)
{
    if (sim.calm || faults == 0 || !world_has_disk(p->host))
        return 0;
    if (faults == FAULT_MEMORY) {
        if (--until_memory > 0)
            return 0;
        until_memory = countdown(weather.fault * MEMORY_CALLS);
    } else {
        if (--until_fault > 0)
            return 0;
        until_fault = countdown(weather.fault);
    }
    return one_of(faults);
}

bool world_sync_fails(const struct process *p)
{
    if (sim.calm)
        return false;
    if (p->host->failing_until_us > sim.now_us) {
        world_figures.faults++;
        return true;
    }
    return world_fault(p, FAULT_IO) == FAULT_IO;
}

/* The agenda. */

/* Whose submission failed leaves the rest for later: on a full disk each would fail. */
static void job_gone(struct process *p, bool killed)
{
    (void)killed;
    jobs_running--;
    if (p->status != 0)
        set_agenda(start_job, in_seconds(1));
}

static void client_gone(struct process *p, bool killed)
{
    (void)p;
    (void)killed;
    clients_running--;
}

static void start_job(void)
{
    static uint32_t idle_us;
    struct host *h = &world_hosts[HOST_SENDER];
    bool started = oracle_made() < messages_wanted && oracle_waiting() < messages_at_once &&
                   h->up && jobs_running < JOBS_MOST &&
                   process_start(h, "job", WORLD_JOB_UID, actor_job, job_gone, NULL) != NULL;

    jobs_running += started;
    idle_us = started ? 0 : idle_us == 0 ? 2000 : idle_us < LOOK_MOST ? idle_us * 2 : LOOK_MOST;
    set_agenda(start_job, sim.now_us + (started ? sim_below(2000) : idle_us));
    if (oracle_made() >= messages_wanted && jobs_running == 0)
        set_agenda(start_job, NEVER);
}

/* Visitors come the seldomer the longer nothing becomes of any message. */
static void start_client(void)
{
    enum { OFTEN_S = 2, SELDOM_S = 16 };
    static uint64_t progress;
    static uint32_t mean_s = OFTEN_S;
    void (*main)(struct process * p) =
        login_wanted() && sim_one_in(2) ? actor_burglar : actor_strange_client;

    if (clients_running < 2 && !link_is_down &&
        process_start(&world_hosts[HOST_STRANGER], "visitor", 0, main, client_gone, NULL) != NULL)
        clients_running++;
    mean_s = sim.progress != progress ? OFTEN_S : mean_s < SELDOM_S ? mean_s * 2 : SELDOM_S;
    progress = sim.progress;
    set_agenda(start_client, sim.calm ? NEVER : in_seconds(link_is_down ? 60 : mean_s));
}

/* Looks at the hosts where something changed since the last look; the next look comes the later the
 * longer nothing changes. */
struct looks {
    uint64_t version[HOSTS], progress;
    uint32_t pause_us;
};

static void look(struct looks *l, void (*at)(struct host *h), void (*again)(void),
                 uint32_t pause_us)
{
    bool news = sim.progress != l->progress;

    for (int h = 0; h < HOST_STRANGER; h++) {
        struct host *host = &world_hosts[h];
        if (!host->up || (!news && host->disk.version == l->version[h]))
            continue;
        at(host);
        l->version[h] = host->disk.version;
        l->pause_us = 0;
    }
    l->progress = sim.progress;
    l->pause_us = l->pause_us == 0          ? pause_us
                  : l->pause_us < LOOK_MOST ? l->pause_us * 2
                                            : LOOK_MOST;
    set_agenda(again, sim.now_us + l->pause_us / 8 + sim_below(l->pause_us));
}

static void collect_at(struct host *h)
{
    oracle_collect(h, false);
}

static void collect(void)
{
    static struct looks looks;

    look(&looks, collect_at, collect, 200000);
}

static void inspect_at(struct host *h)
{
    oracle_inspect(h, "at work");
}

static void inspect(void)
{
    static struct looks looks;

    look(&looks, inspect_at, inspect, 2 * SECOND);
}

static void plan_link(void)
{
    link_is_down = !link_is_down && !sim.calm;
    world_figures.links += link_is_down;
    link_down_us = sim.now_us;
    net_link(!link_is_down);
    sim_trace("net", link_is_down ? "LINK DOWN" : "link up", "", 0);
    if (!link_is_down)
        set_agenda(plan_link, trouble(weather.link_s));
    else
        set_agenda(plan_link, in_seconds(sim_one_in(100) ? 250000 : sim_one_in(5) ? 4000 : 30));
}

/* A disk is full, or fails, for a while; a program has few descriptors. */
static void plan_disk(void)
{
    struct host *h = &world_hosts[sim_below(HOST_STRANGER)];
    const struct daemon *d = &daemons[sim_below(DAEMONS - 1)];
    int64_t until = in_seconds(5);

    set_agenda(plan_disk, trouble(weather.disk_s));
    if (sim.calm || !h->up)
        return;
    switch (sim_below(3)) {
    case 0:
        h->full_until_us = until;
        h->disk.limit = h->disk.used + sim_below(1 << 16);
        sim_trace(h->name, "DISK FULL", "", 0);
        break;
    case 1:
        h->failing_until_us = sim.now_us + sim_below(SECOND);
        sim_trace(h->name, "DISK FAILING", "", 0);
        break;
    default:
        if (d->process != NULL)
            d->process->fd_limit = d->process->fds + sim_below(4);
        break;
    }
}

static void plan_clock(void)
{
    static const int64_t steps[] = {1, 60, 3600, 86400, 400 * 86400LL, 3650 * 86400LL};
    struct host *h = &world_hosts[sim_below(HOST_STRANGER)];
    int64_t step = steps[sim_below(6)] * SECOND * (sim_one_in(2) ? 1 : -1);
    int64_t wall = sim.now_us + h->disk.skew_us + step;

    if (wall > WALL_FIRST && wall < WALL_LAST)
        h->disk.skew_us += step;
    sim_trace(h->name, "CLOCK STEPS", "", (long)(step / SECOND));
    set_agenda(plan_clock, trouble(weather.clock_s));
}

static void plan_end(void)
{
    struct daemon *d = &daemons[sim_below(DAEMONS - 1)];

    if (d->process != NULL && !sim.calm) {
        d->process->signals |= 1U << SIGTERM;
        process_poke(d->process);
    }
    set_agenda(plan_end, trouble(weather.terminate_s));
}

/* Somebody starts a program that runs already. */
static void plan_twin(void)
{
    const struct daemon *d = &daemons[sim_below(2)];
    struct host *h = &world_hosts[d->host];

    if (h->up && !sim.calm)
        process_start(h, d->name, WORLD_DAEMON_UID, d->main, NULL, NULL);
    set_agenda(plan_twin, trouble(weather.twin_s));
}

/* The end: no more trouble, and when everything came to its end, two power cuts more. */

static void calm_down(void)
{
    sim.calm = true;
    calm_us = sim.now_us;
    sim_trace("world", "CALM", "", 0);
    net_weather(0);
    link_is_down = true;
    plan_link();
    for (int h = 0; h < HOST_STRANGER; h++) {
        world_hosts[h].failing_until_us = 0;
        world_hosts[h].disk.limit = UINT64_MAX;
        world_hosts[h].disk.read_only = false;
    }
    for (int i = 0; i < DAEMONS; i++)
        if (daemons[i].process != NULL)
            daemons[i].process->fd_limit = DESCRIPTORS;
}

static void finish(void)
{
    bool up = world_hosts[HOST_SENDER].up && world_hosts[HOST_RECEIVER].up;

    if (!up || !oracle_quiet() || jobs_running > 0 || clients_running > 0)
        return;
    for (int h = 0; h < HOST_STRANGER; h++)
        oracle_collect(&world_hosts[h], true);
    if (sim.now_us < calm_us + 3600 * (int64_t)SECOND) {
        set_agenda(collect, calm_us + 3600 * (int64_t)SECOND);
        return; /* what was removed is synced, what was woken has looked */
    }
    oracle_finish(endings > 0);
    if (endings++ == 2) {
        all_done = true;
        return;
    }
    power_cut(&world_hosts[HOST_SENDER]);
    power_cut(&world_hosts[HOST_RECEIVER]);
    calm_us = sim.now_us;
}

/* Runs. */

static void boot(struct host *h)
{
    h->up = true;
    h->boots++;
    h->boot_us = NEVER;
    world_figures.restarts++;
    if (sim.calm)
        calm_us = sim.now_us; /* its programs have still to look at what there is */
    sim_trace(h->name, "boots", "", h->boots);
    for (int i = 0; i < DAEMONS; i++)
        if (&world_hosts[daemons[i].host] == h)
            daemons[i].start_us = sim.now_us + sim_below(3 * SECOND);
}

static int64_t find_next_us(void)
{
    int64_t next = doomed != NULL ? 0 : NEVER;

    for (int h = 0; h < HOSTS; h++) {
        const struct host *host = &world_hosts[h];
        if (host->cut)
            next = 0;
        if (host->boot_us < next)
            next = host->boot_us;
        if (host->disk.limit != UINT64_MAX && host->full_until_us < next)
            next = host->full_until_us;
    }
    for (int i = 0; i < DAEMONS; i++)
        if (daemons[i].process == NULL && daemons[i].start_us < next)
            next = daemons[i].start_us;
    for (int i = 0; i < AGENDA; i++)
        if (agenda[i].when_us < next)
            next = agenda[i].when_us;
    return next;
}

static int64_t next_us(void)
{
    static int64_t next;

    if (next_stale)
        next = find_next_us();
    next_stale = false;
    return next;
}

static void act_on_host(struct host *h)
{
    if (h->cut)
        power_cut(h);
    if (h->boot_us <= sim.now_us)
        boot(h);
    if (h->full_until_us <= sim.now_us && h->disk.limit != UINT64_MAX)
        h->disk.limit = UINT64_MAX;
}

static void act(void)
{
    next_stale = true;
    if (doomed != NULL) {
        struct process *p = doomed;
        doomed = NULL;
        world_figures.kills++;
        if (p->alive)
            process_kill(p);
        return;
    }
    for (int h = 0; h < HOSTS; h++)
        act_on_host(&world_hosts[h]);
    for (int i = 0; i < DAEMONS; i++) {
        struct daemon *d = &daemons[i];
        if (d->process == NULL && d->start_us <= sim.now_us) {
            d->start_us = NEVER;
            d->process = process_start(&world_hosts[d->host], d->name, WORLD_DAEMON_UID, d->main,
                                       daemon_gone, d);
        }
    }
    for (int i = 0; i < AGENDA; i++)
        if (agenda[i].when_us <= sim.now_us) {
            agenda[i].when_us = NEVER;
            agenda[i].act();
        }
    if (!sim.calm && oracle_made() >= messages_wanted && jobs_running == 0)
        calm_down();
    if (sim.calm)
        finish();
}

static bool over(void)
{
    return all_done;
}

/* Rough, mild, and everything between; some runs have one kind of trouble alone. */
static uint32_t choose(uint32_t from, uint32_t doublings, bool sometimes_none)
{
    if (sometimes_none && sim_one_in(4))
        return 0;
    from <<= sim_below(doublings);
    return from + sim_below(from);
}

static void choose_weather(void)
{
    weather = (struct weather){
        .kill = choose(3000, 6, true),
        .power = choose(6000, 6, true),
        .fault = choose(300, 6, true),
        .loss = choose(50, 6, true),
        .pause = choose(4, 4, false),
        .link_s = choose(20, 6, true),
        .disk_s = choose(5, 6, true),
        .clock_s = choose(5, 6, true),
        .terminate_s = choose(10, 5, true),
        .twin_s = choose(10, 5, true),
    };
    messages_at_once = 8 + sim_below(RUN_MOST);
    until_kill = countdown(weather.kill);
    until_power = countdown(weather.power);
    until_fault = countdown(weather.fault);
    until_memory = countdown(weather.fault * MEMORY_CALLS);
    net_weather(weather.loss);
    login_choose();
    parts_choose();
}

int64_t world_patience_us(void)
{
    /* Between two runs of the sender its clock may go on by RETRYCEIL at most, whatever was. */
    return (int64_t)PATIENCE_DAYS * 86400 * SECOND -
           (int64_t)(world_figures.kills + world_figures.restarts + 100) * 3600 * SECOND;
}

static const struct world_events events = {over, next_us, act};

void world_run(uint64_t seed, uint32_t messages)
{
    sim.random = seed;
    messages_wanted = messages;
    oracle_open(messages);
    choose_weather();
    for (int h = 0; h < HOSTS; h++) {
        struct host *host = &world_hosts[h];
        disk_open(&host->disk, (enum disk_mode)sim_below(DISK_MODES));
        host->disk.plain_rename = sim_one_in(4);
        host->disk.sealless = sim_one_in(8);
        host->disk.skew_us = WALL_START + sim_below(1000000) * (int64_t)SECOND;
        boot(host);
    }
    set_agenda(plan_link, trouble(weather.link_s));
    set_agenda(plan_disk, trouble(weather.disk_s));
    set_agenda(plan_clock, trouble(weather.clock_s));
    set_agenda(plan_end, trouble(weather.terminate_s));
    set_agenda(plan_twin, trouble(weather.twin_s));
    tasks_run(&events);
}
