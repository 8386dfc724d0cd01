/* SPDX-License-Identifier: ISC */
/* From root to the owner of a folder. */
#include "user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool
user_become_owner(const char *folder, char *why, size_t size)
{
	struct stat st;
	if (geteuid() != 0 || stat(folder, &st) < 0 || st.st_uid == 0)
		return true;
	const struct passwd *user = getpwuid(st.st_uid);
	gid_t gid = user ? user->pw_gid : st.st_gid;
	bool grouped = (user ? initgroups(user->pw_name, gid) : setgroups(0, NULL)) == 0;
	if (grouped && setgid(gid) == 0 && setuid(st.st_uid) == 0)
		return true;
	int saved = errno;
	snprintf(why, size,
	    "%s belongs to user %u, and root cannot become that one: %s: start as it", folder,
	    (unsigned)st.st_uid, strerror(saved));
	errno = saved;
	return false;
}
