# SPDX-License-Identifier: ISC
# The rows of t/bench/peers as a table of 80 columns: medians, and the median of the ratios within each round.

function column(name, what,	n, i) {
	n = 0
	for (i = 1; i <= counts[what]; i++)
		if (values[name, what, i] != "-")
			list[++n] = values[name, what, i] + 0
	return n == 0 ? "-" : number(median(list, n))
}

{
	what = between($0, "what=\"", "\"")
	if (!(what in counts))
		rows[++rows_count] = what
	n = ++counts[what]
	units[what] = between($0, "unit=", " ")
	goals[what] = between($0, "goal=\"", "\"")
	values["ours", what, n] = between($0, "ours=", " ")
	values["etcd", what, n] = between($0, "etcd=", " ")
	values["hashicorp", what, n] = between($0, "hashicorp=", " ")
	values["ratio", what, n] = values["ours", what, n] / values["etcd", what, n]
}

END {
	print title
	print "fdatasync after 4 KiB: p50 " between(disk, "p50_us=", " ") " us, p99 " between(disk, "p99_us=", " ") " us"
	printf "\n%-34s %10s %8s %9s %7s %7s\n", "medians of " rounds, "raft-tools", "etcd", "hashicorp", "of etcd", "goal"
	for (i = 1; i <= rows_count; i++) {
		what = rows[i]
		printf "%-30s %-3s %10s %8s %9s %7s %7s\n", what, units[what], column("ours", what), column("etcd", what),
			column("hashicorp", what), column("ratio", what), goals[what]
	}
}
