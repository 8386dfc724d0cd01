/* SPDX-License-Identifier: ISC */
/* The exit statuses of all tools, defined once: number, NAME, what it means. */
#ifndef UNIX_EXIT_H
#define UNIX_EXIT_H

#define EXITS(E)                                                                                   \
	E(0, OK, "all is done, or committed")                                                      \
	E(4, GAP, "the entries asked for are compacted away")                                      \
	E(64, USAGE, "wrong usage")                                                                \
	E(65, DATA, "data refused: too large, by the program, or a session with other data")       \
	E(69, UNAVAILABLE, "no leader, no quorum or no node in time; nothing is pending")          \
	E(70, BUG, "a bug in this program")                                                        \
	E(71, OS, "an error of the operating system")                                              \
	E(74, IO, "an input or output error")                                                      \
	E(75, RETRY, "refused, and safe to try again")                                             \
	E(76, UNKNOWN, "the outcome is unknown: it may be committed, or not")                      \
	E(77, FENCED, "fenced, replaced or not allowed")                                           \
	E(78, CONFIG, "an error in the configuration")                                             \
	E(126, NOT_EXECUTABLE, "a command was found and could not be run")                         \
	E(127, NOT_FOUND, "a command was not found")
enum exit_status {
#define E(number, NAME, text) EXIT_##NAME = number,
	EXITS(E)
#undef E
};

/*
 * The status of a program that a system call's error (errno) keeps from its work.  A supervisor
 * starts it again unless that is EXIT_CONFIG: only what a person must change.  What may pass by
 * itself is EXIT_OS, EXIT_IO or EXIT_RETRY.  A function that finds a mistake in what it has read
 * sets errno to EINVAL.
 */
enum exit_status exit_of_errno(int error);

#endif
