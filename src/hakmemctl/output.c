/* SPDX-License-Identifier: MIT */
#include "hakmemctl/output.h"

#include <stdio.h>

#include "hakmemctl/command.h"

/* Three digits and the unit. */
static const char *output_scaled(char text[OUTPUT_SIZE], double value, double step, const char *units)
{
    while (value >= 999.5 && units[1] != '\0') {
        value /= step;
        units++;
    }
    int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    snprintf(text, OUTPUT_SIZE, "%.*f%c", digits, value, units[0]);
    return text;
}

const char *output_bytes(char text[OUTPUT_SIZE], uint64_t bytes)
{
    if (bytes < 1000) {
        snprintf(text, OUTPUT_SIZE, "%u", (unsigned)bytes);
        return text;
    }
    return output_scaled(text, (double)bytes / 1024, 1024, "KMGTP");
}

const char *output_count(char text[OUTPUT_SIZE], uint64_t count)
{
    if (count < 100000) {
        snprintf(text, OUTPUT_SIZE, "%u", (unsigned)count);
        return text;
    }
    return output_scaled(text, (double)count / 1000, 1000, "kMGTP");
}

double output_percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

int output_json(json_t *value)
{
    int status = STATUS_OK;
    if (value == NULL || json_dumpf(value, stdout, JSON_INDENT(2)) != 0) {
        command_message("the JSON could not be made or written");
        status = STATUS_FAILED;
    }
    putchar('\n');
    json_decref(value);
    return status;
}
