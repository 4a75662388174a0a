package guard

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/explain"
	"github.com/smrt-go/smrt/internal/limit"
)

// Limits bound what one call may ask for. A field that is zero bounds nothing, so
// the zero Limits are none. Limits are declared for a handle with [On], for a
// repository with repo.Options, or for a request with [With]. Where several hold,
// the strictest of each field wins.
//
// A call beyond a limit returns a *[smrt.LimitError]. What can be known of it before
// is refused before a connection is taken: all but MaxLimit of a read without a limit,
// MaxLoaded, MaxBytes, MaxAffected of a write by query, and Timeout.
type Limits struct {
	// Mode says what becomes of a call beyond these limits. Default: [Enforce].
	Mode Mode

	// MaxLimit is how many rows a read may have: the limit of a query, the size of
	// a page, keys of GetMany, rows of a stream, rows of SQL by hand, which are
	// counted when the server has run it: see [DB]. A query
	// without a limit is sent with one of MaxLimit + 1, and returns
	// smrt.ErrRowLimit if that many come: a result is never cut off.
	MaxLimit int

	// PageSize is the limit of a Find and the size of a Page that have none. It
	// cuts off, so declare it only where callers expect that. In mode [Report], and
	// where Allow(ctx, Rows(n), reason) holds, it is the size of pages only.
	PageSize int

	// MaxLoaded is how many rows one statement of a load may bring in, for all
	// parents together: smrt.ErrLoadLimit.
	MaxLoaded int

	// MaxDepth is how many levels of loads a call may have: smrt.ErrDepthLimit.
	// It holds beside that of package preload.
	MaxDepth int

	// MaxList is how many values a list of a condition may have, or keys a call
	// by keys: smrt.ErrListLimit.
	MaxList int

	// MaxText is how many bytes a text in a condition may have: smrt.ErrTextLimit.
	MaxText int

	// MaxAffected is how many rows a write of a repository or a unit may create,
	// change or delete: smrt.ErrWriteLimit. The server itself counts the rows of a
	// write by query, and undoes it. In a transaction that is an error like any
	// other, after which it must be rolled back.
	MaxAffected int

	// MaxBytes is how large the result of a read, a load or SQL by hand may be, as it
	// comes from the server: smrt.ErrByteLimit. It is counted row by row, before a row
	// is decoded; of reads by key that share a statement, for each by itself. Rows
	// that a write of a repository returns are not counted, because it would be too
	// late: MaxAffected bounds them.
	MaxBytes int

	// MaxStatements is how many statements one request may send, which begins with
	// [With]: smrt.ErrStatementLimit. A call of a repository is one, each load
	// another, a unit one, and of a batch by hand each of its statements. Under a
	// context without a request nothing is counted.
	MaxStatements int

	// MaxComplexity is how many points a call may have: smrt.ErrComplexityLimit. They
	// are counted before anything is sent, by the formula that the documentation of
	// the package has.
	MaxComplexity int

	// MaxPlanCost is what the server may estimate a statement to cost, as EXPLAIN says it:
	// smrt.ErrPlanLimit. It holds for reads, loads, writes by query, patches and SQL by
	// hand. The server is asked once for each text and database, in a transaction of its
	// own before the call takes its connection, or below a savepoint of that which the
	// call is in, and again after ten minutes. The estimate is for whatever arguments: they
	// may make the statement cheaper or dearer. A LIMIT that is an argument counts as a
	// tenth of the rows. What the server does not say in a second, or cannot, as of
	// statements that have no plan, is not refused; neither are reads and writes of
	// entities by key, units, and what is sent on handles that begin no transactions.
	MaxPlanCost int

	// Rate is how many points the calls of a key may cost in some time, nil for any:
	// smrt.ErrRateLimit. What a call asks for is taken before anything is sent, and
	// what it did not cost is given back when it ends. Where several hold, a call
	// takes from each.
	Rate *Rate

	// BoundedWrites refuses writes of every row though their query says Unbounded:
	// smrt.ErrUnboundedWrite.
	BoundedWrites bool

	// Timeout is how long a call may take, waiting for a connection included:
	// smrt.ErrTimeLimit. The server is asked to stop then. Of a stream it is the
	// time until the first row, of rows by hand until they are read or closed, what
	// the program does between them included. BEGIN is a call, by hand and of
	// txn.Run; a transaction is none, and COMMIT takes what it takes. A context
	// that ends sooner wins.
	Timeout time.Duration

	// Logger is told of what is beyond one of these limits, and refused, reported or
	// allowed: ten times a second at most, of all requests with limits of their own
	// together. Default: slog.Default().
	Logger *slog.Logger

	// OnEvent, unless it is nil, is called for each of these, on the goroutine of
	// the call, which waits for it, with a context under which nothing is limited.
	OnEvent func(ctx context.Context, e Event)
}

// Mode says what becomes of a call beyond a limit. All modes run the same code.
type Mode uint8

// The modes.
const (
	Enforce Mode = iota // it is refused
	Report              // it is logged, and runs: to try limits before they bite
	Off                 // nothing is looked at
)

// String returns the mode's name.
func (m Mode) String() string {
	if m > Off {
		return fmt.Sprintf("Mode(%d)", uint8(m))
	}
	return [...]string{"enforce", "report", "off"}[m]
}

// Check returns a *[smrt.OptionsError] for limits that cannot be: a number below
// zero, or a mode that is none. What takes limits checks them and panics, because
// limits are a declaration.
func (l *Limits) Check() error {
	if l.Mode > Off {
		return &smrt.OptionsError{Option: "Limits.Mode", Reason: fmt.Sprintf("must be Enforce, Report or Off, is %v", l.Mode)}
	}
	for _, f := range []struct {
		name string
		n    int64
	}{
		{"MaxLimit", int64(l.MaxLimit)},
		{"PageSize", int64(l.PageSize)},
		{"MaxLoaded", int64(l.MaxLoaded)},
		{"MaxDepth", int64(l.MaxDepth)},
		{"MaxList", int64(l.MaxList)},
		{"MaxText", int64(l.MaxText)},
		{"MaxAffected", int64(l.MaxAffected)},
		{"MaxBytes", int64(l.MaxBytes)},
		{"MaxStatements", int64(l.MaxStatements)},
		{"MaxComplexity", int64(l.MaxComplexity)},
		{"MaxPlanCost", int64(l.MaxPlanCost)},
		{"Timeout", int64(l.Timeout)},
	} {
		if f.n < 0 {
			return &smrt.OptionsError{Option: "Limits." + f.name, Reason: fmt.Sprintf("must not be negative, is %d", f.n)}
		}
	}
	if l.MaxLimit > 0 && l.PageSize > l.MaxLimit {
		return &smrt.OptionsError{Option: "Limits.PageSize", Reason: fmt.Sprintf("must be at most MaxLimit, which is %d, is %d", l.MaxLimit, l.PageSize)}
	}
	return nil
}

// Set is for the other packages of smrt. It returns nil if nothing is limited.
func (l *Limits) Set() *limit.Set { return l.set(&throttle{}) }

func (l *Limits) set(lines *throttle) *limit.Set {
	most := [limit.Kinds]int64{
		limit.Rows: int64(l.MaxLimit), limit.Loaded: int64(l.MaxLoaded), limit.Depth: int64(l.MaxDepth),
		limit.List: int64(l.MaxList), limit.Text: int64(l.MaxText), limit.Affected: int64(l.MaxAffected),
		limit.Bytes: int64(l.MaxBytes), limit.Statements: int64(l.MaxStatements), limit.Complexity: int64(l.MaxComplexity), limit.PlanCost: int64(l.MaxPlanCost), limit.Time: int64(l.Timeout),
	}
	if l.BoundedWrites {
		most[limit.Unbounded] = limit.Every - 1
	}
	if l.Mode == Off || most == [limit.Kinds]int64{} && l.PageSize == 0 && l.Rate == nil {
		return nil
	}
	mode := limit.Enforce
	if l.Mode == Report {
		mode = limit.Report
	}
	s := limit.New(mode, most, int64(l.PageSize), newReporter(l, lines)).Estimated(explain.Cost)
	if l.Rate != nil {
		s = s.Rated(mode, &l.Rate.limit)
	}
	return s
}

// mustSet is Set of limits that were declared.
func (l *Limits) mustSet(lines *throttle) *limit.Set {
	if err := l.Check(); err != nil {
		panic(err)
	}
	return l.set(lines)
}
