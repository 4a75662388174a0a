package meta

import (
	"fmt"
	"strings"
	"unicode"
)

// SnakeCase gives the column name of a field without a tag: CustomerID becomes
// customer_id, HTTPStatus http_status.
func SnakeCase(name string) string {
	var b strings.Builder
	rs := []rune(name)
	for i, r := range rs {
		if unicode.IsUpper(r) && i > 0 {
			startsWord := !unicode.IsUpper(rs[i-1]) || (i+1 < len(rs) && unicode.IsLower(rs[i+1]))
			if startsWord && rs[i-1] != '_' {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// Quote returns name as a quoted SQL identifier.
func Quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// maxIdent is the longest identifier PostgreSQL keeps; it cuts longer ones
// silently, so that two of them could become one.
const maxIdent = 63

// CheckIdent refuses what cannot be an identifier.
func CheckIdent(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("an identifier is empty")
	case strings.ContainsRune(name, 0):
		return fmt.Errorf("identifier %q contains a NUL byte", name)
	case strings.HasPrefix(name, "smrt_"):
		return fmt.Errorf("identifier %q begins with smrt_, as the names do that statements use for themselves", name)
	case len(name) > maxIdent:
		return fmt.Errorf("identifier %q is longer than %d bytes", name, maxIdent)
	}
	return nil
}
