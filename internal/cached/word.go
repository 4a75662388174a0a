package cached

import "sync/atomic"

// Word is the state of the rows that it stands for: how often they have changed, and
// in the upper bits how many writes may still take effect.
type Word struct{ v atomic.Uint64 }

// Value is what a word holds.
type Value uint64

// blocked is one write that may still take effect.
const blocked = 1 << 48

// Load returns the value of now.
func (w *Word) Load() Value { return Value(w.v.Load()) }

// Blocked reports whether what is read while a word has this value may not be kept.
func (v Value) Blocked() bool { return v >= blocked }

// Change makes void what was read before.
func (w *Word) Change() { w.v.Add(1) }

// mostBlocked is beyond what a cache watches at a time. A word with so many blocks has some
// that nobody ends, so that more need not be counted; the count would begin again at 0.
const mostBlocked = blocked << 15

// block makes void what was read before, and lets nothing be kept until unblock.
func (w *Word) block() {
	if w.v.Load() >= mostBlocked {
		w.Change()
		return
	}
	w.v.Add(blocked + 1)
}

// unblock ends block, and makes void what was read before.
func (w *Word) unblock() { w.v.Add(^uint64(blocked - 2)) }
