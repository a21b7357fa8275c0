/* A fuzz target without a fuzzer: runs it over each file of the folders that are named, so that
 * what was once found stays found, under any compiler. An assertion that fails ends the program. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

static bool run_file(int dir, const char *name)
{
    struct buf octets = {0};
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;

    while (fd >= 0 && buf_reserve(&octets, 65536) &&
           (n = read(fd, octets.data + octets.len, 65536)) > 0)
        octets.len += (size_t)n;
    if (fd >= 0)
        close(fd);
    if (n == 0)
        LLVMFuzzerTestOneInput((const uint8_t *)octets.data, octets.len);
    buf_free(&octets);
    return n == 0;
}

/* The number of files; -1 with errno. */
static int run_folder(const char *folder)
{
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0;
    DIR *list = dir < 0 ? NULL : fdopendir(dir);
    const struct dirent *entry;

    if (list == NULL)
        return -1;
    while (count >= 0 && (entry = readdir(list)) != NULL)
        if (entry->d_name[0] != '.')
            count = run_file(dir, entry->d_name) ? count + 1 : -1;
    closedir(list);
    return count;
}

int main(int argc, char **argv)
{
    bool good = argc > 1;

    printf("1..%d\n", argc - 1);
    for (int i = 1; i < argc; i++) {
        int count = run_folder(argv[i]);
        good = good && count > 0;
        printf("%s %d - %s: %d inputs\n", count > 0 ? "ok" : "not ok", i, argv[i], count);
    }
    return good ? 0 : 1;
}
