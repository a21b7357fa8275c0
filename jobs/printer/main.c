#include "jobs/printer/printer.h"

int main(int argc, char **argv)
{
    return printer_main(argc, argv);
}
