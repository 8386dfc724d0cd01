/* SPDX-License-Identifier: ISC */
/*
 * lincheck [-m COUNT] [FILE]: is the history of each key linearizable?
 *
 * A line an operation: START END KEY OPERATION RESULT, times in any unit of one clock.
 *
 *   put V        ok
 *   get          ok V | none
 *   del          ok | none
 *   cas OLD NEW  ok | none | is V
 *   incr         ok N
 *
 * Whose outcome is unknown has END - and no result: it may take effect at any time after START, or
 * never. That it is never is that it comes after all others.
 *
 * The search is that of Wing and Gong (1993) with Lowe's memory of what has been tried: operations
 * are taken in an order that their times allow; a set of taken operations with the same state is
 * tried once. Registers are independent (linearizability is local: Herlihy and Wing 1990), so each
 * key is searched alone.
 *
 * Exit status: 0 all linearizable; 1 a key is not; 2 a line that cannot be read, fewer than COUNT
 * operations with a known outcome, or a search that outgrew its memory.
 */
#include <err.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BAD = 1, UNDECIDED = 2, WORDS_MAX = 10 };
enum { MEMORY_MAX = 1 << 30 }; /* bytes of memory of what has been tried, a key */

enum what { PUT, GET, DEL, CAS, INCR };
enum result { OK, NONE, IS, UNKNOWN };

struct op {
	char *key;
	uint64_t start, end;
	unsigned long line;
	enum what what;
	enum result result;
	int arg, arg_new; /* values */
	int value;        /* of the result */
	uint64_t hash;    /* of itself in a set */
};

static struct op *ops;
static size_t ops_count, ops_room;
static size_t known;

static void *
grow(void *array, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return array;
	*room = *room ? 2 * *room : 64;
	array = realloc(array, *room * size);
	if (array == NULL)
		err(UNDECIDED, NULL);
	return array;
}

static uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* ------------------------------------------------- values, as small numbers */

/* 0: there is none. */
static char **values;
static size_t values_count = 1, values_room;
static int *values_at; /* a hash table of their numbers */
static size_t values_mask;

static uint64_t
hash_text(const char *text)
{
	uint64_t hash = 0;
	for (; *text; text++)
		hash = mix(hash ^ (unsigned char)*text);
	return hash;
}

static void
rehash(void)
{
	values_mask = values_mask ? 2 * values_mask + 1 : 1023;
	free(values_at);
	values_at = calloc(values_mask + 1, sizeof *values_at);
	if (values_at == NULL)
		err(UNDECIDED, NULL);
	for (size_t i = 1; i < values_count; i++) {
		size_t at = hash_text(values[i]) & values_mask;
		while (values_at[at])
			at = (at + 1) & values_mask;
		values_at[at] = (int)i;
	}
}

static int
value_of(const char *text)
{
	if (2 * values_count > values_mask)
		rehash();
	size_t at = hash_text(text) & values_mask;
	for (; values_at[at]; at = (at + 1) & values_mask)
		if (strcmp(values[values_at[at]], text) == 0)
			return values_at[at];
	values = grow(values, values_count, &values_room, sizeof *values);
	values[values_count] = strdup(text);
	values_at[at] = (int)values_count;
	return (int)values_count++;
}

/* ------------------------------------------------------------- reading */

_Noreturn static void
bad_line(unsigned long line, const char *why)
{
	errx(UNDECIDED, "line %lu: %s", line, why);
}

static uint64_t
number(const char *word, unsigned long line)
{
	char *end;
	uint64_t n = strtoull(word, &end, 10);
	if (word[0] < '0' || word[0] > '9' || *end)
		bad_line(line, "a time is a number");
	return n;
}

/* NAME, what, arguments. */
static const struct {
	const char *name;
	enum what what;
	int args;
} kinds[] = {{"put", PUT, 1}, {"get", GET, 0}, {"del", DEL, 0}, {"cas", CAS, 2}, {"incr", INCR, 0}};

static void
read_result(struct op *op, char **words, int count)
{
	bool valued = op->what == GET || op->what == INCR;
	if (op->end == UINT64_MAX) {
		if (count > 0)
			bad_line(op->line, "a result, and no end");
		op->result = UNKNOWN;
	} else if (count == (valued ? 2 : 1) && strcmp(words[0], "ok") == 0) {
		op->result = OK;
		op->value = valued ? value_of(words[1]) : 0;
	} else if (count == 1 && strcmp(words[0], "none") == 0 && op->what != PUT &&
		   op->what != INCR) {
		op->result = NONE;
	} else if (count == 2 && strcmp(words[0], "is") == 0 && op->what == CAS) {
		op->result = IS;
		op->value = value_of(words[1]);
	} else {
		bad_line(op->line, "not a result of this operation");
	}
}

static void
read_op(char **words, int count, unsigned long line)
{
	struct op op = {.line = line, .hash = mix(line)};
	size_t kind = 0;
	if (count < 4)
		bad_line(line, "START END KEY OPERATION RESULT is expected");
	op.start = number(words[0], line);
	op.end = strcmp(words[1], "-") == 0 ? UINT64_MAX : number(words[1], line);
	if (op.end < op.start)
		bad_line(line, "it ends before it starts");
	while (kind < sizeof kinds / sizeof *kinds && strcmp(kinds[kind].name, words[3]) != 0)
		kind++;
	if (kind == sizeof kinds / sizeof *kinds || count < 4 + kinds[kind].args)
		bad_line(line, "not an operation");
	op.what = kinds[kind].what;
	if (kinds[kind].args > 0)
		op.arg = value_of(words[4]);
	if (kinds[kind].args > 1)
		op.arg_new = value_of(words[5]);
	read_result(&op, words + 4 + kinds[kind].args, count - 4 - kinds[kind].args);
	known += op.result != UNKNOWN;
	/* A read that nobody has seen tells nothing. */
	if (op.result == UNKNOWN && op.what == GET)
		return;
	op.key = strdup(words[2]);
	ops = grow(ops, ops_count, &ops_room, sizeof *ops);
	ops[ops_count++] = op;
}

static void
read_history(FILE *file)
{
	char *line = NULL, *words[WORDS_MAX];
	size_t room = 0;
	for (unsigned long number_of = 1; getline(&line, &room, file) >= 0; number_of++) {
		int count = 0;
		for (char *word = strtok(line, " \n"); word && count < WORDS_MAX;
		     word = strtok(NULL, " \n"))
			words[count++] = word;
		if (count > 0 && words[0][0] != '#')
			read_op(words, count, number_of);
	}
	if (ferror(file))
		err(UNDECIDED, "the history cannot be read");
	free(line);
}

/* ----------------------------------------------------------- the register */

static int
incremented(int state)
{
	char text[24];
	char *end = text;
	int64_t n = state ? strtoll(values[state], &end, 10) : 0;
	if (state && *end)
		return -1;
	snprintf(text, sizeof text, "%" PRId64, n + 1);
	return value_of(text);
}

/* What the operation makes of the state; false: it cannot have had this result there. */
static bool
step(const struct op *op, int state, int *next)
{
	bool unknown = op->result == UNKNOWN;
	*next = state;
	switch (op->what) {
	case PUT:
		*next = op->arg;
		return true;
	case GET:
		return state == (op->result == OK ? op->value : 0);
	case DEL:
		*next = 0;
		return unknown || (op->result == OK) == (state != 0);
	case CAS:
		if (state == op->arg)
			*next = op->arg_new;
		if (op->result == OK)
			return state == op->arg;
		if (op->result == NONE)
			return state == 0;
		return unknown || (state == op->value && state != op->arg);
	default:
		*next = incremented(state);
		if (*next < 0 && unknown)
			*next = state; /* it was refused */
		return unknown || *next == op->value;
	}
}

/* ------------------------------------------------------------- the search */

/* The beginning and the end of an operation, in order of time; unknown ones have no end. */
struct event {
	size_t op;
	bool is_end;
	uint64_t at;
	struct event *before, *after;
	struct event *end; /* of a beginning; NULL: unknown */
};

struct tried {
	int state;
	uint64_t set[];
};

struct search {
	const struct op *ops;
	size_t count, words;
	struct event *events, head;
	uint64_t *taken; /* a set of operations */
	uint64_t taken_hash;
	struct tried **table;
	size_t table_mask, table_count, memory;
	struct event **stack;
	int *states;
	size_t depth, depth_max, known_left;
	const struct event *stuck; /* the end that could not be passed, at the deepest */
};

static int
by_time(const void *a, const void *b)
{
	const struct event *x = a, *y = b;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	/* At the same time: they overlap. */
	if (x->is_end != y->is_end)
		return x->is_end ? 1 : -1;
	return x->op < y->op ? -1 : x->op > y->op;
}

static void *
zeroed(size_t count, size_t size)
{
	void *memory = calloc(count + 1, size);
	if (memory == NULL)
		err(UNDECIDED, NULL);
	return memory;
}

static void
search_init(struct search *search, const struct op *of, size_t count)
{
	*search =
	    (struct search){.ops = of, .count = count, .words = count / 64 + 1, .table_mask = 1023};
	struct event **begins = zeroed(count, sizeof *begins);
	size_t events = 0;
	search->events = zeroed(2 * count, sizeof *search->events);
	search->taken = zeroed(search->words, sizeof *search->taken);
	search->table = zeroed(search->table_mask + 1, sizeof *search->table);
	search->stack = zeroed(count, sizeof *search->stack);
	search->states = zeroed(count, sizeof *search->states);
	for (size_t i = 0; i < count; i++) {
		search->events[events++] = (struct event){.op = i, .at = of[i].start};
		if (of[i].result == UNKNOWN)
			continue;
		search->events[events++] = (struct event){.op = i, .is_end = true, .at = of[i].end};
		search->known_left++;
	}
	qsort(search->events, events, sizeof *search->events, by_time);
	struct event *last = &search->head;
	for (size_t i = 0; i < events; i++) {
		struct event *event = &search->events[i];
		event->before = last;
		last->after = event;
		last = event;
		if (!event->is_end)
			begins[event->op] = event;
		else
			begins[event->op]->end = event;
	}
	free(begins);
}

static void
search_free(struct search *search)
{
	for (size_t i = 0; i <= search->table_mask; i++)
		free(search->table[i]);
	free(search->events);
	free(search->taken);
	free(search->table);
	free(search->stack);
	free(search->states);
}

static void
flip(struct search *search, size_t op)
{
	search->taken[op / 64] ^= (uint64_t)1 << (op % 64);
	search->taken_hash ^= search->ops[op].hash;
}

static uint64_t
hash_of_set(const struct search *search, const uint64_t *set)
{
	uint64_t hash = 0;
	for (size_t i = 0; i < search->count; i++)
		if (set[i / 64] >> (i % 64) & 1)
			hash ^= search->ops[i].hash;
	return hash;
}

static void
table_put(struct search *search, struct tried *tried, uint64_t hash)
{
	size_t at = mix(hash ^ mix((uint64_t)tried->state)) & search->table_mask;
	while (search->table[at])
		at = (at + 1) & search->table_mask;
	search->table[at] = tried;
}

static void
table_grow(struct search *search)
{
	struct tried **old = search->table;
	size_t old_mask = search->table_mask;
	search->table_mask = 2 * old_mask + 1;
	search->table = zeroed(search->table_mask + 1, sizeof *search->table);
	for (size_t i = 0; i <= old_mask; i++)
		if (old[i])
			table_put(search, old[i], hash_of_set(search, old[i]->set));
	free(old);
}

/* Whether what is taken has not been tried with this state; from now on it has. */
static bool
is_new(struct search *search, int state)
{
	size_t size = search->words * sizeof(uint64_t);
	size_t at = mix(search->taken_hash ^ mix((uint64_t)state)) & search->table_mask;
	for (; search->table[at]; at = (at + 1) & search->table_mask)
		if (search->table[at]->state == state &&
		    memcmp(search->table[at]->set, search->taken, size) == 0)
			return false;
	struct tried *tried = malloc(sizeof *tried + size);
	if (tried == NULL)
		err(UNDECIDED, NULL);
	tried->state = state;
	memcpy(tried->set, search->taken, size);
	table_put(search, tried, search->taken_hash);
	search->memory += sizeof *tried + size + 2 * sizeof tried;
	if (++search->table_count > search->table_mask / 2)
		table_grow(search);
	return true;
}

static void
lift_event(struct event *event)
{
	event->before->after = event->after;
	if (event->after)
		event->after->before = event->before;
}

static void
unlift_event(struct event *event)
{
	event->before->after = event;
	if (event->after)
		event->after->before = event;
}

static void
take(struct search *search, struct event *event, int state)
{
	search->stack[search->depth] = event;
	search->states[search->depth++] = state;
	lift_event(event);
	if (event->end) {
		lift_event(event->end);
		search->known_left--;
	}
}

/* Undoes the newest; what to look at next is what stands behind it. */
static struct event *
untake(struct search *search, int *state)
{
	struct event *event = search->stack[--search->depth];
	*state = search->states[search->depth];
	if (event->end) {
		unlift_event(event->end);
		search->known_left++;
	}
	unlift_event(event);
	flip(search, event->op);
	return event->after;
}

/* 0: linearizable. */
static int
search_run(struct search *search)
{
	struct event *event = search->head.after;
	int state = 0, next;
	while (search->known_left > 0) {
		if (event == NULL || event->is_end) {
			/* This one would have to be taken, and nothing has led there. */
			if (search->depth >= search->depth_max) {
				search->depth_max = search->depth;
				search->stuck = event;
			}
			if (search->depth == 0)
				return BAD;
			event = untake(search, &state);
			continue;
		}
		if (step(&search->ops[event->op], state, &next)) {
			flip(search, event->op);
			if (is_new(search, next)) {
				take(search, event, state);
				state = next;
				event = search->head.after;
				continue;
			}
			flip(search, event->op);
		}
		event = event->after;
		if (search->memory > MEMORY_MAX)
			return UNDECIDED;
	}
	return 0;
}

static int
check_key(const struct op *of, size_t count)
{
	struct search search;
	search_init(&search, of, count);
	int status = search_run(&search);
	if (status == BAD)
		printf("key %s: not linearizable: of %zu operations %zu could be placed, and not "
		       "that of line %lu\n",
		    of->key, count, search.depth_max, search.stuck ? of[search.stuck->op].line : 0);
	else if (status == UNDECIDED)
		printf("key %s: undecided: the search outgrew its memory after %zu states\n",
		    of->key, search.table_count);
	search_free(&search);
	return status;
}

static int
by_key(const void *a, const void *b)
{
	const struct op *x = a, *y = b;
	int order = strcmp(x->key, y->key);
	if (order != 0)
		return order;
	return x->line < y->line ? -1 : x->line > y->line;
}

int
main(int argc, char **argv)
{
	size_t known_min = 0, keys = 0;
	int status = 0;
	FILE *file = stdin;
	for (int opt; (opt = getopt(argc, argv, "m:")) != -1;) {
		if (opt != 'm')
			errx(UNDECIDED, "usage: lincheck [-m COUNT] [FILE]");
		known_min = strtoull(optarg, NULL, 10);
	}
	if (optind < argc && (file = fopen(argv[optind], "r")) == NULL)
		err(UNDECIDED, "%s", argv[optind]);
	read_history(file);
	qsort(ops, ops_count, sizeof *ops, by_key);
	for (size_t from = 0, to; from < ops_count; from = to) {
		for (to = from + 1; to < ops_count && strcmp(ops[from].key, ops[to].key) == 0;)
			to++;
		int found = check_key(ops + from, to - from);
		if (status != BAD && found != 0)
			status = found;
		keys++;
	}
	printf("%zu operations with a known outcome, %zu without, %zu keys\n", known,
	    ops_count - known, keys);
	if (known < known_min) {
		printf("fewer than %zu operations with a known outcome: this proves nothing\n",
		    known_min);
		return UNDECIDED;
	}
	return status;
}
