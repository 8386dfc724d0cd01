/* SPDX-License-Identifier: ISC */
/* What a named session may be called. */
#ifndef CLIENT_SESSION_NAME_H
#define CLIENT_SESSION_NAME_H

/* What is wrong with the name, in words that follow it; NULL: nothing. */
const char *session_name_unfit(const char *name);

#endif
