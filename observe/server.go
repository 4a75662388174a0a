package observe

import (
	"cmp"
	"context"
	"errors"
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
	ids     queryIDs
}

// session is what the server said of one.
type session struct {
	page.Session

	text string   // with its literals
	cut  bool     // the server had no room for all of it
	may  []*Shape // which it may be
}

// mostSessions is how many are shown. There are seldom more that do something, and the
// oldest transactions are those that others wait for.
const mostSessions = 50

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
		db: db, timeout: timeout,
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
	if s.Cut = len(sessions) > mostSessions; s.Cut {
		sessions = sessions[:mostSessions]
	}
	v.recognise(ctx, sessions, shapes)
	for _, r := range sessions {
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

// recognise names what runs: by its text, and where the server has no room for that by
// its query id, if it is that of a text that was seen, or of one of those that begin so.
// Where there are no ids, what begins like texts of several names has all of them.
func (v *serverView) recognise(ctx context.Context, sessions []session, shapes []Shape) {
	var asked []*Shape
	for i := range sessions {
		r := &sessions[i]
		r.text = trim(r.SQL)
		r.SQL = redact(r.text)
		if r.Name = v.nameOf(r); r.Name == "" && r.text != "" {
			r.may = like(r, shapes)
			if r.QueryID != 0 && len(r.may) > 1 {
				asked = append(asked, r.may...)
			}
		}
	}
	if db, ok := v.db.(beginner); ok {
		v.ids.ask(ctx, db, asked)
	}
	for i := range sessions {
		if r := &sessions[i]; r.Name == "" {
			r.Name = cmp.Or(v.nameOf(r), either(r.may))
		}
	}
}

// nameOf returns the name of the text of a session, or that which its id has.
func (v *serverView) nameOf(r *session) string {
	if name := nameOf(r.text); name != (Name{}) {
		v.ids.learn(r.QueryID, name)
		return name.String()
	}
	if name, ok := v.ids.names[r.QueryID]; ok {
		return name.String()
	}
	return ""
}
