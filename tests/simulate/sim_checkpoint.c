/* The sender's checkpoint, written anew when it has this size: in a real one's life that comes once
 * in ten thousand messages, and a run of the simulation never saw it. */
#define CHECKPOINT_SLACK 4096
#include "usmtp/checkpoint.c"
