package slots

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/kept"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/slot"
)

// On returns a handle that sends statements on db with their slots filled. It implements
// the DBTX that sqlc generates, so it goes where a pool or a transaction does:
//
//	shopdb.New(slots.On(pool, slots.For(Orders, q)))
//
// Every statement on the handle must have slots for all that it carries; see the
// package's documentation for what is refused. Without fills it is db.
func On(db smrt.DB, fills ...Fill) smrt.DB {
	if len(fills) == 0 {
		return db
	}
	return newFilled(db, fills)
}

// Tx is [On] for a transaction, and returns one: for the WithTx of sqlc, which takes a
// pgx.Tx. What its Begin returns fills slots too; what is sent on its Conn does not, and
// txn.Run refuses it with smrt.ErrBadOptions.
func Tx(tx pgx.Tx, fills ...Fill) pgx.Tx {
	if len(fills) == 0 {
		return tx
	}
	return &filledTx{tx, newFilled(tx, fills), fills}
}

// filled is a handle that fills slots.
type filled struct {
	db    smrt.DB
	fills []plan.Fill
	pages []*Page      // of the fills; nil: none has one
	one   [1]plan.Fill // is fills where there is one, so that most handles are one allocation
}

func newFilled(db smrt.DB, fills []Fill) *filled {
	f := &filled{db: db}
	if f.fills = f.one[:]; len(fills) != 1 {
		f.fills = make([]plan.Fill, len(fills))
	}
	for i := range fills {
		f.fills[i] = fills[i].fill
		if fills[i].page != nil {
			f.pages = append(append(f.pages, make([]*Page, i-len(f.pages))...), fills[i].page)
		}
	}
	return f
}

// shapes is how many combinations of a statement and what fills it are kept. A service
// has as many as it has queries with slots, times the optional parts that it combines.
const shapes = 4096

var plans = plan.NewSlots(shapes)

// builder makes a statement of one of sqlc's.
type builder func(ctx context.Context, t *plan.Template, fills []plan.Fill, args []any) (plan.Statement, error)

// statement returns what is sent in place of a statement of sqlc's.
func (f *filled) statement(ctx context.Context, sql string, args []any, build builder) (string, []any, error) {
	if err := handle.Check(ctx, f.db); err != nil {
		return "", nil, err
	}
	text := textOf(sql)
	sql, args, err := f.fill(ctx, text, args, build)
	if err != nil {
		return "", nil, &refusal{text.Name, err}
	}
	return sql, args, nil
}

// refusal is an error of a statement that was not sent. It has a type of its own, because
// pgx's errors about arguments are those that fmt makes.
type refusal struct {
	query string // "": the statement has no name
	err   error
}

func (r *refusal) Error() string {
	if r.query == "" {
		return "statement with slots: " + r.err.Error()
	}
	return "query " + r.query + ": " + r.err.Error()
}

func (r *refusal) Unwrap() error { return r.err }

func (f *filled) fill(ctx context.Context, text *slot.Text, args []any, build builder) (string, []any, error) {
	if text.Err != nil {
		return "", nil, &smrt.QueryError{Reason: text.Err.Error()}
	}
	own, err := withoutOptions(args)
	if err != nil {
		return "", nil, err
	}
	if len(own) != text.Params {
		return "", nil, &smrt.QueryError{Reason: fmt.Sprintf("the statement has %d parameters, and %d arguments were given", text.Params, len(own))}
	}
	for i := range f.fills {
		if f.fills[i].Table == nil {
			return "", nil, errNoTable
		}
	}
	st, err := build(ctx, text.Template, f.fills, args)
	if err != nil {
		return "", nil, err
	}
	return st.SQL, st.Args, nil
}

var errNoTable = &smrt.QueryError{Reason: "a Fill is of no table: make it with slots.For, or with slots.Outer of what NewResult returned"}

// withoutOptions returns the arguments behind those that are for pgx.
func withoutOptions(args []any) ([]any, error) {
	for i, arg := range args {
		switch arg := arg.(type) {
		case pgx.QueryExecMode:
			if arg == pgx.QueryExecModeSimpleProtocol {
				return nil, &smrt.QueryError{Reason: "the simple protocol puts arguments into the SQL text and is never used: choose pgx.QueryExecModeExec"}
			}
		case pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
		case pgx.QueryRewriter:
			return nil, &smrt.QueryError{Reason: fmt.Sprintf("a %T gives parameters their numbers: slots need them as $1, $2, ...", arg)}
		default:
			return args[i:], nil
		}
	}
	return nil, nil
}

func (f *filled) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	sql, args, err := f.statement(ctx, sql, args, f.build)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	return f.db.Exec(ctx, sql, args...)
}

func (f *filled) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if f.pages != nil {
		return f.queryPage(ctx, sql, args)
	}
	sql, args, err := f.statement(ctx, sql, args, plans.Build)
	if err != nil {
		return handle.FailedRows(err), err // pgx returns rows beside an error too
	}
	return f.db.Query(ctx, sql, args...)
}

func (f *filled) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	sql, args, err := f.statement(ctx, sql, args, f.build)
	if err != nil {
		return handle.FirstRow(nil, err)
	}
	return f.db.QueryRow(ctx, sql, args...)
}

// SendBatch sends all of the batch, or nothing if one of its statements is refused.
func (f *filled) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	var out pgx.Batch
	for i, q := range b.QueuedQueries {
		sql, args, err := f.statement(ctx, q.SQL, q.Arguments, f.build)
		if err != nil {
			return pgx.FailedBatchResults(b, fmt.Errorf("statement %d of a batch: %w", i+1, err))
		}
		out.Queue(sql, args...).Fn = q.Fn
	}
	return f.db.SendBatch(ctx, &out)
}

func (f *filled) CopyFrom(context.Context, pgx.Identifier, []string, pgx.CopyFromSource) (int64, error) {
	return 0, errCopy
}

var errCopy = &smrt.QueryError{Reason: "COPY has no slots: call it on the handle that slots.On was given"}

// Traits lets transactions know whose handle it is.
func (f *filled) Traits() any { return traits{f.db} }

type traits struct{ db smrt.DB }

func (t traits) Unwrap() smrt.DB { return t.db }

// RefuseBegin returns errBegin: the transaction would leave out what the handle carries.
func (t traits) RefuseBegin() error { return errBegin }

var errBegin = &smrt.OptionsError{
	Option: "db", Reason: "fills slots, which transactions of package txn and units do not: pass the handle without slots, and fill them inside, with slots.Tx on the transaction",
}

// filledTx is a transaction that fills slots.
type filledTx struct {
	pgx.Tx
	filled *filled
	fills  []Fill
}

func (t *filledTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return t.filled.Exec(ctx, sql, args...)
}

func (t *filledTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return t.filled.Query(ctx, sql, args...)
}

func (t *filledTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return t.filled.QueryRow(ctx, sql, args...)
}

func (t *filledTx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return t.filled.SendBatch(ctx, b)
}

func (t *filledTx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, source pgx.CopyFromSource) (int64, error) {
	return t.filled.CopyFrom(ctx, table, columns, source)
}

func (t *filledTx) Traits() any { return traits{t.Tx} }

func (t *filledTx) Begin(ctx context.Context) (pgx.Tx, error) {
	tx, err := t.Tx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return Tx(tx, t.fills...), nil
}

// texts has the statements that were seen, which are constants of the program. It is
// emptied when a program that makes them at run time has filled it.
var texts = newTexts()

type textsKept struct {
	sync.RWMutex
	of map[string]*slot.Text
}

func newTexts() *textsKept {
	t := &textsKept{of: map[string]*slot.Text{}}
	kept.Add("texts", t, (*textsKept).report, (*textsKept).shrink)
	return t
}

func (t *textsKept) report() kept.Report {
	t.RLock()
	defer t.RUnlock()
	r := kept.Report{Entries: len(t.of), Capacity: maxTexts}
	for sql := range t.of {
		r.Bytes += int64(2 * len(sql)) // and its parts, which are as long
	}
	return r
}

func (t *textsKept) shrink(to int) {
	t.Lock()
	defer t.Unlock()
	if len(t.of) > to {
		clear(t.of)
	}
}

const maxTexts = 4096

func textOf(sql string) *slot.Text {
	texts.RLock()
	text := texts.of[sql]
	texts.RUnlock()
	if text != nil {
		return text
	}
	text = slot.Parse(sql)
	texts.Lock()
	defer texts.Unlock()
	if known := texts.of[sql]; known != nil {
		return known
	}
	if len(texts.of) >= maxTexts {
		clear(texts.of)
	}
	texts.of[text.SQL] = text
	return text
}
