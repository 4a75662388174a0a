package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/smrt-go/smrt/internal/sqltext"
)

// unseen finds blocks of which something is not seen here.
func (j *judge) unseen(s *statement) {
	body := s.several || slices.Contains([]string{"DO", "CREATE FUNCTION", "CREATE PROCEDURE"}, s.tag)
	if body && strings.Contains(strings.ToLower(s.text), messages) {
		j.add(Unseen, s, lock{}, messages+" is set among other statements, so the server does not say what it rewrites, reads and builds in them",
			"SET LOCAL "+messages+" as a statement of its own, or none")
	}
	if s.tag != "DO" || !branches(s.text) {
		return
	}
	for _, l := range s.taken {
		if l.mode == accessShare || l.mode == rowShare {
			j.add(Unseen, s, lock{}, fmt.Sprintf("what the block does depends on rows of %s, and the table is empty here, so a part of it was not run", j.old[l.table].name),
				"a statement without a condition, in a file that is run when the condition holds")
			j.findings[len(j.findings)-1].Table = j.old[l.table].name
			return
		}
	}
}

// messages is the setting on which the server's messages depend.
const messages = "client_min_messages"

// branches reports whether a block defines something behind a condition or in a loop.
func branches(text string) bool {
	conditional := false
	for _, t := range bodyOf(text) {
		conditional = conditional || t.Is("then") || t.Is("loop")
		if conditional && slices.ContainsFunc([]string{"alter", "create", "drop", "truncate", "execute"}, t.Is) {
			return true
		}
	}
	return false
}

// bodyOf returns the tokens within the literals of a statement.
func bodyOf(text string) (tokens []sqltext.Token) {
	for _, t := range sqltext.Append(nil, text) {
		switch {
		case strings.HasPrefix(t.Text, "'"):
			tokens = sqltext.Append(tokens, strings.ReplaceAll(strings.Trim(t.Text, "'"), "''", "'"))
		case strings.HasPrefix(t.Text, "$") && strings.HasSuffix(t.Text, "$"):
			tag := t.Text[:2+strings.IndexByte(t.Text[1:], '$')]
			tokens = sqltext.Append(tokens, strings.TrimSuffix(t.Text[len(tag):], tag))
		}
	}
	return tokens
}
