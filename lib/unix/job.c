/* SPDX-License-Identifier: ISC */
/* One thread per job. */
#include "job.h"

#include <errno.h>
#include <stdlib.h>

#include "log.h"

struct job {
	uv_async_t over;
	uv_thread_t thread;
	bool threaded;
	void (*work)(void *arg);
	void (*done)(void *arg);
	void *arg;
};

static void
job_run(void *arg)
{
	struct job *job = arg;
	job->work(job->arg);
	uv_async_send(&job->over);
}

static void
job_on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
job_on_over(uv_async_t *over)
{
	struct job *job = over->data;
	if (job->threaded)
		uv_thread_join(&job->thread);
	uv_close((uv_handle_t *)over, job_on_closed);
	job->done(job->arg);
}

bool
job_start(struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg, bool here)
{
	struct job *job = calloc(1, sizeof *job);
	must(job != NULL);
	*job = (struct job){.work = work, .done = done, .arg = arg};
	must(uv_async_init(loop_uv(loop), &job->over, job_on_over) == 0);
	job->over.data = job;
	int error = uv_thread_create(&job->thread, job_run, job);
	job->threaded = error == 0;
	if (error == 0)
		return true;
	if (here) {
		log_warn("thread", "why=%s", log_q(uv_strerror(error)));
		job_run(job);
		return true;
	}
	uv_close((uv_handle_t *)&job->over, job_on_closed);
	errno = -error;
	return false;
}
