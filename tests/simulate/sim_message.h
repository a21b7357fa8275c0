/* Texts of the simulated messages, made from their number alone, and what a file found on a disk
 * is: which message, for whom, and whether it is whole. */
#ifndef TESTS_SIMULATE_SIM_MESSAGE_H
#define TESTS_SIMULATE_SIM_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Users of the far end, by number; what becomes of mail for them. */
enum {
    USER_KNOWN = 16,   /* below: the receiver knows them */
    USER_UNKNOWN = 20, /* below: it does not: 550 */
    USER_STRANGE = 24, /* below: of the strange host, whose replies mean little */
    USER_NOWHERE = 26, /* below: there is no such domain */
    USERS = 26
};
#define DOMAIN_SENDER "alpha.example"
#define DOMAIN_RECEIVER "beta.example"
#define DOMAIN_STRANGER "strange.example"
#define DOMAIN_NOWHERE "nowhere.example"
#define JOB_ADDRESS "job@" DOMAIN_SENDER

struct text {
    char *data; /* sim_free */
    size_t size, cap;
};
void text_add(struct text *t, const char *s, size_t n);
void text_puts(struct text *t, const char *s);
const char *user_domain(unsigned user);
/* "u07" at its domain. */
void text_user(struct text *t, unsigned user);
/* Header and body of a message. */
void message_write(struct text *t, uint32_t id);
/* The body alone, each line that begins with a dot having one more if `stuffed`. */
void message_body(struct text *t, uint32_t id, bool stuffed);

enum found_kind {
    FOUND_JUNK,   /* nothing of ours, or too little of it to tell */
    FOUND_JOB,    /* X-From, X-To for each user, the message */
    FOUND_BATCH,  /* Batch SMTP: messages id and id + 1 */
    FOUND_MAIL,   /* the same for one user: a data set, or as received */
    FOUND_NOTICE, /* to the sender: it did not reach the user */
    FOUND_LATE,   /* the same: it was tried until its time was over */
    FOUND_HELD,   /* to the owner: his file is in HOLD */
    FOUND_FAULTY  /* a job's file that cannot be sent */
};

struct found {
    enum found_kind kind;
    bool whole;
    uint8_t user;
    uint32_t id;
};
struct found message_find(const char *text, size_t n);
/* In what is sent: the user of an RCPT (USERS: there is none); the message whose subject is there.
 */
unsigned message_recipient(const char *octets, size_t n);
bool message_subject(const char *octets, size_t n, uint32_t *id);
/* In one number, never 0. */
uint64_t found_pack(struct found f);
struct found found_unpack(uint64_t packed);

#endif
