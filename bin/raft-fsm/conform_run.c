/* SPDX-License-Identifier: ISC */
/* A run of --conform: a process that does what --try does and records what comes. */
#include "conform.h"

#include <err.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/framing.h"
#include "unix/exit.h"
#include "unix/signals.h"
#include "try_run.h"

enum { WALK_DEPTH = 16, SIGNAL_BASE = 128 };

/* ------- folders --------------------------------------------------------------- */

static char conform_root[CONFORM_PATH_MAX];
static pid_t conform_owner; /* the process of a run does not remove it */

static int
conform_on_file(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

static void
conform_remove(const char *folder)
{
	if (nftw(folder, conform_on_file, WALK_DEPTH, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
		warn("%s: cannot be removed", folder);
}

/* A folder in that of this run. */
static void
conform_folder(struct conform *c, char path[CONFORM_PATH_MAX], const char *kind)
{
	int size =
	    snprintf(path, CONFORM_PATH_MAX, "%s/%s-%u", c->folder, kind, ++c->folders_count);
	must(size > 0 && size < CONFORM_PATH_MAX);
	if (mkdir(path, 0700) < 0)
		err(EXIT_OS, "%s", path);
}

void
conform_place(struct conform *c, char path[CONFORM_PATH_MAX])
{
	conform_folder(c, path, "snapshot");
	strcat(path, "/file");
}

static void
conform_on_exit(void)
{
	if (getpid() == conform_owner)
		conform_remove(conform_root);
}

void
conform_root_new(struct conform *c)
{
	const char *temporary = getenv("TMPDIR");
	int size = snprintf(c->folder, sizeof c->folder, "%s/raft-try.XXXXXX",
	    temporary && temporary[0] == '/' ? temporary : "/tmp");
	if (size >= CONFORM_PATH_MAX - CONFORM_NAME_MAX)
		errx(EXIT_USAGE, "$TMPDIR is too long");
	if (!c->netstring && framing_line_unfit(wire_text(c->folder)))
		errx(EXIT_USAGE, "$TMPDIR holds a newline");
	if (mkdtemp(c->folder) == NULL)
		err(EXIT_OS, "%s", c->folder);
	conform_owner = getpid();
	strcpy(conform_root, c->folder);
	atexit(conform_on_exit);
}

void
state_new(struct conform *c, struct state *state, const char *node)
{
	*state = (struct state){.node = node};
	conform_folder(c, state->folder, node);
}

void
state_free(struct state *state)
{
	conform_remove(state->folder);
}

/* ------- the process ------------------------------------------------------------ */

/* A new string: {} in the word is the folder. */
static char *
conform_word(const char *word, const char *folder)
{
	struct wire_buf text = {0};
	for (const char *at; (at = strstr(word, "{}")); word = at + 2) {
		wire_buf_put(&text, word, (size_t)(at - word));
		wire_buf_put(&text, folder, strlen(folder));
	}
	wire_buf_put(&text, word, strlen(word) + 1);
	return (char *)text.bytes;
}

static char **
conform_command(char **command, const char *folder)
{
	size_t count = 0;
	while (command[count])
		count++;
	char **words = calloc(count + 1, sizeof *words);
	must(words != NULL);
	for (size_t i = 0; i < count; i++)
		words[i] = conform_word(command[i], folder);
	return words;
}

/* In the new process. */
_Noreturn static void
conform_try(struct conform *c, const struct state *state, const struct trial_run *run)
{
	static struct conf conf;
	conf = *c->conf;
	conf.node.run = c->folder; /* for the lock */
	raft_id_parse(&conf.node.id, state->node);
	setenv("RAFT_NODE", state->node, 1);
	setenv("RAFT_TRY_DIR", state->folder, 1);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signals_unblock();
	try_run(&conf, &run->trial, conform_command(c->command, state->folder));
}

/* A signal to us is passed on, and ends us when the process has ended. */
static int
conform_wait(pid_t pid)
{
	static const int numbers[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP};
	int status, number, ending = 0;
	sigset_t set;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		sigaddset(&set, numbers[i]);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (sigwait(&set, &number) == 0 && number != SIGCHLD) {
			ending = number;
			kill(pid, SIGTERM);
		}
	}
	if (ending == 0 && WIFSIGNALED(status))
		ending = WTERMSIG(status);
	if (ending)
		exit(SIGNAL_BASE + ending);
	return WEXITSTATUS(status);
}

/* One that cannot be run ends this process. */
static void
conform_fork(struct conform *c, const struct state *state, const struct trial_run *run)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid < 0)
		err(EXIT_OS, "no process");
	if (pid == 0)
		conform_try(c, state, run);
	int status = conform_wait(pid);
	if (status != EXIT_OK && status != EXIT_DATA)
		exit(status); /* it has printed why */
}

/* ------- a run -------------------------------------------------------------------- */

/* What a run needs of its history. */
static void
conform_fill(struct trial_run *run, FILE *file)
{
	struct trial *trial = &run->trial;
	trial->record = file;
	trial->entries = run->history->entries;
	trial->entries_count = run->count;
	trial->queries_count = run->queries ? run->history->queries_count : 0;
	memcpy(trial->queries, run->history->queries, sizeof trial->queries);
}

bool
conform_run_once(struct conform *c, struct state *state, struct trial_run *run)
{
	char path[CONFORM_PATH_MAX + CONFORM_NAME_MAX];
	snprintf(path, sizeof path, "%s/record", c->folder);
	FILE *file = fopen(path, "w+e");
	if (file == NULL)
		err(EXIT_OS, "%s", path);
	conform_fill(run, file);
	conform_fork(c, state, run);
	rewind(file);
	bool good = conform_judge(c, state, run, file);
	fclose(file);
	return good;
}
