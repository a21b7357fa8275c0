/* The hosts file of the DNS statement, read for the official names in it (official.h). libunbound
 * reads its addresses. */
#ifndef USMTP_HOSTS_H
#define USMTP_HOSTS_H

#include "lib/site.h"
#include "usmtp/official.h"

/* A file that is missing, and NICKNAMES(NO), mean no names. False with errno. */
bool hosts_names(const struct site_dns *dns, struct official_names *names);

#endif
