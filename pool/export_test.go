package pool

import "context"

// Scan tells what a text of SQL is known for.
func Scan(sql string) (leaves, hears, once, binds bool, feature string) {
	return ScanEscaped(sql, false)
}

// ScanEscaped does so where a backslash may escape a quote.
func ScanEscaped(sql string, escapes bool) (leaves, hears, once, binds bool, feature string) {
	v := scan(sql, escapes)
	return v.trait&leavesTrait != 0, v.trait&hearsTrait != 0, v.trait&onceTrait != 0, v.trait&bindsTrait != 0, v.feature
}

const leavesTrait, hearsTrait, onceTrait, bindsTrait = leaves, hears, once, binds

// Simulated is the waiting of a pool without the pool: calls wait in order, as in
// that of pgx, under the patience of a real one, for connections that are tokens.
type Simulated struct {
	p    *Pool
	free chan struct{}
}

// Simulate returns such a pool.
func Simulate(cfg Config) *Simulated {
	s, err := resolve(cfg)
	if err != nil {
		panic(err)
	}
	sim := &Simulated{newPool(s), make(chan struct{}, s.MaxConns)}
	for range s.MaxConns {
		sim.Release()
	}
	return sim
}

// Acquire waits for a token. The reason says why the pool has ended that.
func (s *Simulated) Acquire(ctx context.Context) (reason string, err error) {
	w := s.p.patience(ctx, 0)
	select {
	case <-w.Done():
		err = w.Err()
	default:
		select {
		case <-s.free:
		default:
			select {
			case <-s.free:
			case <-w.Done():
				err = w.Err()
			}
		}
	}
	_, reason = s.p.end(w, err == nil)
	return reason, err
}

// Release gives a token back.
func (s *Simulated) Release() { s.free <- struct{}{} }

// Waiting returns how many calls wait as far as the queue knows.
func (s *Simulated) Waiting() int { return s.p.Waiting() }

// Overloaded reports whether calls are refused.
func (s *Simulated) Overloaded() bool { return s.p.queue.isOverloaded() }

// Waiting returns how many calls wait as far as the queue knows.
func (p *Pool) Waiting() int {
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	return p.queue.waiting.Len()
}
