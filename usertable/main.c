/* usertable: see usertable.1. */
#include "usertable/table_command.h"

int main(int argc, char **argv)
{
    return table_command(argc, argv);
}
