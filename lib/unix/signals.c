/* SPDX-License-Identifier: ISC */
/* Inherited masks and dispositions. */
#include "signals.h"

#include <signal.h>

void
signals_unblock(void)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, (sigset_t *)0);
}

bool
signals_ignored(int number)
{
	struct sigaction old;
	return sigaction(number, (struct sigaction *)0, &old) == 0 && old.sa_handler == SIG_IGN;
}
