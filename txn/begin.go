package txn

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/pgerr"
	"github.com/smrt-go/smrt/internal/traced"
)

// MarkersSQL creates the table that transactions with a key write to; put it
// into a migration. A row must be kept for longer than anybody may come back
// with its key: delete those older than a day, say, by attempt_at.
const MarkersSQL = `CREATE TABLE smrt_txn_markers (
	key        text PRIMARY KEY,
	token      text NOT NULL,
	attempt_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON smrt_txn_markers (attempt_at);`

// markerWait bounds how long the marker of an attempt waits for that of
// another which has not ended, where neither the options nor the session bound
// it. It is an odd number so as not to be taken for a setting of the session.
const markerWait = "5001ms"

// identity is what a transaction is known by after its connection is lost.
type identity struct {
	xid, system, epoch string
	timeline           int64
}

// identifySQL reads the identity. pg_xact_status can be trusted only as long as
// the server has not recovered from a crash: ids given out before it are given
// out again after it, because nothing makes them durable before a commit. The
// start of the server alone does not tell, as it survives the death of a
// backend; recovery resets the statistics too.
const identifySQL = `SELECT pg_control_system.system_identifier::text, pg_control_checkpoint.timeline_id::bigint,
	pg_postmaster_start_time()::text || ' ' || coalesce(pg_stat_get_bgwriter_stat_reset_time()::text, '')
	FROM pg_control_system(), pg_control_checkpoint()`

// What an attempt sends first, and in how many round trips:
//
//	options                   on a pool or a connection    on a handle with Begin alone
//	none                      BEGIN (1)                    Begin (1)
//	modes, timeouts           BEGIN; SET LOCAL ... (1)     refused
//	Key, TrackID              a batch: BEGIN, set_config,  Begin, then the batch (2)
//	                          id, identity, marker (1)
//	any, on a unit's handle   nothing: it is told by Start and sends all with COMMIT
//
// The marker waits for that of another attempt with the same key, so it gets a
// lock_timeout of its own, which is taken back after it.

// beginInTime is begin in the time that a call has by the limits of the handle.
func (r *run) beginInTime(ctx context.Context) (a *attempt, applied bool, err error) {
	call := limit.Enter(&ctx, r.limits, "", "")
	defer call.End(&err)
	return r.begin(ctx)
}

// begin starts an attempt. applied means that the marker was there already.
func (r *run) begin(ctx context.Context) (a *attempt, applied bool, err error) {
	a = &attempt{options: &r.options, began: r.retry.last, sent: r.retry.last}
	a.outer.a = a
	db, own, err := r.beginOn(ctx)
	if err != nil {
		return nil, false, err
	}
	if r.plain() {
		a.tx, err = r.beginPlain(ctx, db)
	} else {
		applied, err = r.beginBatch(ctx, db, a)
	}
	a.own(own)
	if a.tx != nil {
		a.conn = a.tx.Conn()
		traced.Of(a.conn).Retries(r.retry.attempts+1, r.retry.cause)
	}
	if err == nil && r.stale && a.conn != nil {
		// pgx forgets a statement that failed, but a pooler that keeps prepared statements by their texts does not.
		r.stale = false
		err = a.conn.DeallocateAll(ctx)
	}
	if err == nil {
		a.quiet = a.began
		return a, applied, nil
	}
	if a.tx != nil {
		if pgerr.FaultOf(err) == pgerr.NotPrimary {
			a.destroy(ctx)
		}
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pgerr.IsCanceled(pg) { // while it waited for another's marker
			a.noteCanceled(pg)
			err = a.classify(ctx, err, rollbackFirst)
		}
		a.rollback(ctx)
	}
	return nil, false, err
}

// plain reports whether BEGIN is all there is to send.
func (r *run) plain() bool {
	return r.options.Key == "" && !r.options.TrackID
}

// modal is a handle that can begin transactions with options.
type modal interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// beginPlain sends BEGIN, with the settings in the same text: it is the only
// statement that pgx sends as text, so that several can be one.
func (r *run) beginPlain(ctx context.Context, on Beginner) (pgx.Tx, error) {
	modes, settings := r.options.modes(), localSettings(r.options.settings())
	if db := handle.StarterOf(on); db != nil {
		return db.Start(ctx, handle.Begin{
			Modes: modes, Settings: settings, Limit: r.options.commitTimeout(), Attempt: r.retry.attempts + 1, Cause: r.retry.cause,
		})
	}
	if len(settings) > 0 {
		modes.BeginQuery = beginText(modes, settings)
	}
	return beginWith(ctx, on, modes)
}

// beginWith begins a transaction on a handle that may have no BeginTx.
func beginWith(ctx context.Context, on any, modes pgx.TxOptions) (pgx.Tx, error) {
	if db, ok := on.(modal); ok {
		return db.BeginTx(ctx, modes)
	}
	db, ok := on.(Beginner)
	if !ok || modes != (pgx.TxOptions{}) {
		return nil, &smrt.OptionsError{Option: "options", Reason: fmt.Sprintf("cannot be used on a %T, which has no BeginTx", on)}
	}
	return db.Begin(ctx)
}

// localSettings returns the statements that make settings for a transaction. They
// consist of names in this package and of numbers.
func localSettings(settings []setting) []string {
	var list []string
	for _, s := range settings {
		list = append(list, "set local "+s.name+" = "+strconv.FormatInt(s.value.Milliseconds(), 10))
	}
	return list
}

// beginText returns BEGIN as pgx writes it, followed by settings.
func beginText(modes pgx.TxOptions, settings []string) string {
	var b strings.Builder
	b.WriteString("begin")
	if modes.IsoLevel != "" {
		b.WriteString(" isolation level " + string(modes.IsoLevel))
	}
	if modes.AccessMode != "" {
		b.WriteString(" " + string(modes.AccessMode))
	}
	if modes.DeferrableMode != "" {
		b.WriteString(" " + string(modes.DeferrableMode))
	}
	for _, s := range settings {
		b.WriteString("; " + s)
	}
	return b.String()
}

// sender is a handle that takes BEGIN and more in one round trip.
type sender interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// beginBatch sends BEGIN together with statements that have arguments. On a
// handle that cannot do that it takes a second round trip.
func (r *run) beginBatch(ctx context.Context, on Beginner, a *attempt) (applied bool, err error) {
	b := &pgx.Batch{}
	db, together := on.(sender)
	if together {
		b.BeginTx(r.options.modes())
	} else if a.tx, err = r.beginPlain(ctx, on); err != nil {
		return false, err
	} else {
		db = a.tx
	}
	r.queue(b, a, &applied)
	a.sent = time.Now()
	results := db.SendBatch(ctx, b)
	if together {
		_, err = results.Exec() // BEGIN
	}
	if closing := results.Close(); err == nil {
		err = closing
	}
	if together {
		a.tx = results.Tx()
		if a.tx == nil && err == nil {
			return false, &smrt.OptionsError{Option: "options", Reason: fmt.Sprintf(
				"cannot be used on a %T, whose SendBatch does not begin transactions: it must return pgx's BatchResults, or pass on their Tx", on)}
		}
	}
	return applied, r.explainMarker(err)
}

// queue adds what follows BEGIN.
func (r *run) queue(b *pgx.Batch, a *attempt, applied *bool) {
	o := &r.options
	if settings := o.settings(); len(settings) > 0 {
		names, values := make([]string, len(settings)), make([]string, len(settings))
		for i, s := range settings {
			names[i], values[i] = s.name, strconv.FormatInt(s.value.Milliseconds(), 10)
		}
		b.Queue(traced.Pass("SELECT set_config(name, value, true) FROM unnest($1::text[], $2::text[]) AS s (name, value)", "", "settings"), names, values)
	}
	if o.TrackID {
		b.Queue(traced.Pass("SELECT pg_current_xact_id()::text", "", "identity")).QueryRow(func(row pgx.Row) error { return row.Scan(&a.identity.xid) })
		b.Queue(traced.Pass(identifySQL, "", "identity")).QueryRow(a.identity.scan)
	}
	if o.Key == "" {
		return
	}
	if o.LockTimeout == 0 {
		b.Queue(traced.Pass("SELECT set_config('lock_timeout', $1, true) WHERE current_setting('lock_timeout') = '0'", "", "settings"), markerWait)
	}
	b.Queue(traced.Pass("INSERT INTO "+o.Markers.Sanitize()+" (key, token) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING", "", "marker"), o.Key, r.token).
		Exec(func(tag pgconn.CommandTag) error {
			*applied = tag.RowsAffected() == 0
			return nil
		})
	if o.LockTimeout == 0 {
		b.Queue(traced.Pass("SELECT set_config('lock_timeout', '0', true) WHERE current_setting('lock_timeout') = $1", "", "settings"), markerWait)
	}
}

func (id *identity) scan(row pgx.Row) error { return row.Scan(&id.system, &id.timeline, &id.epoch) }

// explainMarker says what to do about a table of markers that does not exist.
func (r *run) explainMarker(err error) error {
	if pgerr.IsUndefinedTable(err) && r.options.Key != "" {
		return errors.Join(&smrt.OptionsError{
			Option: "Key", Reason: fmt.Sprintf("needs the table %s, which does not exist: create it as in txn.MarkersSQL", r.options.Markers.Sanitize()),
		}, err)
	}
	return err
}

// ours reports whether the marker that is there is that of an attempt of this
// Run: then a doubted commit took place.
func (r *run) ours(ctx context.Context, a *attempt) (bool, error) {
	var token string
	err := a.tx.QueryRow(ctx, traced.Pass("SELECT token FROM "+r.options.Markers.Sanitize()+" WHERE key = $1", "", "marker"), r.options.Key).Scan(&token)
	return err == nil && token == r.token, err
}

// connected is a handle whose connection is at hand.
type connected interface{ PgConn() *pgconn.PgConn }

// checkIdle refuses a connection that is in a transaction: BEGIN would be
// ignored there, and COMMIT end somebody else's transaction.
func checkIdle(db Beginner) error {
	var conn connected
	switch db := db.(type) {
	case connected: // a *pgx.Conn
		conn = db
	case interface{ Conn() *pgx.Conn }: // a connection of a pool
		if c := db.Conn(); c != nil {
			conn = c
		}
	}
	if conn != nil && conn.PgConn().TxStatus() != handle.StatusIdle {
		return smrt.ErrTxOpen
	}
	return nil
}
