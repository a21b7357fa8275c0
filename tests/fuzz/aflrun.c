/* The programs under AFL++: `aflrun PROGRAM FILE` gives the file to a program as its users would,
 * in a throwaway site: as a dropped spool file, a deck, or a user table.
 *
 * A program that ends with a status it has no business with, or whose child was ended by a signal,
 * is a crash. The site lies in memory where it can, and is emptied before each run, not after, so
 * that what a crash left can be looked at. */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "jobs/printer/printer.h"
#include "jobs/submit/submit_command.h"
#include "lib/durable.h"
#include "spool4/spool4.h"
#include "usertable/table_command.h"

#ifdef __AFL_INIT
__extension__ static void wait_for_fuzzer(void)
{
    __AFL_INIT();
}
#else
static void wait_for_fuzzer(void)
{
}
#endif

enum { PATH_SIZE = 256, ARGS = 8 };

static char root[PATH_SIZE];

static const struct target {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *queue;      /* where FILE is dropped; NULL: it is an argument */
    const char *args[ARGS]; /* @MEMBER and @FILE stand for the paths */
} targets[] = {
    {"spool4", spool4_main, "RMT21", {"-C", "@MEMBER", "--once", "--log", "stderr"}},
    {"printer", printer_main, "PRT", {"-C", "@MEMBER", "--once", "--log", "stderr"}},
    {"submit", submit_command, NULL, {"-C", "@MEMBER", "@FILE"}},
    {"usertable", table_command, NULL, {"list", "-f", "@FILE"}},
};

static void die(const char *what)
{
    perror(what);
    exit(EX_OSERR);
}

/* Below the root. */
static const char *place(const char *name, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/%s", root, name);
    return path;
}

static void write_text(const char *name, const char *text)
{
    char path[PATH_SIZE];
    int fd = open(place(name, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || durable_write(fd, text, strlen(text)) < 0 || close(fd) < 0)
        die(path);
}

static void make_site(void)
{
    const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    char member[1024], samples[PATH_SIZE];

    if (getcwd(samples, sizeof(samples)) == NULL)
        die("getcwd");
    snprintf(root, sizeof(root), "%s/aflrun.XXXXXX", memory);
    if (mkdtemp(root) == NULL)
        die(root);
    snprintf(member, sizeof(member),
             "SYSTEM HOST(mail.example.org) SPOOL(%s/spool)\n"
             "SMTP PATH(OUT) POSTOFFICE(MYHOST) USERTABLE(%s/USERTBL) CATALOG(%s/jobs/samples)\n"
             "SERVICE NAME(SPOOL#4)\nROUTE DOMAIN(*) HOST(127.0.0.1)\n",
             root, root, samples);
    write_text("APPCFG00", member);
    write_text("USERTBL", "CZQ14CD CDoaks LOGIN(root) 'Chris Doaks'\n");
}

/* Files, and what is left of units of work; the spool's own folders and its job number stay. */
static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    if (kind == FTW_DP && strstr(path, "/work/") == NULL)
        return 0;
    return strcmp(path + where->base, "JOBNO") == 0 ? 0 : remove(path);
}

static void copy_file(const char *from, const char *to)
{
    char octets[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    ssize_t n;

    if (in < 0 || out < 0)
        die(in < 0 ? from : to);
    while ((n = read(in, octets, sizeof(octets))) > 0)
        if (durable_write(out, octets, (size_t)n) < 0)
            die(to);
    close(in);
    close(out);
}

static int run(const struct target *t, const char *file)
{
    char words[ARGS + 1][PATH_SIZE], *argv[ARGS + 2] = {words[0]};
    int argc = 1;

    snprintf(words[0], PATH_SIZE, "%s", t->name);
    for (size_t i = 0; i < ARGS && t->args[i] != NULL; i++, argc++) {
        argv[argc] = words[argc];
        if (strcmp(t->args[i], "@MEMBER") == 0)
            place("APPCFG00", words[argc]);
        else
            snprintf(words[argc], PATH_SIZE, "%s",
                     strcmp(t->args[i], "@FILE") == 0 ? file : t->args[i]);
    }
    return t->run(argc, argv);
}

static void drop(const struct target *t, const char *file)
{
    char path[PATH_SIZE], name[64];

    nftw(place("spool", path), remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    if (t->queue == NULL)
        return;
    snprintf(name, sizeof(name), "spool/jes/%s", t->queue);
    mkdir(place(name, path), 0755);
    snprintf(name, sizeof(name), "spool/jes/%s/FUZZ", t->queue);
    copy_file(file, place(name, path));
}

/* What the printer says of a child that died. */
static int look(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    char text[4096];

    (void)st;
    (void)where;
    if (kind != FTW_F || strstr(path, ".REASON") == NULL)
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    if (strstr(text, "ended by signal") != NULL || strstr(text, "ended with status") != NULL)
        abort();
    return 0;
}

int main(int argc, char **argv)
{
    const struct target *t = NULL;
    char path[PATH_SIZE];

    for (size_t i = 0; argc == 3 && i < sizeof(targets) / sizeof(targets[0]); i++)
        if (strcmp(targets[i].name, argv[1]) == 0)
            t = &targets[i];
    if (t == NULL)
        return EX_USAGE;
    make_site();
    if (run(&targets[0], argv[2]) != EX_OK) /* spool4 makes the spool's folders */
        return EX_OSERR;
    optind = 0; /* the GNU way to begin anew */
    wait_for_fuzzer();
    drop(t, argv[2]);
    int status = run(t, argv[2]);
    if (status == EX_SOFTWARE || status < 0 || status > EX_CONFIG)
        abort();
    nftw(place("spool", path), look, 16, FTW_PHYS);
    _exit(0);
}
