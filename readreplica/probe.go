package readreplica

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/sony/gobreaker/v2"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/traced"
)

// prober asks one server how it is, on a connection of its own: in a pool that
// is exhausted, a healthy server could not answer.
type prober struct {
	conn  *pgx.Conn
	waits bool          // the server has WAIT FOR LSN
	soon  chan struct{} // asks for a probe at once

	asked  instant               // when the last full probe began
	probed chan struct{}         // closed when the server was asked for the first time
	first  sync.Once             // closes probed
	last   atomic.Pointer[error] // of the last probe, nil if it was answered

	mu      sync.Mutex
	waiters []*waiter
}

// waiter waits until the server has replayed need.
type waiter struct {
	need smrt.Position
	done chan struct{}
}

func (p *prober) init() { p.soon, p.probed = make(chan struct{}, 1), make(chan struct{}) }

// noteProbe remembers how a probe ended.
func (p *prober) noteProbe(err error) {
	if err == nil {
		p.last.Store(nil)
	} else if !errors.Is(err, gobreaker.ErrOpenState) { // which says nothing new
		p.last.Store(&err)
	}
	p.first.Do(func() { close(p.probed) })
}

// hurry asks for a probe at once.
func (p *prober) hurry() {
	select {
	case p.soon <- struct{}{}:
	default: // one is asked for already
	}
}

// Each node has one goroutine, which probes it. The pause until the next look
// depends on what is known:
//
//	somebody waits for a position, and the server  a look at the position (poll): at once if the
//	answers                                        server can wait by itself, else in 1, 2, 4, 8 ms
//	it failed lately, is out, is too far behind,   a probe in a tenth of ProbeInterval
//	or has not answered yet
//	else                                           a probe in ProbeInterval, a fifth more or less
//	hurry was called                               a probe now, but not more often than 20 times in
//	                                               ProbeInterval, as failures in traffic may be many
//
// A position is never polled for longer than ProbeInterval without a full probe.

// run probes until ctx ends.
func (n *Node) run(ctx context.Context) {
	p := &n.prober
	defer p.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	interval := n.router.cfg.ProbeInterval
	for step := time.Millisecond; ; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-p.soon:
			if rest := interval/20 - p.asked.since(); rest > 0 && !p.waiting() { // failures may be many
				timer.Reset(rest)
				continue
			}
		}
		if p.waiting() && p.conn != nil && !n.down.Load() && p.asked.since() < interval {
			n.poll(ctx)
		} else {
			p.asked = now()
			n.check(ctx)
		}
		var pause time.Duration
		switch {
		case p.waiting() && p.conn != nil && !n.down.Load():
			if p.waits { // the server waits, not we
				pause = 0
				break
			}
			pause = step
			step = min(2*step, maxStep)
		case n.shaky.Load() || n.stale.Load() || n.down.Load() || n.status.Load() == nil:
			pause = interval / 10
		default:
			step = time.Millisecond
			pause = time.Duration(float64(interval) * (0.8 + 0.4*rand.Float64())) // not all programs at once
		}
		timer.Reset(pause)
	}
}

// maxStep is the longest pause between two looks at a replica that is waited
// for.
const maxStep = 8 * time.Millisecond

// errProbeTimeout means that a server did not answer a probe in time.
var errProbeTimeout = errors.New("no answer in time")

// check probes through the breaker, which lets it pass as long as the server is
// up, and now and then when it is not. All other traffic has to wait for what
// it finds out.
func (n *Node) check(ctx context.Context) {
	var seen *status
	_, err := n.breaker.Execute(func() (s struct{}, err error) {
		seen, err = n.ask(ctx)
		return s, err
	})
	if ctx.Err() != nil {
		return
	}
	after := n.down.Load()
	switch {
	case seen != nil:
		n.shaky.Store(after)
	case err != nil && isHealth(err):
		n.shaky.Store(true)
		if after {
			n.cut()
		}
	}
	n.router.learn(n, seen, err)
}

// cut ends what waits for a server that does not answer. Writes are left alone:
// whether they took place is not known, and the server may know better than its
// probes.
func (n *Node) cut() {
	if n.own && n.wires.cut() > 0 {
		n.reads.Reset()
	}
}

// ask asks the server once.
func (n *Node) ask(ctx context.Context) (*status, error) {
	p := &n.prober
	if p.conn == nil || p.conn.IsClosed() {
		if err := n.connect(ctx); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, n.router.cfg.ProbeTimeout, errProbeTimeout)
	defer cancel()
	s := &status{asked: now()}
	err := s.read(ctx, p.conn, n.router.kind())
	if err != nil {
		p.close()
		return nil, because(ctx, err)
	}
	n.rest(s.asked.since())
	return s, nil
}

// because replaces the error of a context that ran out by what that means.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && errors.Is(cause, errProbeTimeout) {
		return cause
	}
	return err
}

// connect opens the prober's connection. That takes more round trips than a
// probe, so it has more time.
func (n *Node) connect(ctx context.Context) error {
	cfg := n.writes.Config().ConnConfig
	cfg.Tracer = nil                                                              // probes are not the program's queries
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec                              // nothing to prepare, so that poolers do not matter
	cfg.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler { // a probe that is late is not worth a request to cancel
		return &pgconn.DeadlineContextWatcherHandler{Conn: conn.Conn()}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 4*n.router.cfg.ProbeTimeout, errProbeTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return because(ctx, err)
	}
	n.prober.conn, n.prober.waits = conn, canWait(conn)
	if n.router.kind() == Detect {
		engine, err := detect(ctx, conn)
		if err != nil {
			return because(ctx, err)
		}
		n.router.engine.CompareAndSwap(uint32(Detect), uint32(engine))
	}
	return nil
}

// detect finds out what the server is. A pooler hands out process ids of its
// own.
func detect(ctx context.Context, conn *pgx.Conn) (Engine, error) {
	var engine int
	if err := conn.QueryRow(ctx, traced.Pass(engineSQL, "", "probe")).Scan(&engine); err != nil {
		return 0, fmt.Errorf("detect engine: %w", err)
	}
	if Engine(engine) != PostgreSQL {
		return Engine(engine), nil
	}
	var pid uint32
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		return 0, fmt.Errorf("detect pooler: %w", err)
	}
	if pid != conn.PgConn().PID() {
		return Pooled, nil
	}
	return PostgreSQL, nil
}

// close closes the connection, which the next probe opens anew.
func (p *prober) close() {
	if p.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = p.conn.Close(ctx)
		p.conn = nil
	}
}

// statusSQL asks for everything at once. What only a primary or only a standby
// can answer is an error on the other, so it is asked for by role. The timeline
// of a standby is that of its stream; where that may not be seen, because the
// role is not a member of pg_read_all_stats, or there is none, it is that of
// its last restart point, which is older or the same.
const statusSQL = `SELECT standby, current_setting('transaction_read_only') = 'on', system_identifier::text,
	CASE WHEN standby THEN coalesce(received_tli, timeline_id)::text
		ELSE substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8) END,
	(CASE WHEN standby THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END - '0/0')::text,
	CASE WHEN standby THEN coalesce(pg_last_wal_receive_lsn() <> pg_last_wal_replay_lsn(), false) ELSE false END,
	coalesce(stream.status = 'streaming', false), current_setting('synchronous_commit') = 'off'
	FROM pg_is_in_recovery() AS standby, pg_control_system(), pg_control_checkpoint()
		LEFT JOIN pg_stat_wal_receiver AS stream ON true`

const roleSQL = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'"

// read asks a server how it is, as far as its engine can say: everything, its role,
// or only whether it answers.
func (s *status) read(ctx context.Context, conn smrt.DB, engine Engine) error {
	switch {
	case !engine.roles():
		_, err := conn.Exec(ctx, "SELECT 1")
		return err
	case !engine.positions():
		return conn.QueryRow(ctx, traced.Pass(roleSQL, "", "probe")).Scan(&s.standby, &s.readOnly)
	}
	var system, timeline, position string
	err := conn.QueryRow(ctx, traced.Pass(statusSQL, "", "probe")).Scan(&s.standby, &s.readOnly, &system, &timeline, &position, &s.replaying, &s.streaming, &s.async)
	if err != nil {
		return err
	}
	base := 16
	if s.standby {
		base = 10
	}
	tli, err1 := strconv.ParseUint(timeline, base, 32)
	var err2, err3 error
	s.timeline = uint32(tli)
	s.system, err2 = strconv.ParseInt(system, 10, 64)
	s.position, err3 = strconv.ParseUint(position, 10, 64)
	return errors.Join(err1, err2, err3)
}

// poll looks how far a standby is that somebody waits for.
func (n *Node) poll(ctx context.Context) {
	p := &n.prober
	ctx, cancel := context.WithTimeoutCause(ctx, n.router.cfg.ProbeTimeout, errProbeTimeout)
	defer cancel()
	if p.waits {
		if _, err := p.conn.Exec(ctx, waitText(p.nearest())); err != nil {
			p.waits = false // a cancelled or refused wait is no reason to believe in another
		}
	}
	asked := now()
	position, standby, err := askReplayed(ctx, p.conn)
	if last := n.status.Load(); err == nil && standby && last != nil && last.standby {
		moved := *last // same stream, further on
		moved.asked, moved.position, moved.replaying = asked, max(position, last.position), true
		n.router.moved(n, &moved)
		return
	}
	if err != nil {
		p.close()
	}
	p.asked = 0
	p.hurry() // something has changed: ask for everything
}

// firstWithWait is the major version that has WAIT FOR LSN.
const firstWithWait = 19

// canWait reports whether the server can wait for a position by itself.
func canWait(conn *pgx.Conn) bool {
	major, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), ".")
	n, err := strconv.Atoi(major)
	return err == nil && n >= firstWithWait
}

// waitText lets the server wait for a position, for a moment: others may come
// who wait for less. The statement takes no arguments; what is put into it is a
// number.
func waitText(lsn uint64) string {
	return fmt.Sprintf("WAIT FOR LSN '%X/%X' WITH (MODE 'standby_replay', TIMEOUT '10ms', NO_THROW)", lsn>>32, uint32(lsn))
}

// nearest is the least position that somebody waits for.
func (p *prober) nearest() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	least := uint64(math.MaxUint64)
	for _, w := range p.waiters {
		least = min(least, w.need.LSN)
	}
	return least
}

// waiting reports whether somebody waits for a position.
func (p *prober) waiting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiters) > 0
}

// release lets those go on whose position is reached.
func (p *prober) release(s *status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiters = slices.DeleteFunc(p.waiters, func(w *waiter) bool {
		reached := w.need.Timeline == s.timeline && w.need.LSN <= s.position
		if reached {
			close(w.done)
		}
		return reached
	})
}

// await waits until the node has replayed need, which lies on its timeline. All
// who wait for a node share the looks at it.
func (n *Node) await(ctx context.Context, need smrt.Position, limit time.Duration) bool {
	w := &waiter{need: need, done: make(chan struct{})}
	p := &n.prober
	p.mu.Lock()
	p.waiters = append(p.waiters, w)
	first := len(p.waiters) == 1
	p.mu.Unlock()
	if first {
		p.hurry()
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-w.done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiters = slices.DeleteFunc(p.waiters, func(other *waiter) bool { return other == w })
	return false
}
