/* A thread beside the event loop. Signals are the loop's: all are blocked in it. */
#ifndef SPOOLMAIL_THREAD_H
#define SPOOLMAIL_THREAD_H

#include <pthread.h>

/* 0, or the error as pthread_create() gives it. */
int thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg);

#endif
