/* submit(1): see submit_command.h. */
#include "jobs/submit/submit_command.h"

int main(int argc, char **argv)
{
    return submit_command(argc, argv);
}
