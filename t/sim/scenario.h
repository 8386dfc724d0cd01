/* SPDX-License-Identifier: ISC */
/*
 * Scenarios: a story in text, and the end that it must have.
 */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "report.h"

/* Runs each; `update` writes the outcome back as the expected one.  The exit status. */
int scenario_files(char **files, enum trace_form trace, bool update);

#endif
