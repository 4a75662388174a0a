package main

import (
	"fmt"
	"strings"
)

// maxLines is how much of one statement is shown.
const maxLines = 14

// margin is what block puts in front of a line.
const margin = 6

// clauses begin a line of their own when a statement of one line is laid out.
var clauses = []string{
	"FROM", "WHERE", "ORDER BY", "LIMIT", "SET", "VALUES", "ON CONFLICT", "RETURNING", "GROUP BY", "SELECT", "UPDATE", "INSERT INTO",
}

// sqlLines lays a statement out in lines that fit. A text written in lines keeps them, without the comments at its
// head.
func sqlLines(sql string) []string {
	var lines []string
	if text := strings.TrimSpace(sql); strings.Contains(text, "\n") {
		lines = written(text)
	} else {
		for _, clause := range splitClauses(text) {
			lines = append(lines, wrap(clause, width-margin)...)
		}
	}
	if len(lines) > maxLines {
		more := len(lines) - (maxLines - 1)
		lines = append(lines[:maxLines-1], fmt.Sprintf("… and %d more lines", more))
	}
	return lines
}

// written splits a text into its lines and wraps the long ones.
func written(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n ")
		if strings.HasPrefix(strings.TrimSpace(line), "--") {
			continue
		}
		lines = append(lines, wrap(line, width-margin)...)
	}
	return lines
}

// splitClauses splits a statement in front of the clauses that are in no parentheses.
func splitClauses(sql string) []string {
	var parts []string
	depth, quoted, from := 0, byte(0), 0
	for i := 0; i < len(sql); i++ {
		switch c := sql[i]; {
		case quoted != 0:
			if c == quoted {
				quoted = 0
			}
		case c == '"' || c == '\'':
			quoted = c
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ' ' && depth == 0 && startsClause(sql[i+1:]) && !joined(sql[from:i]):
			parts = append(parts, sql[from:i])
			from = i + 1
		}
	}
	return append(parts, sql[from:])
}

// joined tells whether the word that follows belongs to the text before: IS DISTINCT FROM, DO UPDATE.
func joined(before string) bool {
	return strings.HasSuffix(before, " DISTINCT") || strings.HasSuffix(before, " DO")
}

func startsClause(sql string) bool {
	for _, clause := range clauses {
		if rest, ok := strings.CutPrefix(strings.ToUpper(sql[:min(len(sql), len(clause)+1)]), clause); ok && (rest == " " || rest == "") {
			return true
		}
	}
	return false
}

// wrap breaks a line between words, behind a comma if there is a late one; the rest is indented further.
func wrap(line string, limit int) []string {
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))] + "    "
	var lines []string
	for len([]rune(line)) > limit {
		head := string([]rune(line)[:limit])
		at := strings.LastIndexByte(head, ' ')
		if comma := strings.LastIndex(head, ", ") + 1; comma > limit/2 {
			at = comma
		}
		if at < len(indent) {
			break // one word, and a long one
		}
		lines = append(lines, line[:at])
		line = indent + line[at+1:]
	}
	return append(lines, line)
}
