#include "sndmsg/sndmsg_command.h"

int main(int argc, char **argv)
{
    return sndmsg_command(argc, argv);
}
