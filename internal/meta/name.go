package meta

import (
	"fmt"
	"strings"
	"unicode"
)

// SnakeCase returns the column name of a field without a tag. Capitals in a row are
// one word: CustomerID is customer_id, HTTPStatus http_status. So is their plural,
// UserIDs being user_ids, and a number belongs to the word before it: SHA256Sum is
// sha256_sum.
func SnakeCase(name string) string {
	var b strings.Builder
	rs := []rune(name)
	for i, r := range rs {
		if i > 0 && unicode.IsUpper(r) && rs[i-1] != '_' && startsWord(rs, i) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// startsWord reports whether the capital at i, which is not the first, begins a word.
func startsWord(rs []rune, i int) bool {
	if !unicode.IsUpper(rs[i-1]) {
		return true
	}
	rest := rs[i+1:]
	if len(rest) == 0 || !unicode.IsLower(rest[0]) {
		return false
	}
	plural := rest[0] == 's' && (len(rest) == 1 || !unicode.IsLower(rest[1]))
	return !plural && !mixed(rs[:i+1], rest)
}

// mixed reports whether the word that ends with done and goes on with rest is one
// of those whose capitals say nothing of where a word begins.
func mixed(done, rest []rune) bool {
	for _, word := range []struct{ capitals, rest string }{{"OA", "uth"}, {"IP", "v4"}, {"IP", "v6"}} {
		if strings.HasSuffix(string(done), word.capitals) && strings.HasPrefix(string(rest), word.rest) {
			return true
		}
	}
	return false
}

// Quote returns name as a quoted SQL identifier.
func Quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// maxIdent is the longest identifier PostgreSQL keeps; it cuts longer ones
// silently, so that two of them could become one.
const maxIdent = 63

// quoted reports whether a name is in quotes already.
func quoted(name string) bool {
	return len(name) > 1 && strings.HasPrefix(name, `"`) && strings.HasSuffix(name, `"`)
}

// CheckIdent refuses what cannot be an identifier.
func CheckIdent(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("an identifier is empty")
	case strings.ContainsRune(name, 0):
		return fmt.Errorf("identifier %q contains a NUL byte", name)
	case quoted(name):
		return fmt.Errorf("identifier %q brings its own quotes: leave them out, names are quoted in statements", name)
	case strings.HasPrefix(name, "smrt_"):
		return fmt.Errorf("identifier %q begins with smrt_, as the names do that statements use for themselves", name)
	case len(name) > maxIdent:
		return fmt.Errorf("identifier %q is longer than %d bytes", name, maxIdent)
	}
	return nil
}
