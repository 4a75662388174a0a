package pool

// Scan tells what a text of SQL is known for.
func Scan(sql string) (leaves, hears, once, binds bool, feature string) {
	return ScanEscaped(sql, false)
}

// ScanEscaped does so where a backslash may escape a quote.
func ScanEscaped(sql string, escapes bool) (leaves, hears, once, binds bool, feature string) {
	v := scan(sql, escapes)
	return v.trait&leavesTrait != 0, v.trait&hearsTrait != 0, v.trait&onceTrait != 0, v.trait&bindsTrait != 0, v.feature
}

const leavesTrait, hearsTrait, onceTrait, bindsTrait = leaves, hears, once, binds
