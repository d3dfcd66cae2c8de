/* SPDX-License-Identifier: MIT */
/* What the subcommands print: numbers for people, JSON for programs. */
#ifndef HAKMEMCTL_OUTPUT_H
#define HAKMEMCTL_OUTPUT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define OUTPUT_SIZE 16 /* of the text of a number */

/* Bytes as people read them: 512, 4.0K, 12.3M, 1.50G. Returns text. */
const char *output_bytes(char text[OUTPUT_SIZE], uint64_t bytes);
/* A count, shortened from 100,000 on: 99999, 100k, 12.3M. Returns text. */
const char *output_count(char text[OUTPUT_SIZE], uint64_t count);
/* part of whole in percent; 0 when the whole is 0. */
double output_percent(uint64_t part, uint64_t whole);

/* Print a value on standard output, and let go of it. Returns an enum status. */
int output_json(json_t *value);

#endif
