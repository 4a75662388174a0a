package readreplica_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/readreplica"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
)

// modelUser is a user as the model knows it: what a read of each counter must
// show at least.
type modelUser struct {
	ctx   context.Context
	floor map[int64]int64
}

// model makes random users write and read in random ways, while the standbys
// stand still and go on at random, and counts the reads that show less than
// what the same user has written or seen before.
type model struct {
	t      *testing.T
	c      *cluster
	r      *readreplica.Router
	rows   *repo.Repository[counter, int64]
	dice   *rand.Rand
	users  []*modelUser
	paused [2]bool
	last   int64 // every write writes a larger number
	tokens bool

	reads, stale int
}

func (m *model) saw(u *modelUser, id, n int64) {
	m.reads++
	if n < u.floor[id] {
		m.stale++
	}
	u.floor[id] = max(u.floor[id], n)
	if n > m.last {
		m.t.Errorf("counter %d is %d, which nobody wrote", id, n)
	}
}

func (m *model) write(u *modelUser, id int64) {
	m.last++
	n := m.last
	inside := func(ctx context.Context, tx pgx.Tx) error { return bump(ctx, m.rows.With(tx), id, n) }
	var err error
	switch m.dice.IntN(4) {
	case 0:
		err = bump(u.ctx, m.rows, id, n)
	case 1:
		err = txn.Run(u.ctx, m.r, inside)
	case 2:
		err = pgx.BeginFunc(u.ctx, m.r, func(tx pgx.Tx) error { return inside(u.ctx, tx) })
	case 3:
		var b pgx.Batch
		b.Queue("UPDATE counters SET n = $1 WHERE id = $2", n, id)
		err = m.r.SendBatch(u.ctx, &b).Close()
	}
	check.NoError(m.t, err)
	u.floor[id] = n
}

func (m *model) read(u *modelUser, id int64) {
	switch m.dice.IntN(5) {
	case 0:
		got, err := m.rows.Get(u.ctx, id)
		check.NoError(m.t, err)
		m.saw(u, id, got.N)
	case 1:
		got, err := m.rows.Find(u.ctx, query.Where(counterID.Le(3)))
		check.NoError(m.t, err)
		for _, c := range got {
			m.saw(u, c.ID, c.N)
		}
	case 2:
		var n int64
		check.NoError(m.t, m.r.Reader().QueryRow(u.ctx, "SELECT n FROM counters WHERE id = $1", id).Scan(&n))
		m.saw(u, id, n)
	case 3:
		check.NoError(m.t, txn.Run(u.ctx, m.r, func(ctx context.Context, tx pgx.Tx) error {
			got, err := m.rows.With(tx).Get(ctx, id)
			check.NoError(m.t, err)
			m.saw(u, id, got.N)
			return nil
		}, txn.Options{ReadOnly: true}))
	case 4:
		for c, err := range m.rows.Stream(u.ctx, query.Where(counterID.Le(3)).OrderBy(counterID.Asc())) {
			check.NoError(m.t, err)
			m.saw(u, c.ID, c.N)
			if m.dice.IntN(2) == 0 {
				break // what was seen before counts
			}
		}
	}
}

// disturb lets a standby stand still, or go on.
func (m *model) disturb() {
	i := m.dice.IntN(2)
	act := m.c.standbys[i].PauseReplay
	if m.paused[i] {
		act = m.c.standbys[i].ResumeReplay
	}
	check.NoError(m.t, act(m.t.Context()))
	m.paused[i] = !m.paused[i]
	time.Sleep(5 * time.Millisecond)
}

func (m *model) step() {
	u, id := m.users[m.dice.IntN(len(m.users))], m.dice.Int64N(3)+1
	switch p := m.dice.IntN(100); {
	case p < 5:
		m.disturb()
	case p < 15 && m.tokens: // the user's next request
		token, err := m.r.Token(u.ctx)
		check.NoError(m.t, err)
		u.ctx, err = m.r.Resume(m.t.Context(), token)
		check.NoError(m.t, err)
	case p < 35:
		m.write(u, id)
	default:
		m.read(u, id)
	}
}

// TestSessionsAgainstAModel proves that no sequence of writes and reads shows a
// session less than it has written and seen. The control has no sessions.
func TestSessionsAgainstAModel(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 0, 0)
	steps := 600
	if check.Long() {
		steps = 10_000
	}
	last := int64(0)
	for _, session := range []bool{true, false} {
		seed := rand.Uint64()
		m := &model{t: t, c: c, dice: rand.New(rand.NewPCG(seed, 0)), tokens: session, last: last}
		m.r = c.open(t, func(cfg *readreplica.Config) {
			cfg.Wait, cfg.PrimaryShare, cfg.Picker = 2*time.Millisecond, 1, readreplica.RoundRobin()
		})
		m.rows = repo.New(m.r, counters)
		for range 3 {
			u := &modelUser{ctx: t.Context(), floor: map[int64]int64{}}
			if session {
				u.ctx = readreplica.WithSession(u.ctx)
			}
			m.users = append(m.users, u)
		}
		for range steps {
			m.step()
		}
		for i, paused := range m.paused {
			if paused {
				check.NoError(t, c.standbys[i].ResumeReplay(t.Context()))
			}
			check.NoError(t, c.standbys[i].WaitForReplay(t.Context(), c.primary))
		}
		t.Logf("sessions %v, seed %d: %d reads, %d stale; %v", session, seed, m.reads, m.stale, reads(m.r))
		check.Same(t, "stale reads", m.stale > 0, !session)
		last = m.last
		m.r.Close()
	}
}
