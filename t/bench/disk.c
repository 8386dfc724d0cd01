/* SPDX-License-Identifier: ISC */
/*
 * How long the disk takes for one fdatasync after a write of 4 KiB: disk FOLDER [COUNT]
 *
 * The file is written in full first, as raft-logd's reserved space is, so that only data goes out.
 * One line:
 *
 *     ops=1000 p50_us=181 p99_us=350 max_us=1200
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { COUNT = 1000, COUNT_MAX = 1000000, PAGE_SIZE = 4096, PAGES = 1024 };

static uint64_t
disk_now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void
disk_write(int fd, const char *page, long number)
{
	if (pwrite(fd, page, PAGE_SIZE, number % PAGES * PAGE_SIZE) != PAGE_SIZE)
		err(1, "write");
}

/* The file has no name from the start: nothing is left of it. */
static int
disk_open(const char *folder, const char *page)
{
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		err(1, "%s", folder);
	for (long i = 0; i < PAGES; i++)
		disk_write(fd, page, i);
	if (fsync(fd) != 0)
		err(1, "fsync");
	return fd;
}

static int
disk_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

int
main(int argc, char **argv)
{
	static uint64_t took_ns[COUNT_MAX];
	char page[PAGE_SIZE];
	long count = argc > 2 ? strtol(argv[2], NULL, 10) : COUNT;
	if (argc < 2 || argc > 3 || count < 1 || count > COUNT_MAX)
		errx(64, "usage: disk FOLDER [COUNT], 1 to %d", COUNT_MAX);
	memset(page, 'x', sizeof page);
	int fd = disk_open(argv[1], page);
	for (long i = 0; i < count; i++) {
		uint64_t began = disk_now_ns();
		disk_write(fd, page, i);
		if (fdatasync(fd) != 0)
			err(1, "fdatasync");
		took_ns[i] = disk_now_ns() - began;
	}
	qsort(took_ns, (size_t)count, sizeof *took_ns, disk_compare);
	printf("ops=%ld p50_us=%" PRIu64 " p99_us=%" PRIu64 " max_us=%" PRIu64 "\n", count,
	    took_ns[(count - 1) / 2] / 1000, took_ns[(count - 1) * 99 / 100] / 1000,
	    took_ns[count - 1] / 1000);
	return 0;
}
