# SPDX-License-Identifier: ISC
# Shared by the tables: values of logfmt lines, numbers, medians.

function between(line, before, after,	i) {
	i = index(line, before)
	line = substr(line, i + length(before))
	return substr(line, 1, index(line after, after) - 1)
}

# Three digits that count.
function number(v) {
	return v >= 100 || v == int(v) ? sprintf("%.0f", v) : v >= 10 ? sprintf("%.1f", v) : sprintf("%.2f", v)
}

function sort(list, count,	i, j, v) {
	for (i = 2; i <= count; i++) {
		v = list[i]
		for (j = i - 1; j > 0 && list[j] > v; j--)
			list[j + 1] = list[j]
		list[j + 1] = v
	}
}

function median(list, count) {
	sort(list, count)
	return count % 2 ? list[(count + 1) / 2] : (list[count / 2] + list[count / 2 + 1]) / 2
}
