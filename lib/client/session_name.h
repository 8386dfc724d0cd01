/* SPDX-License-Identifier: ISC */
/* The names of sessions and cursors. */
#ifndef CLIENT_SESSION_NAME_H
#define CLIENT_SESSION_NAME_H

/* Why it is not one, as a phrase after "a session's name": "is UTF-8"; NULL: it is one. */
const char *session_name_unfit(const char *name);

#endif
