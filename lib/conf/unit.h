/* SPDX-License-Identifier: ISC */
/* Durations and sizes as text, in the largest unit that is exact; conf_parse_* read them. */
#ifndef CONF_UNIT_H
#define CONF_UNIT_H

#include <stdint.h>

enum { UNIT_TEXT_SIZE = 32 };
void unit_print_duration(char *out, uint64_t ms);
void unit_print_size(char *out, uint64_t bytes);

#endif
