/* SPDX-License-Identifier: ISC */
/* The file that holds a secret: one line of base64 that nobody else may read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unix/file.h"
#include "seal.h"

static bool
pair_fail(char *why, const char *path, const char *what)
{
	snprintf(why, SEAL_WHY_SIZE, "%s: %s: %s", path, what, strerror(errno));
	return false;
}

bool
seal_pair_write(const struct seal_pair *pair, const char *path, char *why)
{
	struct file_part part;
	if (!file_part_begin(&part, path, 0600))
		return pair_fail(why, path, "cannot create the secret key");
	char line[SEAL_KEY_TEXT_SIZE];
	seal_key_text(line, pair->secret);
	line[SEAL_KEY_TEXT_SIZE - 1] = '\n';
	/* The umask may have taken bits away from 0600; the owner must be able to read it. */
	bool ok = fchmod(part.fd, 0600) == 0 && file_write(part.fd, line, sizeof line) &&
		  file_part_end(&part, FILE_NEW);
	seal_wipe(line, sizeof line);
	if (!ok)
		pair_fail(why, path, "cannot write the secret key");
	file_part_drop(&part);
	return ok;
}

/* As ssh: a secret that its group or everyone can get at is none. */
static bool
check_private(int fd, const char *path, char *why)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return pair_fail(why, path, "cannot look at the secret key");
	if (!S_ISREG(st.st_mode)) {
		snprintf(why, SEAL_WHY_SIZE, "%s: the secret key is not a regular file", path);
		errno = EINVAL;
		return false;
	}
	if ((st.st_mode & 077) == 0)
		return true;
	snprintf(why, SEAL_WHY_SIZE,
	    "%s: others can get at the secret key (mode %04o): chmod 600 it, or replace the key",
	    path, (unsigned)(st.st_mode & 07777));
	errno = EACCES;
	return false;
}

/* The file's one line into `line`, without its newline. */
static bool
pair_read_line(int fd, char line[SEAL_KEY_TEXT_SIZE], const char *path, char *why)
{
	char text[SEAL_KEY_TEXT_SIZE + 1];
	ssize_t size = read(fd, text, sizeof text);
	if (size < 0)
		return pair_fail(why, path, "cannot read the secret key");
	bool ok = size == SEAL_KEY_TEXT_SIZE && text[size - 1] == '\n';
	if (ok) {
		memcpy(line, text, SEAL_KEY_TEXT_SIZE - 1);
		line[SEAL_KEY_TEXT_SIZE - 1] = '\0';
	} else {
		snprintf(why, SEAL_WHY_SIZE, "%s: is no secret key: one line of %d characters is",
		    path, SEAL_KEY_TEXT_SIZE - 1);
		errno = EINVAL;
	}
	seal_wipe(text, sizeof text);
	return ok;
}

bool
seal_pair_read(struct seal_pair *pair, const char *path, char *why)
{
	/* O_NONBLOCK: a fifo by that name must not hang the daemon. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return pair_fail(why, path, "cannot open the secret key");
	char line[SEAL_KEY_TEXT_SIZE];
	bool ok = check_private(fd, path, why) && pair_read_line(fd, line, path, why);
	close(fd);
	if (!ok)
		return false;
	ok = seal_key_parse(pair->secret, line);
	seal_wipe(line, sizeof line);
	if (!ok) {
		snprintf(why, SEAL_WHY_SIZE, "%s: is no secret key: not base64 of %d bytes", path,
		    SEAL_KEY_SIZE);
		errno = EINVAL;
		return false;
	}
	seal_pair_public(pair);
	return true;
}
