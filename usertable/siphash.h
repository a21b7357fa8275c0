/* SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash, so that nobody who writes names can
 * make them collide. Pure. */
#ifndef SPOOLMAIL_SIPHASH_H
#define SPOOLMAIL_SIPHASH_H

#include "lib/buf.h"

enum { SIPHASH_KEY = 16 };

uint64_t siphash(const unsigned char key[SIPHASH_KEY], struct span text);

#endif
