/* SPDX-License-Identifier: ISC */
/*
 * The commands of a scenario, one a line:
 *
 *   joiners COUNT                  nodes beside them, that are no members yet
 *   transfer NODE [TARGET]         asks NODE for a transfer of leadership
 *   change NODE OP TARGET          add, promote, demote, remove, address, key-add, key-drop
 *   compact NODE INDEX             its log begins after that entry
 *   expect before|members NODE N   begin of its log; how many members it knows
 *   nodes COUNT [LEARNERS]         first; then settings, then the rest
 *   level LEVEL                    a setting: the highest one that the programs support; else 1
 *   set NAME VALUE                 a number of the profile, see story.c
 *   run TIME                       let time pass: 300ms, 2s
 *   until leader [NODE]            … until there is one that a majority follows, or that one
 *   until equal                    … until all living nodes have the same log, committed
 *   until stored|commit NODE INDEX … until it has stored or committed so much
 *   stand NODE                     its clock jumps: it has heard no leader for long enough
 *   clock NODE TIME                its clock jumps ahead
 *   split NODE ... | NODE ...      two sides
 *   cut NODE NODE, cut NODE>NODE   a link, or one direction of it
 *   isolate NODE, heal             all its links; all links of all
 *   hold TYPE FROM>TO              such messages wait (TYPE any; a node may be *)
 *   release, discard               what waits is delivered or thrown away, and no more is held
 *   crash NODE, start NODE         power loss, and back
 *   elector NODE, logd NODE        restart of that daemon alone
 *   upgrade NODE                   its elector, by a program of the highest level
 *   timeout NODE MILLISECONDS      its election timeout, from the next start of its elector on
 *   stall NODE, unstall NODE       its disk completes nothing
 *   full NODE, room NODE           its disk accepts no entries
 *   pause NODE, freeze NODE, resume NODE
 *   lose NODE INDEX                crash; its log is back at INDEX, the mark shows it
 *   lose-mark NODE INDEX           … and the mark is missing; term and vote are those of then
 *   damage NODE INDEX              crash; the entry at INDEX cannot be read
 *   propose NODE SESSION SERIAL [COUNT] [epoch=N] [fence=N]
 *                                  SESSION: a letter for an anonymous one, @a @b @c for a named one
 *   open NODE @NAME [REPLACES], open NODE %NAME [REPLACES]
 *                                  a named session; a cursor: %a, %b, ...
 *   ack NODE %NAME SERIAL INDEX [epoch=N] [fence=N]
 *   barrier NODE, read NODE
 *   expect leader NODE, expect role NODE ROLE
 *   expect term|commit|last|stored|level NODE NUMBER
 *   expect grant NODE yes|no       whether a command that only the leader runs may run there
 *   expect answer N VERDICT        the N-th proposal's: committed, refused, unknown, none
 *   expect read N ok|refused|none
 *   expect cursor NODE %NAME INDEX its position, as far as that node knows it committed
 */
#ifndef SIM_STORY_H
#define SIM_STORY_H

#include <stdbool.h>
#include <stddef.h>

struct sim;

enum { STORY_WORDS_MAX = 16 };
struct story {
	struct sim *sim;
	bool begun;            /* the cluster runs */
	unsigned sessions[26]; /* by letter */
	unsigned cursors[26];
	char *words[STORY_WORDS_MAX];
	size_t count;
	const char *wrong; /* what is wrong with the line, or NULL */
};

void story_init(struct story *story, struct sim *sim);
/* One line; it is cut into words.  False when it makes no sense: then story->wrong says why. */
bool story_line(struct story *story, char *line);
/* Starts the cluster, if no command has. */
void story_begin(struct story *story);

#endif
