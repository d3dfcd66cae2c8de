/* SPDX-License-Identifier: MIT */
/*
 * Turning hakmem on and off for one service: the drop-in, the restart, the look into the live
 * processes, and the way back.
 */
#ifndef HAKMEMCTL_SERVICE_H
#define HAKMEMCTL_SERVICE_H

#include <stdbool.h>

struct unit;

struct service_options {
    bool now;            /* restart, verify, and go back when it is not served */
    bool force;          /* although its program looks as if it could not be served */
    const char *library; /* a file; NULL: the installed one */
    unsigned wait;       /* seconds that the service may take until it is served */
};

int service_enable(struct unit *unit, const struct service_options *options);
int service_disable(struct unit *unit, const struct service_options *options);

#endif
