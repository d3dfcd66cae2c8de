/* SPDX-License-Identifier: MIT */
/* The text of hakmem_version(), an object of its own so that a constant may hold its address. */
#ifndef HAKMEM_API_IDENTITY_H
#define HAKMEM_API_IDENTITY_H

extern const char hakmem_identity[];

#endif
