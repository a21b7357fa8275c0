#include "ssmtp/ssmtp.h"

int main(int argc, char **argv)
{
    return ssmtp_main(argc, argv);
}
