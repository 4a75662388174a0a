package unit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/flush"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/txn"
)

// connection is a handle that is one connection, such as one of a pool.
type connection interface{ Conn() *pgx.Conn }

// root returns the handle that db is a face of, such as a txn.CheckedDB, as far
// as statements can be sent on it.
func root(db smrt.DB) smrt.DB {
	if inner, ok := handle.Root(db).(smrt.DB); ok {
		return inner
	}
	return db
}

// flush writes the unit. How depends on the handle:
//
//	a pool or a connection  alone  a transaction of its own, in one round trip
//	a transaction           join   the statements become part of it
//	anything else           run    txn finds or begins the transaction, then join
//
// A unit with functions is run on all of them, see flushSegments.
//
// Anything else is a transaction with Options.Nested, a pool or a connection on
// which txn.Run has a transaction open under ctx, and a handle that can only
// begin transactions.
//
// In all of them the unit is prepared first, so that what is wrong with a call
// or with a value is found before anything is written.
func (u *work) flush(ctx context.Context, db smrt.DB, options []txn.Options) (sum Summary, err error) {
	if err := checkCall(ctx, db, options); err != nil {
		return Summary{}, err
	}
	call := limit.Enter(&ctx, limit.SetOf(db), "flush", "unit").Sends(1)
	defer call.End(&err)
	defer func() { call.Wrote(int64(sum.Rows()), err) }()
	switch {
	case u.busy:
		return Summary{}, errBusy
	case u.err != nil:
		return Summary{}, u.err
	}
	if err := u.checkRules(); err != nil {
		return Summary{}, err
	}
	if call.Priced() {
		call.Ask(u.price(ctx, call))
	}
	if err := cmp.Or(call.Refused(), call.Affected(u.rows())); err != nil {
		return Summary{}, err
	}
	switch {
	case u.idle():
		err := u.check()
		if err == nil {
			u.done()
		}
		return Summary{}, err
	case u.functions > 0:
		return u.flushSegments(ctx, root(db), options)
	}
	var o txn.Options
	if len(options) > 0 {
		o = options[0]
	}
	db = root(db)
	if tx, ok := db.(pgx.Tx); ok {
		if o.Nested == txn.Join {
			return u.join(ctx, tx)
		}
		return u.run(ctx, db, u.join, options)
	}
	switch db.(type) {
	case smrt.Pool, *pgx.Conn, connection:
		if handle.Check(ctx, db) == nil { // txn.Run has none open on db
			return u.alone(ctx, db, o)
		}
	}
	return u.run(ctx, db, u.join, options)
}

// checkCall refuses a call of Flush or Plan that can never succeed.
func checkCall(ctx context.Context, db smrt.DB, options []txn.Options) error {
	switch {
	case ctx == nil:
		return smrt.ErrNilContext
	case db == nil:
		return &smrt.OptionsError{Option: "db", Reason: "must not be nil"}
	case len(options) > 1:
		return &smrt.OptionsError{Option: "options", Reason: fmt.Sprintf("must be given at most once, not %d times", len(options))}
	case len(options) == 1 && options[0].ReadOnly:
		return &smrt.OptionsError{Option: "ReadOnly", Reason: "contradicts a unit, which writes"}
	}
	return handle.RefuseBegin(db) // the root, on which a unit is sent, does not know what the handle carries
}

// join makes the statements a part of a transaction. The entities are changed
// when all statements have succeeded, before the transaction ends, because the
// caller goes on with them. So what they were is remembered for a rollback.
func (u *work) join(ctx context.Context, tx pgx.Tx) (_ Summary, err error) {
	defer u.telling(ctx, tx, &err)()
	p, err := u.send(ctx, tx)
	if err != nil {
		return Summary{}, err
	}
	before := u.snapshot()
	u.settle(p)
	before.await(ctx, tx)
	return p.summary(), nil
}

// send prepares the unit and sends it as a part of a transaction.
func (u *work) send(ctx context.Context, tx pgx.Tx) (*prepared, error) {
	p, err := u.prepare(ctx, tx)
	if err != nil {
		return nil, err
	}
	out := outcome{prepared: p}
	closing := out.sendIn(ctx, tx)
	if out.err != nil {
		p.forgetIf(out.err)
		err := out.explain(ctx, tx, p.searchIn(ctx, tx))
		if pgerr.IsOutdated(out.err) {
			u.forgetCatalogs(tx, out.err)
			err = &pgerr.OutdatedError{Err: err}
		}
		return nil, err
	}
	if closing != nil {
		return nil, closing
	}
	if out.unread != nil { // nothing is committed yet, so that it can still be undone
		return nil, out.unread
	}
	return p, nil
}

// searchable reports whether a row that fails could be one of many that the
// server does not tell apart. Only then is a savepoint needed for the search.
func (p *prepared) searchable() bool {
	return slices.ContainsFunc(p.statements, func(st flush.Statement) bool { return st.Rows.N > 1 && divisible(st.Kind) })
}

// sendIn is the round trip in a transaction that is joined:
//
//	savepoint smrt_unit           if a failed row may have to be searched
//	the statements
//	release savepoint smrt_unit
//
// What fails is in o. closing is an error that the results show only when they
// are closed, after all of them were received: that of the release.
func (o *outcome) sendIn(ctx context.Context, tx pgx.Tx) (closing error) {
	var batch pgx.Batch
	searchable := o.searchable()
	if searchable {
		batch.Queue("savepoint " + savepoint)
	}
	o.queue(&batch)
	if searchable {
		batch.Queue("release savepoint " + savepoint)
	}
	results := tx.SendBatch(ctx, &batch)
	if searchable {
		if _, o.err = results.Exec(); o.err != nil {
			o.failed = -1
			_ = results.Close()
			return nil
		}
	}
	o.receive(results)
	return results.Close()
}

// outcome is what became of the statements of a unit.
type outcome struct {
	*prepared
	failed int   // the statement that err is about
	err    error // of the server or of the network
	unread error // a result that does not fit its entity
	missed *missed
	all    bool // all results were received

	committed bool // COMMIT was answered
}

// missed is the row that was not found and was added first, of the first
// statement with such rows.
type missed struct {
	statement, row int
	stale          bool
}

func (p *prepared) queue(b *pgx.Batch) {
	for i := range p.statements {
		b.Queue(p.statements[i].SQL, p.statements[i].Args...)
	}
}

// receive reads the results of the statements, up to the first error of the
// server. Two kinds of errors do not stop it, because the server goes on too:
// a row that was not found, for which the last step will end the transaction,
// and a result that does not fit its entity, which is known only here.
func (o *outcome) receive(results pgx.BatchResults) {
	for i := range o.statements {
		st := &o.statements[i]
		o.failed = i
		if !st.HasResult() {
			tag, err := results.Exec()
			if o.err = err; err != nil {
				return
			}
			o.unread = cmp.Or(o.unread, st.Count(tag.RowsAffected()))
			continue
		}
		rows, err := results.Query()
		if err != nil {
			o.err = err
			return
		}
		err = st.Receive(rows)
		var gone *flush.MissedError
		switch broken := rows.Err(); {
		case errors.As(err, &gone): // FailIfMissed will end the transaction
			if o.missed == nil {
				ops := o.ops[i]
				first := slices.MinFunc(gone.Rows, func(a, b flush.Missed) int { return ops[a.Row].index - ops[b.Row].index })
				o.missed = &missed{i, first.Row, first.Stale}
			}
		case broken != nil:
			o.err = broken
			return
		case err != nil && o.unread == nil:
			o.unread = err
		}
	}
	o.all = true
}

// explain returns the error of the row of the unit that failed. What it is, is
// looked for in this order:
//
//   - a statement that could not be sent is found by its text
//   - BEGIN, COMMIT and constraints that were deferred belong to no row
//   - a row that was not found is named by its statement, whatever failed after it
//   - an argument that pgx cannot encode is found by looking at all values
//   - a statement with one row is about that row
//   - of several rows, the search finds the one that fails
func (o *outcome) explain(ctx context.Context, db smrt.DB, lost *search) error {
	if i := o.unsent(o.err); i >= 0 {
		o.failed = i
	}
	switch {
	case o.failed < 0:
		return pgerr.Wrap("begin", "transaction", o.err)
	case o.failed >= len(o.statements):
		return pgerr.Wrap("commit", "transaction", o.err)
	}
	var pg *pgconn.PgError
	if errors.As(o.err, &pg) && o.missed != nil {
		return o.notFound()
	}
	st, ops := &o.statements[o.failed], o.ops[o.failed]
	if st.Table == nil { // a constraint that was deferred
		return pgerr.Wrap("flush", "unit", o.err)
	}
	failed := o.err
	if st.Where != nil {
		failed = table.LimitError(limit.Of(ctx), failed)
	}
	err := o.ringed(st, st.Explain(ctx, db, failed))
	if len(ops) == 0 || !errors.As(o.err, &pg) {
		return located(err, ops)
	}
	at := 0
	if len(ops) > 1 {
		if at = -1; pgerr.IsAboutRow(o.err) {
			at = lost.row(o.failed)
		}
	}
	if at < 0 {
		return &RowError{Op: string(st.Op()), Table: st.Table.Name, Index: -1, Err: err}
	}
	return ops[at].failed(err)
}

// ringed adds the ring of tables that a row could not be deleted because of.
func (o *outcome) ringed(st *flush.Statement, err error) error {
	if st.Kind != flush.Delete || !errors.Is(err, smrt.ErrForeignKey) {
		return err
	}
	for _, ring := range o.closed {
		if slices.Contains(ring.Tables, st.Table.Name) {
			return &certain{ring, err}
		}
	}
	return err
}

// notFound is the error of a row that was not found, whatever else failed after
// it.
func (o *outcome) notFound() error {
	st := &o.statements[o.missed.statement]
	row := o.ops[o.missed.statement][o.missed.row]
	var err error = smrt.ErrNotFound
	if o.missed.stale {
		err = &smrt.StaleError{Table: row.table.Name, Have: st.Version(o.missed.row)}
	}
	return row.failed(&certain{err, pgerr.Wrap(st.Op(), row.table.Name, o.err)})
}

// certain is an error with what the server said, which shows that nothing was
// committed.
type certain struct {
	error
	server error
}

func (c *certain) Unwrap() []error { return []error{c.error, c.server} }

// unsent returns the statement that a batch could not be sent because of, or
// -1.
func (p *prepared) unsent(err error) int {
	var batch pgx.ErrPreprocessingBatch
	if !errors.As(err, &batch) {
		return -1
	}
	return slices.IndexFunc(p.statements, func(st flush.Statement) bool { return st.SQL == batch.SQL() })
}

// settle copies what the database decided into the entities, and empties the
// unit. Until here the results lie in the copies that the statements were made
// of, so that a flush that fails changes no entity.
func (u *work) settle(p *prepared) {
	for i := range p.statements {
		for row, o := range p.ops[i] {
			if o.entity != nil {
				p.statements[i].ReadBack(row, o.entity)
			}
		}
	}
	u.give()
	for _, o := range u.ops {
		o.settled()
	}
	u.done()
}

// done empties the unit; its rows have their keys.
func (u *work) done() {
	for _, o := range u.ops {
		o.done = true
	}
	u.reset()
}

// settled gives the entity the keys of other rows, which all have theirs now.
func (o *op) settled() {
	for _, r := range o.refs {
		r.assign(o.entity)
	}
}

// finish is called when the transaction is known to be committed. That does not
// mean that all results have arrived: with a key, txn looks a commit up whose
// reply was lost. Then the rows are there, but what the database decided is not
// known, which is a [CommittedError].
func (r *runner) finish() (Summary, error) {
	t := r.last
	sum := t.out.summary()
	sum.Result = r.result
	if t.out.all && t.out.unread == nil {
		r.u.settle(t.out.prepared)
		return sum, nil
	}
	r.u.done()
	err := t.out.unread
	if err == nil {
		err = fmt.Errorf("the connection was lost before all results had arrived: %w", t.out.err)
	}
	return sum, &CommittedError{Err: err}
}
