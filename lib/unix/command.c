/* SPDX-License-Identifier: ISC */
/* What execvp(3) would find, and why it fails. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

enum { LINE_SIZE = 256, PATH_SIZE = 4096 };

/* The script's first line, without its end, when it names an interpreter. */
static bool
command_script(int dir, const char *name, char line[LINE_SIZE])
{
	int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, line, LINE_SIZE - 1);
	if (fd >= 0)
		close(fd);
	line[got > 0 ? got : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return strncmp(line, "#!", 2) == 0;
}

enum exit_status
command_why(const char *name, const char *folder, int error, char *why, size_t size)
{
	char line[LINE_SIZE];
	int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		snprintf(
		    why, size, "%s: cannot run: its folder %s: %s", name, folder, strerror(errno));
		return EXIT_NOT_EXECUTABLE;
	}
	bool there = strchr(name, '/') && faccessat(dir, name, F_OK, 0) == 0;
	bool script = there && command_script(dir, name, line);
	close(dir);
	/* ENOENT is also the error of a script whose interpreter is missing. */
	if (error != UV_ENOENT || !there) {
		snprintf(why, size, "%s: cannot run in %s: %s", name, folder, uv_strerror(error));
		return error == UV_ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
	}
	char *end = script ? strchr(line, '\r') : NULL;
	if (end)
		*end = '\0';
	snprintf(why, size, "%s: cannot run: its interpreter is missing%s%s%s", name,
	    script ? ": " : "", script ? line : "",
	    end ? ", with a carriage return after it: end the lines with LF alone" : "");
	return EXIT_NOT_EXECUTABLE;
}

/* 0, or what execve(2) would return. */
static int
command_look(int dir, const char *name)
{
	struct stat st;
	char line[LINE_SIZE];
	if (fstatat(dir, name, &st, 0) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || faccessat(dir, name, X_OK, AT_EACCESS) < 0)
		return -EACCES;
	if (!command_script(dir, name, line))
		return 0;
	char *interpreter = line + 2 + strspn(line + 2, " \t");
	interpreter[strcspn(interpreter, " \t")] = '\0';
	return faccessat(dir, interpreter, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* In each folder of $PATH. */
static int
command_search(int dir, const char *name)
{
	int error = -ENOENT;
	const char *path = getenv("PATH");
	for (const char *at = path ? path : "/bin:/usr/bin"; error != 0; at++) {
		char file[PATH_SIZE];
		size_t size = strcspn(at, ":");
		snprintf(file, sizeof file, "%.*s/%s", size ? (int)size : 1, size ? at : ".", name);
		int found = command_look(dir, file);
		if (found != -ENOENT && found != -ENOTDIR)
			error = found;
		at += size;
		if (*at == '\0')
			break;
	}
	return error;
}

enum exit_status
command_check(const char *name, const char *folder, char *why, size_t size)
{
	int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC), error = -ENOENT;
	if (dir >= 0) {
		error = strchr(name, '/') ? command_look(dir, name) : command_search(dir, name);
		close(dir);
	}
	return error == 0 ? EXIT_OK : command_why(name, folder, error, why, size);
}

void
command_set_number(const char *name, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRIu64, value);
	setenv(name, text, 1);
}
