/* jes(1): see jes.h. */
#include "jobs/jes/jes.h"

int main(int argc, char **argv)
{
    return jes_main(argc, argv);
}
