/* SPDX-License-Identifier: ISC */
/* Inherited masks and dispositions. */
#include "signals.h"

#include <signal.h>
#include <stddef.h>

void
signals_unblock(void)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

bool
signals_ignored(int number)
{
	struct sigaction old;
	return sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_IGN;
}
