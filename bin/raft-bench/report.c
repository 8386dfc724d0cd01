/* SPDX-License-Identifier: ISC */
/* The figures are made once, as words; logfmt and JSON differ in what is put around them. */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "raft/types.h"

enum { FIGURES_MAX = 24, BAR_MAX = 30 };

enum figure_type {
	FIGURE_NUMBER,
	FIGURE_WORD,
	FIGURE_FLAG /* "yes" or "no"; in JSON a boolean */
};

struct figure {
	const char *key;
	char text[32];
	enum figure_type type;
};

struct figures {
	size_t count;
	struct figure all[FIGURES_MAX];
};

static struct figure *
figures_add(struct figures *figures, const char *key, enum figure_type type)
{
	must(figures->count < FIGURES_MAX);
	struct figure *figure = &figures->all[figures->count++];
	figure->key = key;
	figure->type = type;
	return figure;
}

static void
figures_u64(struct figures *figures, const char *key, uint64_t value)
{
	struct figure *figure = figures_add(figures, key, FIGURE_NUMBER);
	snprintf(figure->text, sizeof figure->text, "%" PRIu64, value);
}

static void
figures_real(struct figures *figures, const char *key, int digits, double value)
{
	struct figure *figure = figures_add(figures, key, FIGURE_NUMBER);
	snprintf(figure->text, sizeof figure->text, "%.*f", digits, value);
}

static void
figures_word(struct figures *figures, const char *key, const char *word)
{
	struct figure *figure = figures_add(figures, key, FIGURE_WORD);
	snprintf(figure->text, sizeof figure->text, "%s", word);
}

static void
figures_flag(struct figures *figures, const char *key, bool value)
{
	struct figure *figure = figures_add(figures, key, FIGURE_FLAG);
	snprintf(figure->text, sizeof figure->text, "%s", value ? "yes" : "no");
}

static void
figures_make(struct figures *figures, const struct report *report)
{
	const struct histogram *latency = report->latency;
	figures_u64(figures, "ops", latency->count);
	figures_real(figures, "seconds", 3, report->seconds);
	figures_real(figures, "ops_per_s", 0, (double)latency->count / report->seconds);
	figures_u64(figures, "p50_us", histogram_quantile(latency, 50, 100));
	figures_u64(figures, "p99_us", histogram_quantile(latency, 99, 100));
	figures_u64(figures, "max_us", latency->most);
	figures_u64(figures, "p90_us", histogram_quantile(latency, 90, 100));
	figures_u64(figures, "p999_us", histogram_quantile(latency, 999, 1000));
	figures_u64(figures, "min_us", latency->least);
	figures_u64(figures, "mean_us", histogram_mean(latency));
	figures_word(figures, "what", report->what);
	figures_u64(figures, "nodes", report->nodes);
	figures_u64(figures, "connections", report->connections);
	figures_u64(figures, "in_flight", report->in_flight);
	figures_u64(figures, "bytes", report->bytes);
	figures_u64(figures, "refused", report->refused);
	figures_u64(figures, "unknown", report->unknown);
	if (report->rate == 0)
		return;
	figures_u64(figures, "rate", report->rate);
	figures_u64(figures, "late", report->late);
	figures_flag(figures, "held", report->held);
}

/* A row of at most 80 columns. */
static void
put_row(struct wire_buf *out, const struct histogram_row *row, uint64_t most, uint64_t below,
    uint64_t all)
{
	int bar = (int)((row->count * BAR_MAX + most - 1) / most);
	wire_buf_printf(out, "%10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %6.2f %6.2f  %.*s\n",
	    row->from, row->to, row->count, 100 * (double)row->count / (double)all,
	    100 * (double)below / (double)all, bar, "##############################");
}

static void
put_histogram(struct wire_buf *out, const struct histogram *latency)
{
	struct histogram_row row = {0};
	uint64_t most = 0, below = 0;
	while (histogram_next(latency, &row))
		most = row.count > most ? row.count : most;
	wire_buf_printf(out, "%10s %10s %10s %6s %6s\n", "from_us", "below_us", "ops", "%", "sum%");
	row = (struct histogram_row){0};
	while (histogram_next(latency, &row)) {
		below += row.count;
		put_row(out, &row, most, below, latency->count);
	}
}

static void
put_histogram_json(struct wire_buf *out, const struct histogram *latency)
{
	struct histogram_row row = {0};
	const char *comma = "";
	wire_buf_printf(out, ",\"histogram\":[");
	while (histogram_next(latency, &row)) {
		wire_buf_printf(out,
		    "%s{\"from_us\":%" PRIu64 ",\"below_us\":%" PRIu64 ",\"ops\":%" PRIu64 "}",
		    comma, row.from, row.to, row.count);
		comma = ",";
	}
	wire_buf_printf(out, "]");
}

static void
put_json(struct wire_buf *out, const struct figures *figures)
{
	for (size_t i = 0; i < figures->count; i++) {
		const struct figure *figure = &figures->all[i];
		const char *quote = figure->type == FIGURE_WORD ? "\"" : "", *text = figure->text;
		if (figure->type == FIGURE_FLAG)
			text = strcmp(text, "yes") == 0 ? "true" : "false";
		wire_buf_printf(
		    out, "%c\"%s\":%s%s%s", i > 0 ? ',' : '{', figure->key, quote, text, quote);
	}
}

static void
put_logfmt(struct wire_buf *out, const struct figures *figures)
{
	for (size_t i = 0; i < figures->count; i++)
		wire_buf_printf(
		    out, "%s%s=%s", i > 0 ? " " : "", figures->all[i].key, figures->all[i].text);
}

void
report_put(struct wire_buf *out, const struct report *report, bool json, bool histogram)
{
	struct figures figures = {0};
	figures_make(&figures, report);
	if (json) {
		put_json(out, &figures);
		if (histogram)
			put_histogram_json(out, report->latency);
		wire_buf_printf(out, "}\n");
		return;
	}
	if (histogram)
		put_histogram(out, report->latency);
	put_logfmt(out, &figures);
	wire_buf_printf(out, "\n");
}
