#include "usmtp/usmtp.h"

int main(int argc, char **argv)
{
    return usmtp_main(argc, argv);
}
