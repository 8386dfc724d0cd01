/* SPDX-License-Identifier: ISC */
/*
 * The recorder: a library for LD_PRELOAD, below SQLite and everything else.
 *
 * Appends to the journal, in the order in which they happened, all changes of files and folders
 * below a root, all syncs of them, and all bytes that the process sent.  One lock is held around
 * each call and its record, so the order is exact between threads, too.  What it cannot see ends
 * the process: a journal with a hole in it proves nothing.  The lock is also on the journal
 * (flock): whoever kills the process must hold it, or the kill may come between a call and its
 * record.
 *
 *   POWERLOSS_ROOT     absolute path of the folder; none: nothing is recorded
 *   POWERLOSS_JOURNAL  file to append to
 *   POWERLOSS_BOOT_ID  file to read instead of the kernel's boot id
 *   POWERLOSS_FREE     bytes that statvfs calls free
 *   POWERLOSS_KILL     number: the process is killed before its change or sync of this number
 *   POWERLOSS_KILL_SYNC  the same, syncs alone are counted
 *
 * A record, integers big-endian: operation u8, a u64, b u64, size u32, and as many bytes.
 *
 *   o  open     a: inode  b: OPEN_*           path
 *   w  write    a: inode  b: offset           data
 *   t  size     a: inode  b: the new size
 *   s  sync     a: inode
 *   m  mkdir    a: inode                      path
 *   r  rename                                 path NUL path
 *   l  link                                   path NUL path
 *   u  unlink, rmdir                          path
 *   a  sent     a: descriptor                 data
 *   x  unsent   a: descriptor b: bytes of the record before it that did not leave
 *   c  closed   a: descriptor
 *   n  note of the driver                     JSON
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FDS_MAX = 1024, HEAD_SIZE = 21 };
enum { OPEN_CREATED = 1, OPEN_TRUNCATED = 2 };
enum what { OTHER, TRACKED, SENT };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;
static const char *root, *boot_id, *free_bytes;
static struct {
	unsigned long count, end; /* end 0: there is none */
} changes, syncs;
static struct {
	enum what what;
	uint64_t inode;
	bool append;
} fds[FDS_MAX];

#define REAL(result, name, ...)                                                                    \
	static result (*real)(__VA_ARGS__);                                                        \
	if (real == NULL)                                                                          \
	real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

_Noreturn static void
give_up(const char *why)
{
	fprintf(stderr, "record: %s: %s\n", why, strerror(errno));
	_exit(99);
}

__attribute__((constructor)) static void
begin(void)
{
	root = getenv("POWERLOSS_ROOT");
	boot_id = getenv("POWERLOSS_BOOT_ID");
	free_bytes = getenv("POWERLOSS_FREE");
	if (getenv("POWERLOSS_KILL"))
		changes.end = strtoul(getenv("POWERLOSS_KILL"), NULL, 10);
	if (getenv("POWERLOSS_KILL_SYNC"))
		syncs.end = strtoul(getenv("POWERLOSS_KILL_SYNC"), NULL, 10);
	if (root == NULL)
		return;
	REAL(int, "open64", const char *, int, ...);
	journal =
	    real(getenv("POWERLOSS_JOURNAL"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (journal < 0)
		give_up("the journal cannot be opened");
}

/* ------------------------------------------------------------- records */

static void
put_number(uint8_t *at, uint64_t number, int size)
{
	for (int i = size; i-- > 0; number >>= 8)
		at[i] = (uint8_t)number;
}

static void
record(char operation, uint64_t a, uint64_t b, const void *data, size_t size)
{
	uint8_t head[HEAD_SIZE];
	struct iovec parts[2] = {{head, sizeof head}, {(void *)(uintptr_t)data, size}};
	int saved = errno;
	REAL(ssize_t, "writev", int, const struct iovec *, int);
	head[0] = (uint8_t)operation;
	put_number(head + 1, a, 8);
	put_number(head + 9, b, 8);
	put_number(head + 17, size, 4);
	if (real(journal, parts, 2) != (ssize_t)(sizeof head + size))
		give_up("the journal cannot be written");
	errno = saved;
}

/* Around each call and its record: against other threads, and against being killed by the driver.
 */
static void
hold(void)
{
	pthread_mutex_lock(&lock);
	while (journal >= 0 && flock(journal, LOCK_EX) < 0)
		if (errno != EINTR)
			give_up("the journal cannot be locked");
}

static void
leave(void)
{
	if (journal >= 0 && flock(journal, LOCK_UN) < 0)
		give_up("the journal cannot be unlocked");
	pthread_mutex_unlock(&lock);
}

/* Before each call that changes or syncs something. */
static void
enter(void)
{
	hold();
	if (++changes.count == changes.end)
		kill(getpid(), SIGKILL);
}

/* The path made absolute, its folder without links; false: it is not below the root. */
static bool
below(char out[PATH_MAX], int at, const char *path)
{
	char whole[PATH_MAX], folder[PATH_MAX];
	if (root == NULL)
		return false;
	if (path[0] != '/' && at != AT_FDCWD) {
		char name[64];
		snprintf(name, sizeof name, "/proc/self/fd/%d", at);
		ssize_t size = readlink(name, folder, sizeof folder - 1);
		folder[size > 0 ? size : 0] = '\0';
		snprintf(whole, sizeof whole, "%.2000s/%.2000s", folder, path);
	} else {
		snprintf(whole, sizeof whole, "%s%s", path[0] == '/' ? "" : "./", path);
	}
	char *slash = strrchr(whole, '/');
	*slash = '\0';
	if (realpath(whole, folder) == NULL)
		return false;
	snprintf(out, PATH_MAX, "%.2000s/%.2000s", folder, slash + 1);
	size_t size = strlen(root);
	return strncmp(out, root, size) == 0 && (out[size] == '/' || out[size] == '\0');
}

static void
record_paths(char operation, const char *from, const char *to)
{
	char both[2 * PATH_MAX];
	int size = snprintf(both, sizeof both, "%s%c%s", from, 0, to);
	record(operation, 0, 0, both, (size_t)size);
}

static bool
tracked(int fd)
{
	return fd >= 0 && fd < FDS_MAX && fds[fd].what == TRACKED;
}

/* ---------------------------------------------------------------- files */

static int
opened(int fd, const char *path, int flags, bool existed)
{
	struct stat st;
	if (fd < 0)
		return fd;
	if (fd >= FDS_MAX || fstat(fd, &st) < 0)
		give_up("a descriptor out of bounds");
	bool truncated = existed && (flags & O_TRUNC) && st.st_size == 0;
	fds[fd].what = TRACKED;
	fds[fd].inode = st.st_ino;
	fds[fd].append = flags & O_APPEND;
	record('o', st.st_ino,
	    (uint64_t)(existed ? 0 : OPEN_CREATED) | (uint64_t)(truncated ? OPEN_TRUNCATED : 0),
	    path, strlen(path));
	return fd;
}

static int
open_any(int at, const char *path, int flags, mode_t mode)
{
	char whole[PATH_MAX];
	struct stat st;
	REAL(int, "openat64", int, const char *, int, ...);
	if (boot_id && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
		path = boot_id;
	if (!below(whole, at, path))
		return real(at, path, flags, mode);
	enter();
	bool existed = lstat(whole, &st) == 0;
	int fd = opened(real(at, path, flags, mode), whole, flags, existed);
	leave();
	return fd;
}

#define OPEN(name, before, at)                                                                     \
	int name(before const char *path, int flags, ...)                                          \
	{                                                                                          \
		va_list args;                                                                      \
		va_start(args, flags);                                                             \
		mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;                          \
		va_end(args);                                                                      \
		return open_any(at, path, flags, mode);                                            \
	}
#define NOTHING
#define FOLDER int folder,
OPEN(open, NOTHING, AT_FDCWD)
OPEN(open64, NOTHING, AT_FDCWD)
OPEN(openat, FOLDER, folder)
OPEN(openat64, FOLDER, folder)

int
close(int fd)
{
	REAL(int, "close", int);
	hold();
	if (fd >= 0 && fd < FDS_MAX) {
		if (fds[fd].what == SENT)
			record('c', (uint64_t)fd, 0, NULL, 0);
		fds[fd].what = OTHER;
	}
	int result = real(fd);
	leave();
	return result;
}

static ssize_t
written(int fd, const void *data, ssize_t size, off_t offset)
{
	if (size > 0)
		record('w', fds[fd].inode, (uint64_t)offset, data, (size_t)size);
	return size;
}

static ssize_t
pwrite_any(int fd, const void *data, size_t size, off_t offset)
{
	REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
	if (!tracked(fd))
		return real(fd, data, size, offset);
	enter();
	ssize_t put = written(fd, data, real(fd, data, size, offset), offset);
	leave();
	return put;
}

ssize_t
pwrite(int fd, const void *data, size_t size, off_t offset)
{
	return pwrite_any(fd, data, size, offset);
}

ssize_t
pwrite64(int fd, const void *data, size_t size, off_t offset)
{
	return pwrite_any(fd, data, size, offset);
}

/* To a file, or (standard output of a program on a pipe) to its reader. */
ssize_t
write(int fd, const void *data, size_t size)
{
	REAL(ssize_t, "write", int, const void *, size_t);
	if (root && fd == STDOUT_FILENO) {
		hold();
		record('a', (uint64_t)fd, 0, data, size);
		leave();
	}
	if (!tracked(fd))
		return real(fd, data, size);
	enter();
	off_t at = lseek(fd, 0, fds[fd].append ? SEEK_END : SEEK_CUR);
	ssize_t put = written(fd, data, real(fd, data, size), at);
	leave();
	return put;
}

/* Nothing is to be seen of these but that they are not used. */
ssize_t
writev(int fd, const struct iovec *parts, int count)
{
	REAL(ssize_t, "writev", int, const struct iovec *, int);
	if (tracked(fd))
		give_up("a file is written by writev");
	return real(fd, parts, count);
}

void *
mmap(void *where, size_t size, int protection, int flags, int fd, off_t offset)
{
	REAL(void *, "mmap64", void *, size_t, int, int, int, off_t);
	if (fd >= 0 && tracked(fd) && (flags & MAP_SHARED) && (protection & PROT_WRITE))
		give_up("a file is written through a mapping");
	return real(where, size, protection, flags, fd, offset);
}

void *
mmap64(void *where, size_t size, int protection, int flags, int fd, off_t offset)
{
	return mmap(where, size, protection, flags, fd, offset);
}

int
dup(int from)
{
	REAL(int, "dup", int);
	if (tracked(from))
		give_up("a descriptor of a file is duplicated");
	return real(from);
}

int
dup2(int from, int to)
{
	REAL(int, "dup2", int, int);
	if (tracked(from))
		give_up("a descriptor of a file is duplicated");
	return real(from, to);
}

static int
resized(int fd, int result, off_t size)
{
	if (result == 0)
		record('t', fds[fd].inode, (uint64_t)size, NULL, 0);
	return result;
}

static int
ftruncate_any(int fd, off_t size)
{
	REAL(int, "ftruncate64", int, off_t);
	if (!tracked(fd))
		return real(fd, size);
	enter();
	int result = resized(fd, real(fd, size), size);
	leave();
	return result;
}

int
ftruncate(int fd, off_t size)
{
	return ftruncate_any(fd, size);
}

int
ftruncate64(int fd, off_t size)
{
	return ftruncate_any(fd, size);
}

/* Room for a file that grows: the same as a size, unless it is there already. */
static int
allocate_any(int fd, int mode, off_t offset, off_t size)
{
	struct stat st;
	REAL(int, "fallocate64", int, int, off_t, off_t);
	if (!tracked(fd))
		return real(fd, mode, offset, size);
	if (mode != 0 || fstat(fd, &st) < 0)
		give_up("fallocate with a mode");
	enter();
	int result = real(fd, mode, offset, size);
	if (offset + size > st.st_size)
		result = resized(fd, result, offset + size);
	leave();
	return result;
}

int
fallocate(int fd, int mode, off_t offset, off_t size)
{
	return allocate_any(fd, mode, offset, size);
}

int
fallocate64(int fd, int mode, off_t offset, off_t size)
{
	return allocate_any(fd, mode, offset, size);
}

int
posix_fallocate(int fd, off_t offset, off_t size)
{
	return allocate_any(fd, 0, offset, size) == 0 ? 0 : errno;
}

int
posix_fallocate64(int fd, off_t offset, off_t size)
{
	return posix_fallocate(fd, offset, size);
}

/* What is synced is what was recorded before. */
static int
sync_any(int fd, int (*real)(int))
{
	if (!tracked(fd))
		return real(fd);
	enter();
	if (++syncs.count == syncs.end)
		kill(getpid(), SIGKILL);
	int result = real(fd);
	if (result == 0)
		record('s', fds[fd].inode, 0, NULL, 0);
	leave();
	return result;
}

int
fsync(int fd)
{
	REAL(int, "fsync", int);
	return sync_any(fd, real);
}

int
fdatasync(int fd)
{
	REAL(int, "fdatasync", int);
	return sync_any(fd, real);
}

/* -------------------------------------------------------------- folders */

/* One of the two paths below the root, the other not: it would come from nowhere. */
static bool
both_below(const char *from, const char *to, char whole_from[PATH_MAX], char whole_to[PATH_MAX])
{
	bool is_from = below(whole_from, AT_FDCWD, from), is_to = below(whole_to, AT_FDCWD, to);
	if (is_from != is_to)
		give_up("a rename or a link across the root");
	return is_from;
}

int
renameat2(int at, const char *from, int to_at, const char *to, unsigned flags)
{
	char whole_from[PATH_MAX], whole_to[PATH_MAX];
	REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
	if (root && (at != AT_FDCWD || to_at != AT_FDCWD || (flags & ~(unsigned)RENAME_NOREPLACE)))
		give_up("a rename with a folder, or of a kind that is not modelled");
	if (!both_below(from, to, whole_from, whole_to))
		return real(at, from, to_at, to, flags);
	enter();
	int result = real(at, from, to_at, to, flags);
	if (result == 0)
		record_paths('r', whole_from, whole_to);
	leave();
	return result;
}

int
rename(const char *from, const char *to)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
link(const char *from, const char *to)
{
	char whole_from[PATH_MAX], whole_to[PATH_MAX];
	REAL(int, "link", const char *, const char *);
	if (!both_below(from, to, whole_from, whole_to))
		return real(from, to);
	enter();
	int result = real(from, to);
	if (result == 0)
		record_paths('l', whole_from, whole_to);
	leave();
	return result;
}

static int
unlink_any(int at, const char *path, int flags)
{
	char whole[PATH_MAX];
	REAL(int, "unlinkat", int, const char *, int);
	if (!below(whole, at, path))
		return real(at, path, flags);
	enter();
	int result = real(at, path, flags);
	if (result == 0)
		record('u', 0, 0, whole, strlen(whole));
	leave();
	return result;
}

int
unlink(const char *path)
{
	return unlink_any(AT_FDCWD, path, 0);
}

int
unlinkat(int at, const char *path, int flags)
{
	return unlink_any(at, path, flags);
}

int
rmdir(const char *path)
{
	return unlink_any(AT_FDCWD, path, AT_REMOVEDIR);
}

int
mkdir(const char *path, mode_t mode)
{
	char whole[PATH_MAX];
	struct stat st;
	REAL(int, "mkdir", const char *, mode_t);
	if (!below(whole, AT_FDCWD, path))
		return real(path, mode);
	enter();
	int result = real(path, mode);
	if (result == 0 && lstat(whole, &st) == 0)
		record('m', st.st_ino, 0, whole, strlen(whole));
	leave();
	return result;
}

/* -------------------------------------------------------- what was sent */

/* Before it leaves: the next process may have it at once. */
ssize_t
send(int fd, const void *data, size_t size, int flags)
{
	REAL(ssize_t, "send", int, const void *, size_t, int);
	if (root == NULL || fd < 0 || fd >= FDS_MAX)
		return real(fd, data, size, flags);
	hold();
	fds[fd].what = SENT;
	record('a', (uint64_t)fd, 0, data, size);
	ssize_t sent = real(fd, data, size, flags);
	if (sent < 0 || (size_t)sent < size)
		record('x', (uint64_t)fd, size - (size_t)(sent > 0 ? sent : 0), NULL, 0);
	leave();
	return sent;
}

/* ----------------------------------------------------------- the system */

static int
statvfs_any(const char *path, struct statvfs *fs)
{
	REAL(int, "statvfs64", const char *, struct statvfs *);
	int result = real(path, fs);
	if (result == 0 && free_bytes)
		fs->f_bavail = (fsblkcnt_t)(strtoull(free_bytes, NULL, 10) / fs->f_frsize);
	return result;
}

int
statvfs(const char *path, struct statvfs *fs)
{
	return statvfs_any(path, fs);
}

int
statvfs64(const char *path, struct statvfs64 *fs)
{
	return statvfs_any(path, (struct statvfs *)fs);
}
