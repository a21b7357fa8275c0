/* Writes spoolmail-messages(7) from the table of messages. */
#include "lib/msg.h"

int main(void)
{
    return msg_manual() ? 0 : 1;
}
