package observe

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/page"
	"github.com/smrt-go/smrt/internal/traced"
)

// serverView asks a server what it is doing. What it is told are texts, of this program
// and of others, and of each at most as much as track_activity_query_size allows, which
// is 1 KB by default. So texts are compared by their beginnings, and the ids that the
// server counts statements by are remembered with the names of those that were seen.
//
// Whoever calls its methods has the turn of the page: it has no lock.
type serverView struct {
	db      smrt.DB
	timeout time.Duration
	text    *traced.Text
	byID    map[int64]Name // names of statements, by the ids that the server has for them
}

// session is what the server said of one.
type session struct {
	page.Session
	cut bool // the server had no room for the whole text
}

const (
	// mostSessions is how many are shown. There are seldom more that do something, and
	// the oldest transactions are those that others wait for.
	mostSessions = 50

	// maxQueryIDs bounds the names that are remembered by ids. The next one drops all,
	// and those that still run are learned again.
	maxQueryIDs = 1000
)

// sessionsText asks for sessions of this database that do something, the oldest first.
// Who blocks whom is only asked of those that wait for a lock, as the answer takes all
// locks of the lock manager. 51 tells that there are more than 50.
const sessionsText = `SELECT a.pid, coalesce(a.application_name, ''), coalesce(a.usename::text, ''), coalesce(a.state, ''),
	CASE WHEN a.state = 'active' THEN coalesce(a.wait_event_type || ': ' || a.wait_event, '') ELSE '' END,
	CASE WHEN a.wait_event_type = 'Lock' THEN pg_catalog.pg_blocking_pids(a.pid) END,
	extract(epoch FROM clock_timestamp() - coalesce(CASE WHEN a.state = 'active' THEN a.query_start ELSE a.state_change END, a.backend_start))::float8,
	coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8,
	coalesce(a.query_id, 0), coalesce(a.query, ''),
	octet_length(coalesce(a.query, '')) >= pg_size_bytes(current_setting('track_activity_query_size')) - 4
FROM (SELECT * FROM pg_catalog.pg_stat_activity
	WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()
	ORDER BY coalesce(xact_start, state_change) LIMIT 51) a
ORDER BY coalesce(a.xact_start, a.state_change)`

// newServerView names its statement, for as long as it is there, as what smrt asks about
// the schema is named: it is in the statistics like all else.
func newServerView(db smrt.DB, timeout time.Duration) *serverView {
	return &serverView{
		db: db, timeout: timeout, byID: map[int64]Name{},
		text: traced.Keep(sessionsText, traced.Name{Operation: "catalog"}),
	}
}

// ask asks the server. It returns a state with an error if that does not answer: a page
// without it is still of use, most of all then. The context of a request has values that
// the hooks of a pool may need, and loops are not looked for in it. The answer may be shown to others, so the end of the request
// does not end the question. One caller asks at a time.
func (v *serverView) ask(ctx context.Context, shapes []Shape) *page.Server {
	ctx, cancel := context.WithTimeout(handle.WithoutCounting(context.WithoutCancel(ctx)), v.timeout)
	defer cancel()
	s, began := &page.Server{}, time.Now()
	var sessions []session
	rows, err := v.db.Query(ctx, sessionsText)
	if err == nil {
		sessions, err = pgx.CollectRows(rows, scanSession)
	}
	s.Took = page.Seconds(time.Since(began))
	switch {
	case errors.Is(err, context.DeadlineExceeded) || err != nil && ctx.Err() != nil:
		s.Error = "no answer within " + v.timeout.String()
	case err != nil:
		s.Error = clip(err.Error())
	}
	s.Cut = len(sessions) > mostSessions
	for _, r := range sessions[:min(len(sessions), mostSessions)] {
		v.recognise(&r, shapes)
		s.Running = append(s.Running, r.Session)
	}
	return s
}

// scanSession reads a row of sessionsText.
func scanSession(row pgx.CollectableRow) (r session, err error) {
	var state, inTx float64
	err = row.Scan(&r.PID, &r.Application, &r.User, &r.State, &r.Wait, &r.BlockedBy, &state, &inTx, &r.QueryID, &r.SQL, &r.cut)
	r.For, r.InTx = page.Seconds(max(state, 0)*float64(time.Second)), page.Seconds(max(inTx, 0)*float64(time.Second))
	return r, err
}

// recognise names a statement that runs: by its text, and where the server has no room
// for that, by its query id, which statements have that were seen with their text. What
// is left is a text of which only the beginning is known. It is named if all texts that
// begin so have one name.
func (v *serverView) recognise(r *session, shapes []Shape) {
	text := trim(r.SQL)
	r.SQL = redact(text)
	if name := nameOf(text); name != (Name{}) {
		r.Name = name.String()
		v.learn(r.QueryID, name)
		return
	}
	if name, ok := v.byID[r.QueryID]; ok {
		r.Name = name.String()
		return
	}
	var names []Name
	for i := range shapes {
		s := &shapes[i]
		if s.SQL == text || r.cut && text != "" && strings.HasPrefix(s.SQL, text) {
			if len(names) == 0 || names[0] != s.Name {
				names = append(names, s.Name)
			}
		}
	}
	if len(names) == 1 {
		r.Name = names[0].String()
	}
}

// learn remembers the name of what the server has an id for. Texts that differ in
// literals and comments only have one id, and get one name.
func (v *serverView) learn(id int64, name Name) {
	if id == 0 {
		return
	}
	if len(v.byID) >= maxQueryIDs {
		clear(v.byID)
	}
	v.byID[id] = name
}
