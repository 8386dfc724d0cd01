/* SPDX-License-Identifier: ISC */
/*
 * Scenario files: commands, a line `---`, and the end as it must be.
 *
 * The first line is a comment: the sentence that the scenario proves.  The end
 * is written by --update, read by a person, and compared from then on.
 */
#include "scenario.h"

#include "etcd.h"
#include "sim.h"
#include "story.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
end_log(FILE *out, const struct node *node)
{
	fprintf(out, "n%d", node->number + 1);
	if (node->disk.cut > 0)
		fprintf(out, " [snapshot of %" PRIu64 "]", node->disk.cut);
	for (uint64_t index = node->disk.cut + 1; index <= node->disk.rows.last; index++) {
		const struct raft_entry *entry = &slog_at(&node->disk.rows, index)->entry;

		if (entry->kind == RAFT_CLIENT)
			fprintf(out, " %" PRIu32 "/%" PRIu64, session_number(&entry->session),
			    entry->serial);
		else
			fprintf(out, " %s", raft_kind_name(entry->kind));
	}
	fprintf(out, "%s\n", node->disk.recovering ? " recovering" : "");
}

/*
 * What a reader can check by thought: the stored logs (session/serial) and what clients were told.
 */
static void
end_print(FILE *out, const struct sim *sim)
{
	for (size_t i = 0; i < sim->nodes_count; i++)
		end_log(out, &sim->nodes[i]);
	for (size_t i = 1; i < sim->clients.attempts_count; i++) {
		const struct attempt *attempt = &sim->clients.attempts[i];

		fprintf(out, "proposal %zu ", i);
		if (attempt->answered == 0)
			fprintf(out, "has no answer\n");
		else if (attempt->answer.verdict == RAFT_COMMITTED &&
			 attempt->kind == ATTEMPT_TRANSFER)
			fprintf(out, "transferred term=%" PRIu64 "\n", attempt->answer.pos.term);
		else if (attempt->answer.verdict == RAFT_COMMITTED)
			fprintf(out, "committed index=%" PRIu64 "\n", attempt->answer.pos.index);
		else
			fprintf(out, "%s: %s\n", raft_verdict_text(attempt->answer.verdict),
			    raft_reason_text(attempt->answer.reason));
	}
	for (size_t i = 1; i < sim->clients.reads_count; i++) {
		const struct client_read *read = &sim->clients.reads[i];

		if (read->answered && read->ok)
			fprintf(out, "read %zu index=%" PRIu64 "\n", i, read->index);
		else
			fprintf(
			    out, "read %zu %s\n", i, read->answered ? "refused" : "has no answer");
	}
}

/* The commands up to `---`; what follows them is the end that is expected. */
static bool
commands_run(struct story *story, char *text, char **end)
{
	char *line = text;

	*end = NULL;
	while (line != NULL && *line != '\0') {
		char *next = strchr(line, '\n');

		if (next != NULL)
			*next++ = '\0';
		story->sim->line++;
		if (strcmp(line, "---") == 0) {
			*end = next;
			break;
		}
		if (!story_line(story, line)) {
			fprintf(stderr, "%s:%u: %s\n", story->sim->scenario, story->sim->line,
			    story->wrong);
			return false;
		}
		line = next;
	}
	story_begin(story);
	return true;
}

static char *
file_read(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	if (file == NULL || getdelim(&text, &size, '\0', file) < 0) {
		fprintf(stderr, "sim: %s: %s\n", path, errno != 0 ? strerror(errno) : "is empty");
		free(text);
		text = NULL;
	}
	if (file != NULL)
		fclose(file);
	return text;
}

/* The commands stay, the end is replaced. */
static bool
file_update(const char *path, const char *end)
{
	char *text = file_read(path);
	char *mark = text == NULL ? NULL : strstr(text, "\n---\n");
	FILE *file = text == NULL ? NULL : fopen(path, "w");

	if (file == NULL)
		return false;
	if (mark != NULL)
		mark[1] = '\0';
	fprintf(file, "%s---\n%s", text, end);
	free(text);
	return fclose(file) == 0;
}

static bool
end_compare(const struct sim *sim, const char *wanted, const char *is)
{
	if (wanted != NULL && strcmp(wanted, is) == 0)
		return true;
	fprintf(stderr, "%s ends otherwise than it should:\n%s--- but this way:\n%s", sim->scenario,
	    wanted == NULL ? "(no end is given)\n" : wanted, is);
	return false;
}

static bool
scenario_run(struct sim *sim, const char *path, char *text, bool update)
{
	struct story story;
	char *wanted;
	char *is = NULL;
	size_t size = 0;
	FILE *out;
	bool good;

	sim_set_current(sim);
	sim->scenario = path;
	rng_seed(&sim->rng, 1);
	story_init(&story, sim);
	good = commands_run(&story, text, &wanted);
	out = open_memstream(&is, &size);
	must(out != NULL);
	end_print(out, sim);
	fclose(out);
	if (good)
		good = update ? file_update(path, is) : end_compare(sim, wanted, is);
	free(is);
	sim_end(sim);
	sim_set_current(NULL);
	return good;
}

int
scenario_files(char **files, enum trace_form trace, bool update)
{
	int status = 0;

	if (*files == NULL)
		return 64;
	for (; *files != NULL; files++) {
		struct sim *sim = calloc(1, sizeof *sim);
		char *text = file_read(*files);

		must(sim != NULL);
		sim->trace.print = trace == TRACE_LINES;
		if (trace == TRACE_ETCD)
			sim->trace.etcd = etcd_new(stdout);
		if (text == NULL || !scenario_run(sim, *files, text, update))
			status = 1;
		free(text);
		etcd_free(sim->trace.etcd);
		free(sim);
	}
	return status;
}
