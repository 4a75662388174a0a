package gen

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// initialisms are words that Go writes in capitals.
var initialisms = strings.Fields(`ACL API ASCII CPU CSS CSV DNS EOF GUID HTML HTTP HTTPS ID IP JSON JWT OS PDF QPS RAM RPC SKU SLA
	SMTP SQL SSH TCP TLS TTL UDP UI UID URI URL UTF8 UUID VM XML`)

// namer makes names of Go from those of a database.
type namer struct{ capitals []string }

func newNamer(more []string) namer {
	n := namer{slices.Clone(initialisms)}
	for _, word := range more {
		n.capitals = append(n.capitals, strings.ToUpper(word))
	}
	return n
}

// words splits a name at what cannot be part of one in Go.
func words(name string) []string {
	return strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// exported returns the name of Go for a name of a database: order_items is
// OrderItems.
func (n namer) exported(name string) string {
	var b strings.Builder
	for _, word := range words(name) {
		upper := strings.ToUpper(word)
		singular := strings.TrimSuffix(upper, "S")
		switch {
		case slices.Contains(n.capitals, upper):
			b.WriteString(upper)
		case singular != upper && slices.Contains(n.capitals, singular):
			b.WriteString(singular + "s")
		default:
			rs := []rune(word)
			b.WriteString(string(unicode.ToUpper(rs[0])) + string(rs[1:]))
		}
	}
	switch out := b.String(); {
	case out == "":
		return fmt.Sprintf("X%x", name)
	case !unicode.IsUpper([]rune(out)[0]): // a digit, or a letter of an alphabet without capitals
		return "X" + out
	default:
		return out
	}
}

// singular returns the singular of the last word of a name.
func singular(name string) string {
	lower := strings.ToLower(name)
	keep := func(n int) string { return name[:len(name)-n] }
	has := func(endings ...string) bool {
		return slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(lower, e) })
	}
	switch {
	case len(lower) != len(name) || len(name) < 3 || has("ss", "us", "is", "news", "series", "species"):
		return name
	case has("people"):
		return keep(4) + "rson"
	case has("children"):
		return keep(3)
	case has("movies", "cookies"):
		return keep(1)
	case has("ies") && len(name) > 4:
		return keep(3) + "y"
	case has("statuses", "sses", "shes", "ches", "xes", "zzes", "aliases", "buses"):
		return keep(2)
	case has("s"):
		return keep(1)
	}
	return name
}

// structName returns the name of the struct for a row of a table.
func (n namer) structName(table string) string { return n.exported(singular(table)) }

// canonical returns what is the same for a name and its plural, and however its
// words are joined.
func canonical(name string) string {
	ws := words(name)
	for i := range ws {
		ws[i] = strings.ToLower(singular(ws[i]))
	}
	return strings.Join(ws, "")
}

// sameName reports whether a struct is called as a row of a table would be.
func sameName(structure, table string) bool {
	return canonical(snake(structure)) == canonical(table)
}

// joinsNames reports whether the name of a join table consists of the names of
// the tables that it joins.
func joinsNames(join, a, b string) bool {
	j, a, b := canonical(join), canonical(a), canonical(b)
	return j == a+b || j == b+a
}

// withoutKey returns the name of a foreign key's field without the ending that
// says that it is a key: CategoryID is Category.
func withoutKey(field string) string {
	for _, ending := range []string{"ID", "Id", "Key"} {
		if short, ok := strings.CutSuffix(field, ending); ok && short != "" {
			return strings.TrimSuffix(short, "_")
		}
	}
	if field == "ID" || field == "Id" || field == "Key" {
		return ""
	}
	return field
}
