/* SPDX-License-Identifier: ISC */
/* From an error of the system to an exit status. */
#include "exit.h"

#include <errno.h>

enum exit_status
exit_of_errno(int error)
{
	switch (error) {
	/* Missing, forbidden, or of the wrong kind: the same at each start. */
	case EACCES:
	case EPERM:
	case ENOENT:
	case ENOTDIR:
	case EISDIR:
	case EEXIST:
	case ELOOP:
	case ENAMETOOLONG:
	case EINVAL:
	case ENXIO:
	case ENODEV:
	case ENOEXEC:
	case EPROTOTYPE:
	case EAFNOSUPPORT:
	case EOPNOTSUPP:
		return EXIT_CONFIG;
	/* The disk: full, failing, or read-only since it failed. */
	case EIO:
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case EROFS:
	case ESTALE:
	case EUCLEAN:
		return EXIT_IO;
	/* In use by another process, or an address that the host does not have yet. */
	case EADDRINUSE:
	case EADDRNOTAVAIL:
	case EAGAIN:
	case EBUSY:
	case ETXTBSY:
		return EXIT_RETRY;
	/* Descriptors, memory or processes are short; and all that is not expected. */
	default:
		return EXIT_OS;
	}
}
