package sqltext

import (
	"fmt"
	"slices"
	"strings"
)

// marker is what a comment begins with that says which tables a statement writes.
const marker = "smrt:writes"

// Declared returns the tables that comments of a text say it writes, without their
// schemas: -- smrt:writes products, "Odd" or the same between /* and */. There are none
// if it has no such comment, which costs little. The error is that of a comment that
// does not name tables.
func Declared(text string) (names []string, err error) {
	if !strings.Contains(text, marker) {
		return nil, nil
	}
	for l := New(text); ; {
		switch t := l.Next(); t.Kind {
		case End, Unclosed:
			return names, nil
		case Comment:
			if list, ok := declaredBy(t.Text); ok {
				if names, err = appendNames(names, list); err != nil {
					return nil, err
				}
			}
		}
	}
}

// declaredBy returns what follows the marker in a comment. A word that only begins like
// it is another one; a colon behind it is a typing error that must not be passed over.
func declaredBy(comment string) (list string, ok bool) {
	inner := strings.TrimSuffix(comment[2:], "*/")
	list, ok = strings.CutPrefix(strings.TrimSpace(inner), marker)
	return list, ok && (list == "" || list[0] == ':' || classes[list[0]]&(letter|digit) == 0)
}

// appendNames reads a list of names to its end: of one that is half understood, a table
// would be left out.
func appendNames(names []string, list string) ([]string, error) {
	tokens := Append(nil, list)
	for i := 0; ; i++ {
		name, next := nameAt(tokens, i)
		if name == "" || next < len(tokens) && !tokens[next].IsMark(",") {
			return nil, fmt.Errorf("%s is followed by names of tables, with commas between them, not by %q", marker, strings.TrimSpace(list))
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		if i = next; i == len(tokens) {
			return names, nil
		}
	}
}

// nameAt returns the name of a table at token i, without its schema, and where it ends;
// "" if there is none.
func nameAt(tokens []Token, i int) (name string, next int) {
	if i >= len(tokens) || !tokens[i].IsName() {
		return "", i
	}
	for i+2 < len(tokens) && tokens[i+1].IsMark(".") && tokens[i+2].IsName() {
		i += 2
	}
	return tokens[i].Name(), i + 1
}

// Written returns the tables that the words of a text say it writes, without their
// schemas: those behind INSERT INTO, UPDATE, DELETE FROM, MERGE INTO, TRUNCATE and COPY,
// wherever they stand. It does not parse: what a function writes it cannot know, and a
// table that has the name of a part of a WITH is taken for that table.
func Written(text string) (names []string) {
	if !mayWrite(text) {
		return nil
	}
	tokens := Append(nil, text)
	for i := range tokens {
		at, list := writes(tokens, i)
		for ; at > 0; list = list && at > 0 {
			for at < len(tokens) && (tokens[at].Is("table") || tokens[at].Is("only")) {
				at++
			}
			name, next := nameAt(tokens, at)
			if name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
			if at = 0; list && next < len(tokens) && tokens[next].IsMark("*") {
				next++
			}
			if list && name != "" && next < len(tokens) && tokens[next].IsMark(",") {
				at = next + 1
			}
		}
	}
	return names
}

// writes returns where the name of a table stands that the keyword at token i writes, 0
// if it writes none, and whether others follow it.
func writes(tokens []Token, i int) (at int, list bool) {
	t, follows := &tokens[i], func(word string) bool { return i+1 < len(tokens) && tokens[i+1].Is(word) }
	if t.Kind != Word || i > 0 && tokens[i-1].IsMark(".") {
		return 0, false
	}
	switch {
	case t.Is("insert") && follows("into"), t.Is("merge") && follows("into"), t.Is("delete") && follows("from"):
		return i + 2, false
	case t.Is("update"):
		// Not FOR UPDATE, FOR NO KEY UPDATE, ON UPDATE, ON CONFLICT DO UPDATE SET, WHEN
		// MATCHED THEN UPDATE SET.
		if follows("set") || i > 0 && (tokens[i-1].Is("for") || tokens[i-1].Is("key") || tokens[i-1].Is("on")) {
			return 0, false
		}
		return i + 1, false
	case t.Is("truncate"), t.Is("copy") && i == 0:
		return i + 1, true
	}
	return 0, false
}

// mayWrite reports whether a text has a word that begins a write, be it in a literal. A
// text without one, as most are, is not split into tokens.
func mayWrite(text string) bool {
	for _, word := range [...]string{"insert", "update", "delete", "merge", "truncate", "copy"} {
		if containsFold(text, word) {
			return true
		}
	}
	return false
}

// containsFold reports whether text has a word of lower-case ASCII in whatever case.
func containsFold(text, word string) bool {
	for i := 0; i+len(word) <= len(text); i++ {
		n := 0
		for n < len(word) && lower(text[i+n]) == word[n] {
			n++
		}
		if n == len(word) {
			return true
		}
	}
	return false
}
