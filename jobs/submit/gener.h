/* IEBGENER: copies SYSUT1 to SYSUT2, record by record. Pure.
 *
 * SYSIN is DUMMY or empty: there are no control statements. What SYSUT2 does not tell of its DCB is
 * copied from SYSUT1 with IEB352I and condition code 4. A record is never cut: one that does not
 * fit, damaged input and a character that the code page lacks end the copy with 12. Nothing is
 * written for an input without records. SYSPRINT gets the listing; without it the program ends
 * with 16. */
#ifndef SPOOLMAIL_SUBMIT_GENER_H
#define SPOOLMAIL_SUBMIT_GENER_H

#include "jobs/submit/utility.h"

utility_fn gener_run;

#endif
