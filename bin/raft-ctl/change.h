/* SPDX-License-Identifier: ISC */
/*
 * One change of the members, proposed until it is answered for good.
 *
 * Its answer may get lost, and the same change asked for twice is refused the second time. So a
 * refusal after an attempt in doubt is judged by the members themselves.
 */
#ifndef CTL_CHANGE_H
#define CTL_CHANGE_H

#include "raft/types.h"
#include "ctl.h"

/*
 * The members as this node's raft-elect knows them; exits 69 after the time, or 76 with what is
 * done already (NULL: nothing).
 */
void change_members(struct ctl *ctl, struct raft_config *members, const char *done);
/*
 * Returns once the change is committed and in the log of this node; exits with one sentence else.
 * done, left: see struct steps.
 */
void change_make(
    struct ctl *ctl, const struct raft_change *change, const char *done, const char *left);

#endif
