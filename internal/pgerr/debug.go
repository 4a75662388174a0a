package pgerr

import "github.com/jackc/pgx/v5/pgconn"

// Debug returns the text of a message of level DEBUG, and "" for any other. The server translates none of that level,
// and what those of DDL quote are names.
func Debug(n *pgconn.Notice) string {
	if n.SeverityUnlocalized != "DEBUG" {
		return ""
	}
	return n.Message
}
