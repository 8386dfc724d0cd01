/* SPDX-License-Identifier: ISC */
/*
 * raft-fsm --try: the contract without a cluster.  Lines of stdin become entries for the command.
 */
#ifndef FSM_TRY_H
#define FSM_TRY_H

#include <stdbool.h>

/* Whether --try is among the options. */
bool try_wanted(int argc, char **argv);
/* The program's exit status: that of the command. */
int try_main(int argc, char **argv);

#endif
