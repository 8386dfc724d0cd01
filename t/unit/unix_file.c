/* SPDX-License-Identifier: ISC */
/* Files that have their name only when they are complete. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unix/file.h"
#include "check.h"

static char folder[] = "/tmp/file-XXXXXX";
static char made[PATH_MAX];

static const char *
path_of(const char *name)
{
	snprintf(made, sizeof made, "%s/%s", folder, name);
	return made;
}

static bool
holds(const char *name, const char *text)
{
	char got[64] = "";
	FILE *file = fopen(path_of(name), "r");
	if (file == NULL)
		return false;
	size_t size = fread(got, 1, sizeof got - 1, file);
	fclose(file);
	return size == strlen(text) && memcmp(got, text, size) == 0;
}

static void
put(const char *name, const char *text)
{
	FILE *file = fopen(path_of(name), "w");
	CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

/* How many names there are; all of them go. */
static int
clear(void)
{
	int count = 0;
	DIR *dir = opendir(folder);
	for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		count++;
		CHECK(unlinkat(dirfd(dir), entry->d_name, 0) == 0);
	}
	CHECK(dir != NULL && closedir(dir) == 0);
	return count;
}

static bool
whole(const char *name, const char *text, mode_t mode, enum file_place place)
{
	return file_write_whole(path_of(name), text, strlen(text), mode, place);
}

static void
test_new(void)
{
	struct stat st;
	mode_t old = umask(027);
	CHECK(whole("a", "one", 0666, FILE_NEW));
	umask(old);
	CHECK(holds("a", "one"));
	CHECK(stat(path_of("a"), &st) == 0 && (st.st_mode & 07777) == 0640);
	CHECK(!whole("a", "two", 0600, FILE_NEW) && errno == EEXIST);
	CHECK(holds("a", "one"));
	/* A link with that name counts, wherever it leads. */
	CHECK(symlink("nowhere", path_of("l")) == 0);
	CHECK(!whole("l", "two", 0600, FILE_NEW) && errno == EEXIST);
	CHECK(clear() == 2);
}

static void
test_replace(void)
{
	CHECK(whole("a", "one", 0600, FILE_REPLACE));
	CHECK(whole("a", "two", 0600, FILE_REPLACE));
	CHECK(holds("a", "two"));
	put("mine", "precious");
	CHECK(symlink("mine", path_of("l")) == 0);
	CHECK(whole("l", "three", 0600, FILE_REPLACE));
	CHECK(holds("l", "three") && holds("mine", "precious"));
	CHECK(clear() == 3);
}

static void
test_two_writers(void)
{
	struct file_part first, second;
	for (enum file_place place = FILE_NEW; place <= FILE_REPLACE; place++) {
		CHECK(file_part_begin(&first, path_of("a"), 0600) &&
		      file_part_begin(&second, path_of("a"), 0600));
		CHECK(strcmp(first.part, second.part) != 0);
		CHECK(file_write(first.fd, "fir", 3) && file_write(second.fd, "sec", 3));
		CHECK(access(path_of("a"), F_OK) < 0);
		CHECK(file_write(first.fd, "st", 2) && file_write(second.fd, "ond", 3));
		CHECK(file_part_end(&second, place));
		CHECK(holds("a", "second"));
		CHECK(file_part_end(&first, place) == (place == FILE_REPLACE));
		CHECK(holds("a", place == FILE_REPLACE ? "first" : "second"));
		CHECK(clear() == 1);
	}
}

static void
test_drop(void)
{
	struct file_part part;
	put("a", "old");
	CHECK(file_part_begin(&part, path_of("a"), 0600) && file_write(part.fd, "new", 3));
	file_part_drop(&part);
	file_part_drop(&part);
	CHECK(holds("a", "old"));
	CHECK(clear() == 1);
	CHECK(!file_part_begin(&part, path_of("no/a"), 0600) && errno == ENOENT);
	file_part_drop(&part);
	CHECK(mkdir(path_of("d"), 0700) == 0);
	CHECK(!whole("d", "x", 0600, FILE_REPLACE) && errno == EISDIR);
	CHECK(!whole("d", "x", 0600, FILE_NEW) && errno == EEXIST);
	CHECK(rmdir(path_of("d")) == 0);
	CHECK(clear() == 0);
}

static void
test_names(void)
{
	char name[NAME_MAX + 2], long_path[FILE_PATH_MAX + 16];
	memset(name, 'n', sizeof name);
	name[NAME_MAX] = '\0';
	CHECK(whole(name, "one", 0600, FILE_NEW) && whole(name, "two", 0600, FILE_REPLACE));
	CHECK(holds(name, "two"));
	name[NAME_MAX] = 'n';
	name[NAME_MAX + 1] = '\0';
	CHECK(!whole(name, "one", 0600, FILE_NEW) && errno == ENAMETOOLONG);
	memset(long_path, '/', sizeof long_path);
	long_path[sizeof long_path - 1] = '\0';
	CHECK(!file_write_whole(long_path, "x", 1, 0600, FILE_NEW) && errno == ENAMETOOLONG);
	CHECK(clear() == 1);
	CHECK(chdir(folder) == 0);
	CHECK(file_write_whole("here", "x", 1, 0600, FILE_NEW) && file_rename("here", "there"));
	CHECK(holds("there", "x"));
	CHECK(clear() == 1);
	CHECK(!file_sync_folder(path_of("none")) && errno == ENOENT);
	CHECK(file_sync_folder(folder));
}

int
main(void)
{
	CHECK(mkdtemp(folder) != NULL);
	check_run("file: a new file has all its content and its mode less the umask, and replaces "
		  "nothing",
	    test_new);
	check_run(
	    "file: one that replaces another is complete, and a link is replaced, not followed",
	    test_replace);
	check_run(
	    "file: of two writers at once each writes its own, and the name never has half of one",
	    test_two_writers);
	check_run("file: what is dropped, or fails, leaves nothing and the old file as it was",
	    test_drop);
	check_run("file: names of any length, and of the working directory", test_names);
	CHECK(rmdir(folder) == 0);
	return check_done();
}
