/* SPDX-License-Identifier: ISC */
/* Which files there are, and in which order they were written. */
#include "rotated.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How a name differs from that of FILE. */
enum name_kind { NAME_NUMBER, NAME_DATE, NAME_FILE };

struct rotated_name {
	enum name_kind kind;
	bool packed;          /* compressed, or something else that is no text */
	unsigned long number; /* NAME_NUMBER */
	char path[FILE_PATH_MAX];
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec written;
};

enum { NAMES_MAX = 4096, NUMBER_DIGITS_MAX = 5 };

struct rotated_names {
	struct rotated_name *names; /* oldest first; FILE is the last, if it exists */
	size_t count;
};

/* ------------------------------------------------------------- the names */

/* rest: what follows the name of FILE.  False: no name that a rotation gives. */
static bool
read_rest(struct rotated_name *name, const char *rest)
{
	size_t digits = strspn(rest + 1, "0123456789");
	size_t plain = strspn(rest + 1, "0123456789-_.:T");
	if ((*rest != '.' && *rest != '-') || digits == 0)
		return false;
	bool number = *rest == '.' && digits <= NUMBER_DIGITS_MAX;
	name->kind = number ? NAME_NUMBER : NAME_DATE;
	name->number = number ? strtoul(rest + 1, NULL, 10) : 0;
	name->packed = rest[1 + (number ? digits : plain)] != '\0';
	return true;
}

/* Oldest first; a packed file comes just after the plain one of which it is made. */
static int
compare_names(const void *a, const void *b)
{
	const struct rotated_name *one = a, *two = b;
	if (one->kind != two->kind)
		return one->kind < two->kind ? -1 : 1;
	if (one->number != two->number)
		return one->number > two->number ? -1 : 1;
	return strcmp(one->path, two->path);
}

static void
names_free(struct rotated_names *list)
{
	free(list->names);
	*list = (struct rotated_names){0};
}

/* A name that has gone meanwhile is none. */
static bool
add_name(struct rotated_names *list, struct rotated_name *name)
{
	struct stat st;
	if (stat(name->path, &st) < 0)
		return errno == ENOENT;
	if (!S_ISREG(st.st_mode))
		return true;
	if (list->count == NAMES_MAX) {
		errno = E2BIG;
		return false;
	}
	name->device = st.st_dev;
	name->inode = st.st_ino;
	name->size = st.st_size;
	name->written = st.st_mtim;
	list->names = realloc(list->names, (list->count + 1) * sizeof *list->names);
	must(list->names != NULL);
	list->names[list->count++] = *name;
	return true;
}

/* False with errno. */
static bool
names_read(struct rotated_names *list, const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	char folder[FILE_PATH_MAX];
	struct dirent *entry;
	snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash + 1 - path) : 2,
	    slash ? path : "./");
	DIR *dir = opendir(folder);
	bool good = dir != NULL;
	while (good && (entry = readdir(dir)) != NULL) {
		struct rotated_name name = {.kind = NAME_FILE};
		size_t size = strlen(base);
		if (strncmp(entry->d_name, base, size) != 0 ||
		    (entry->d_name[size] != '\0' && !read_rest(&name, entry->d_name + size)))
			continue;
		int length = snprintf(name.path, sizeof name.path, "%s%s", folder, entry->d_name);
		good = length < (int)sizeof name.path && add_name(list, &name);
	}
	int saved = errno;
	if (dir)
		closedir(dir);
	if (good && list->count > 0)
		qsort(list->names, list->count, sizeof *list->names, compare_names);
	errno = saved;
	return good;
}

static bool
names_equal(const struct rotated_names *one, const struct rotated_names *two)
{
	if (one->count != two->count)
		return false;
	for (size_t i = 0; i < one->count; i++) {
		const struct rotated_name *a = &one->names[i], *b = &two->names[i];
		if (strcmp(a->path, b->path) != 0 || a->inode != b->inode || a->device != b->device)
			return false;
	}
	return true;
}

/* FOUND, LATER or FAILED. */
static enum rotated_found
names_settled(struct rotated_names *list, const char *path, char *why)
{
	struct rotated_names again = {0};
	if (!names_read(list, path) || !names_read(&again, path)) {
		names_free(&again);
		return ROTATED_FAILED;
	}
	bool equal = names_equal(list, &again);
	names_free(&again);
	snprintf(
	    why, ROTATED_WHY_SIZE, "%s: the names of its rotated files change all the time", path);
	return equal ? ROTATED_FOUND : ROTATED_LATER;
}

/* ---------------------------------------------------------------- opening */

/* The file may have been renamed since: inode, if not 0, is the one that it must have. */
static enum rotated_found
open_path(const char *path, const struct rotated_name *expected, struct rotated_file *file)
{
	struct stat st;
	snprintf(file->path, sizeof file->path, "%s", path);
	file->fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (file->fd < 0)
		return errno == ENOENT ? ROTATED_NONE : ROTATED_FAILED;
	int error = fstat(file->fd, &st) < 0 ? errno : S_ISREG(st.st_mode) ? 0 : EINVAL;
	bool other = error == 0 && expected &&
		     (st.st_ino != expected->inode || st.st_dev != expected->device);
	if (error == 0 && !other)
		return ROTATED_FOUND;
	close(file->fd);
	file->fd = -1;
	errno = error;
	return error ? ROTATED_FAILED : ROTATED_NONE;
}

enum rotated_found
rotated_open(const char *path, struct rotated_file *file)
{
	return open_path(path, NULL, file);
}

/* --------------------------------------------------------------- the next */

static bool
is_file(const struct rotated_name *name, const struct stat *st)
{
	return name->inode == st->st_ino && name->device == st->st_dev;
}

static bool
time_after(const struct timespec *one, const struct timespec *two)
{
	return one->tv_sec != two->tv_sec ? one->tv_sec > two->tv_sec : one->tv_nsec > two->tv_nsec;
}

/* The plain file still exists beside the packed one that is made of it. */
static bool
has_twin(const struct rotated_names *list, size_t at)
{
	size_t size = at > 0 ? strlen(list->names[at - 1].path) : 0;
	return at > 0 && !list->names[at - 1].packed &&
	       strncmp(list->names[at - 1].path, list->names[at].path, size) == 0;
}

/* Whether the name was written after the file `now`, which itself may have no name any longer: then
 * by the time. */
static bool
is_after(const struct rotated_names *list, size_t at, size_t now_at, const struct stat *now)
{
	const struct rotated_name *name = &list->names[at];
	if (name->kind == NAME_FILE)
		return true;
	if (now_at == list->count || name->kind != list->names[now_at].kind)
		return time_after(&name->written, &now->st_mtim) ||
		       (!name->packed && now_at == list->count &&
			   !time_after(&now->st_mtim, &name->written));
	return at > now_at;
}

/* A number is missing between the file and the one after it. */
static bool
has_gap(const struct rotated_names *list, size_t now_at, size_t next, char *why, const char *path)
{
	if (now_at == list->count || list->names[now_at].kind != NAME_NUMBER)
		return false;
	unsigned long number = list->names[now_at].number;
	for (size_t i = now_at + 1; i <= next; i++) {
		const struct rotated_name *name = &list->names[i];
		unsigned long is = name->kind == NAME_NUMBER ? name->number : 0;
		if (name->kind == NAME_DATE || is == number)
			continue;
		if (is + 1 != number) {
			snprintf(why, ROTATED_WHY_SIZE, "%s.%lu is missing, and has not been read",
			    path, number - 1);
			return true;
		}
		number = is;
	}
	return false;
}

static enum rotated_found
choose_next(const struct rotated_names *list, const char *path, const struct stat *now,
    const struct stat *left, struct rotated_file *file, char *why)
{
	size_t now_at = 0;
	while (now_at < list->count && !is_file(&list->names[now_at], now))
		now_at++;
	if (now_at < list->count && list->names[now_at].kind == NAME_FILE)
		return ROTATED_NONE;
	for (size_t i = 0; i < list->count; i++) {
		const struct rotated_name *name = &list->names[i];
		if (i == now_at || name->size == 0 || (left && is_file(name, left)) ||
		    !is_after(list, i, now_at, now) || (name->packed && has_twin(list, i)))
			continue;
		bool strange = now_at < list->count && name->kind != NAME_FILE &&
			       name->kind != list->names[now_at].kind;
		if (name->packed || strange) {
			snprintf(why, ROTATED_WHY_SIZE, "%s has not been read, and %s", name->path,
			    name->packed ? "is compressed"
					 : "its name does not tell its place among the others");
			return ROTATED_LOST;
		}
		if (has_gap(list, now_at, i, why, path))
			return ROTATED_LATER;
		enum rotated_found found = open_path(name->path, name, file);
		return found == ROTATED_NONE ? ROTATED_LATER : found;
	}
	return ROTATED_NONE;
}

enum rotated_found
rotated_next(const char *path, int now, int left, struct rotated_file *file, char *why)
{
	struct stat st, st_left, st_path;
	struct rotated_names list = {0};
	if (fstat(now, &st) < 0 || (left >= 0 && fstat(left, &st_left) < 0))
		return ROTATED_FAILED;
	if (stat(path, &st_path) == 0 && st_path.st_ino == st.st_ino && st_path.st_dev == st.st_dev)
		return ROTATED_NONE;
	enum rotated_found found = names_settled(&list, path, why);
	if (found == ROTATED_FOUND)
		found = choose_next(&list, path, &st, left >= 0 ? &st_left : NULL, file, why);
	int saved = errno;
	names_free(&list);
	errno = saved;
	return found;
}

/* -------------------------------------------------------------- by a mark */

/* From the newest on: the file itself, or else the first copy, or else the file with less in it. */
static enum rotated_found
choose_marked(const struct rotated_names *list, const struct bookmark *mark,
    struct rotated_file *file, enum bookmark_found *how)
{
	static const int better[] = {[BOOKMARK_OTHER] = 0,
	    [BOOKMARK_CUT] = 2,
	    [BOOKMARK_TRUNCATED] = 1,
	    [BOOKMARK_COPY] = 3,
	    [BOOKMARK_SAME] = 4};
	*how = BOOKMARK_OTHER;
	file->fd = -1;
	for (size_t i = list->count; i-- > 0 && *how != BOOKMARK_SAME;) {
		struct rotated_file one;
		enum bookmark_found is;
		const struct rotated_name *name = &list->names[i];
		if (name->packed)
			continue;
		enum rotated_found found = open_path(name->path, name, &one);
		if (found == ROTATED_NONE)
			return ROTATED_LATER;
		if (found == ROTATED_FAILED && errno == EACCES)
			continue; /* an older one, of another owner */
		if (found == ROTATED_FAILED || !bookmark_look(mark, one.fd, &is))
			return ROTATED_FAILED;
		if (better[is] <= better[*how]) {
			close(one.fd);
			continue;
		}
		if (file->fd >= 0)
			close(file->fd);
		*file = one;
		*how = is;
	}
	return *how == BOOKMARK_OTHER ? ROTATED_NONE : ROTATED_FOUND;
}

enum rotated_found
rotated_find(const char *path, const struct bookmark *mark, struct rotated_file *file,
    enum bookmark_found *how)
{
	char why[ROTATED_WHY_SIZE];
	struct rotated_names list = {0};
	enum rotated_found found = names_settled(&list, path, why);
	if (found == ROTATED_FOUND)
		found = choose_marked(&list, mark, file, how);
	int saved = errno;
	names_free(&list);
	errno = saved;
	return found;
}
