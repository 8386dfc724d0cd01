/* SPDX-License-Identifier: ISC */
/*
 * Virtual time and what is to happen: a heap of events by (time, order of posting).
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stddef.h>
#include <stdint.h>

#define WORLD_KINDS(W)                                                                             \
	W(WAKE, "wake")               /* a node's timer */                                         \
	W(FLUSH, "flush")             /* a node's loop turn ends */                                \
	W(DELIVER, "deliver")         /* a packet arrives; value: its slot */                      \
	W(UNREACHABLE, "unreachable") /* a node hears that a peer was lost; value: the peer */     \
	W(TRANSACTION, "transaction") /* a disk ends its transaction */                            \
	W(IDLE_COMMIT, "idle_commit") /* a disk stores the commit mark by itself */                \
	W(STORED, "stored")           /* a core hears of its write; value: number */               \
	W(FULL, "full")               /* a core hears that the disk is full; value: flag */        \
	W(FETCHED, "fetched")         /* a core gets entries back; value: slot */                  \
	W(COMPACTED, "compacted")     /* a core hears that its log's beginning was cut */          \
	W(SNAPSHOT_READY, "snapshot_ready") /* a core hears of a leader's; value: slot */          \
	W(CHUNK, "chunk")                   /* the next piece of a snapshot; value: courier */     \
	W(SNAPSHOT_SENT, "snapshot_sent")   /* a core hears how a sending ended; value: courier */ \
	W(ROOM, "room")                     /* a full disk has room again */                       \
	W(RUN_AGAIN, "run_again")           /* a stalled disk goes on */                           \
	W(UP, "up")                         /* a node's elector starts */                          \
	W(RESUME, "resume")                 /* a paused node goes on */                            \
	W(CLIENT, "client")                 /* a client acts; value: which */                      \
	W(FAULT, "fault")                   /* the next fault strikes */                           \
	W(PLOT, "plot")                     /* the next act of a plot */                           \
	W(LINKS, "links")                   /* the next step of a flapping or healing network */
enum world_kind {
#define W(NAME, text) WORLD_##NAME,
	WORLD_KINDS(W)
#undef W
	    WORLD_KINDS_COUNT
};
const char *world_kind_name(enum world_kind kind);

struct world_event {
	uint64_t at_us;
	uint64_t order;
	uint64_t value;
	uint32_t incarnation; /* of the node: what was meant for an earlier one is dropped */
	uint8_t kind;
	uint8_t node;
};

struct world {
	uint64_t now_us;
	uint64_t order;
	struct world_event *heap;
	size_t count;
	size_t size;
};

void world_init(struct world *world);
void world_free(struct world *world);
/* Posts *event for event->at_us, or for now when that is past; sets its order. */
void world_post(struct world *world, struct world_event event);
/* Takes the next event and moves the time.  Before: the heap is not empty. */
struct world_event world_next(struct world *world);

#endif
