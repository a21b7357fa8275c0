#include "jobs/postoffice/postoffice.h"

int main(int argc, char **argv)
{
    return postoffice_main(argc, argv);
}
