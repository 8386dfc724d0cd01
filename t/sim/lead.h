/* SPDX-License-Identifier: ISC */
/*
 * Grants: at no time may commands run at two nodes.  The clocks by which they are given run at
 * rates of their own, which differ by less than a tenth, and do not stop while a node is suspended.
 */
#ifndef SIM_LEAD_H
#define SIM_LEAD_H

#include <stdint.h>

struct sim;
struct node;

/* All nodes are there.  Draws from random numbers of its own. */
void lead_init(struct sim *sim);
uint64_t lead_boot_ms(const struct sim *sim, const struct node *node);
/* After an update. */
void lead_check(struct sim *sim, struct node *node);

#endif
