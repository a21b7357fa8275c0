/* See preset.h. */
#include "lib/preset.h"

const char *const preset_names[] = {"NONE", "GMAIL", "OFFICE365", "SES", NULL};

const struct preset presets[] = {
    /* Google Workspace, "SMTP relay service" (support.google.com/a/answer/2956491): port 587 with
       TLS; 10,000 messages a user and 319,444 recipients a site in 24 hours and 10 minutes. 6 a
       minute and user would be the day's limit; sites have many users, so the rate is one that is
       far below the site's. How many connections may be open is not published: 5 are ours. */
    {"GMAIL", "HOST", "smtp-relay.gmail.com"},
    {"GMAIL", "PORT", "587"},
    {"GMAIL", "TLS", "VERIFY"},
    {"GMAIL", "CONNECTIONS", "5"},
    {"GMAIL", "RATE", "10/S"},
    /* Exchange Online, "SMTP AUTH client submission"
       (learn.microsoft.com/exchange/troubleshoot/send-emails/smtp-submission-improvements): 3
       connections at once (432 4.3.2 beyond), 30 messages a minute, 10,000 recipients a day. */
    {"OFFICE365", "HOST", "smtp.office365.com"},
    {"OFFICE365", "PORT", "587"},
    {"OFFICE365", "TLS", "VERIFY"},
    {"OFFICE365", "CONNECTIONS", "3"},
    {"OFFICE365", "RATE", "30/M"},
    /* Amazon SES, "Service quotas" and "Managing your sending limits" (docs.aws.amazon.com/ses): a
       new account 1 message a second (454 beyond), others what their account says: raise RATE to
       it. The host is email-smtp.REGION.amazonaws.com, which the statement must name. */
    {"SES", "PORT", "587"},
    {"SES", "TLS", "VERIFY"},
    {"SES", "CONNECTIONS", "5"},
    {"SES", "RATE", "1/S"},
};
const size_t preset_rows = sizeof(presets) / sizeof(presets[0]);
