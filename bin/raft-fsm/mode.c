/* SPDX-License-Identifier: ISC */
/* The modes by name. */
#include "fsm.h"

const struct mode *
fsm_mode(enum conf_mode mode)
{
	static const struct mode *const modes[] = {
	    [CONF_SINK] = &sink_mode, [CONF_BATCH] = &batch_mode, [CONF_MACHINE] = &machine_mode};
	return modes[mode];
}
