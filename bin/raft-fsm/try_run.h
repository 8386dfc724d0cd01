/* SPDX-License-Identifier: ISC */
/* One run of a mode without a cluster. */
#ifndef FSM_TRY_RUN_H
#define FSM_TRY_RUN_H

#include "conf/conf.h"
#include "trial.h"

/* Ends the process, with the program's status or with one sentence.  Once. */
_Noreturn void try_run(const struct conf *conf, const struct trial *trial, char **command);

#endif
