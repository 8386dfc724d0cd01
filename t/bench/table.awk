# SPDX-License-Identifier: ISC
# The figures of a file, lines of group="" what="" unit= value=, as a table of 80 columns.

{
	group = between($0, "group=\"", "\"")
	key = group SUBSEP between($0, "what=\"", "\"") SUBSEP between($0, "unit=", " ")
	if (!(group in rows))
		groups[++groups_count] = group
	if (!(key in counts))
		keys[group, ++rows[group]] = key
	values[key, ++counts[key]] = between($0, "value=", " ") + 0
}

function row(key,	k, n, j, list, middle) {
	split(key, k, SUBSEP)
	n = counts[key]
	for (j = 1; j <= n; j++)
		list[j] = values[key, j]
	middle = median(list, n)
	printf "  %-38s %-8s %9s %9s %9s\n", k[2], k[3], number(middle), number(list[1]), number(list[n])
}

END {
	print title
	for (g = 1; g <= groups_count; g++) {
		printf "\n%-40s %-8s %9s %9s %9s\n", groups[g], "unit", "median", "lowest", "highest"
		for (r = 1; r <= rows[groups[g]]; r++)
			row(keys[groups[g], r])
	}
}
