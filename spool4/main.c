#include "spool4/spool4.h"

int main(int argc, char **argv)
{
    return spool4_main(argc, argv);
}
