package observe

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/explain"
)

// The server counts statements by an id, which is a hash of what it has parsed, and shows
// that of what runs beside the first 1 KB of its text. Statements of one wide table begin
// alike: all columns are named before the first word that differs. So the ids of texts
// are learned in two ways:
//
//	seen     a text that is shown whole, or begins with its name, has the id beside it
//	asked    a text that may be the one that runs is planned, and the plan has its id
//
// The second costs round trips, so it is done for few texts at a time, only if what runs
// could be several of them, and once. An id is of tables and not of their names: after one
// was made anew its texts have others, which are seen again, but not asked for.
const (
	// maxQueryIDs bounds the names that are remembered by ids. The next one drops all,
	// and those that still run are learned again.
	maxQueryIDs = 1000

	// mostAsked is how many texts a page asks the id of. The next page asks on.
	mostAsked = 4

	// mostNames is how many names a text may have of which only the beginning is known.
	mostNames = 3
)

// queryIDs are the names of statements by the ids that the server counts them with. Texts
// that differ in literals and comments only have one id, and get one name.
type queryIDs struct {
	names map[int64]Name
	asked map[uint64]bool // shapes, by their ids in events
}

// learn remembers the name of what the server has an id for.
func (q *queryIDs) learn(id int64, name Name) {
	if id == 0 {
		return
	}
	if q.names == nil || len(q.names) >= maxQueryIDs {
		q.names, q.asked = map[int64]Name{}, nil
	}
	q.names[id] = name
}

// beginner is a handle on which the ids of texts can be asked for.
type beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// ask learns the ids of shapes that were not asked for before. The plan of a statement has
// its id in it if the server counts those of this session. Nothing is run for a plan.
// What cannot be planned has none, and is not asked for again.
func (q *queryIDs) ask(ctx context.Context, db beginner, shapes []*Shape) {
	shapes = slices.DeleteFunc(shapes, func(s *Shape) bool { return s.ID == 0 || q.asked[s.ID] })
	if len(shapes) == 0 {
		return
	}
	tx, err := db.Begin(ctx)
	if err != nil {
		return
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	for _, s := range shapes[:min(len(shapes), mostAsked)] {
		id := idOf(ctx, tx, s.SQL)
		if ctx.Err() != nil {
			return // perhaps it has one
		}
		q.learn(id, s.Name)
		if q.asked == nil || len(q.asked) >= maxQueryIDs {
			q.asked = map[uint64]bool{}
		}
		q.asked[s.ID] = true
	}
}

// idOf returns the id of a text, 0 if it has none.
func idOf(ctx context.Context, tx pgx.Tx, sql string) int64 {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return 0
	}
	defer func() { _ = inner.Rollback(context.WithoutCancel(ctx)) }()
	planner, err := explain.Start(ctx, inner)
	if err != nil {
		return 0
	}
	described, err := inner.Prepare(ctx, "", sql) // which says that it is a single one
	if err != nil {
		return 0
	}
	plan, err := planner.Generic(ctx, sql, described.ParamOIDs)
	if err != nil {
		return 0
	}
	return plan.QueryID
}

// like returns the shapes whose text is that of a session, or begins like it if the
// server has cut it off.
func like(r *session, shapes []Shape) (may []*Shape) {
	for i := range shapes {
		if s := &shapes[i]; s.SQL == r.text || r.cut && strings.HasPrefix(s.SQL, r.text) {
			may = append(may, s)
		}
	}
	return may
}

// either joins the names of shapes, so that they can be read: there are seldom more than
// a few with one beginning.
func either(may []*Shape) string {
	var names []string
	for _, s := range may {
		if name := s.Name.String(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) > mostNames {
		return ""
	}
	return strings.Join(names, " or ")
}
