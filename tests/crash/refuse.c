/* refuse: runs a command for which system calls are refused, as by a file system or kernel that has
 * them not.
 *
 *     refuse CALL=ERRNO... -- CMD...
 *
 * renameat2 is refused only with flags. All children of the command are meant as well; nothing is
 * traced, so CMD may be killat, or a whole sweep. */
#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "tests/tools/tool.h"

static int error_number(const char *text)
{
    for (int e = 1; e < 256; e++)
        if (strerrorname_np(e) != NULL && strcmp(strerrorname_np(e), text) == 0)
            return e;
    tool_die(0, "\"%s\" is not the name of an error such as EINVAL", text);
}

static void refuse(scmp_filter_ctx filter, char *text)
{
    char *error = strchr(text, '=');

    if (error == NULL)
        tool_die(0, "\"%s\" is not CALL=ERRNO", text);
    *error++ = '\0';
    int call = seccomp_syscall_resolve_name(text);
    if (call == __NR_SCMP_ERROR)
        tool_die(0, "\"%s\" is not a system call", text);
    uint32_t action = SCMP_ACT_ERRNO((uint32_t)error_number(error));
    bool flagged = strcmp(text, "renameat2") == 0;
    int result =
        seccomp_rule_add(filter, action, call, flagged ? 1 : 0, SCMP_A4(SCMP_CMP_NE, 0, 0));
    if (result < 0)
        tool_die(-result, "%s cannot be refused", text);
}

int main(int argc, char **argv)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int i = 1;

    if (filter == NULL)
        tool_die(ENOMEM, "seccomp");
    for (; i < argc && strcmp(argv[i], "--") != 0; i++)
        refuse(filter, argv[i]);
    if (i + 1 >= argc)
        tool_die(0, "usage: refuse CALL=ERRNO... -- CMD...");
    /* root keeps its powers: the command may mount, or become another user. */
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, geteuid() != 0);
    int result = seccomp_load(filter);
    seccomp_release(filter);
    if (result < 0)
        tool_die(-result, "seccomp");
    execvp(argv[i + 1], argv + i + 1);
    tool_die(errno, "cannot run %s", argv[i + 1]);
}
