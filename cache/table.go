package cache

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/smrt-go/smrt/internal/cached"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
	"github.com/smrt-go/smrt/query"
)

// The defaults and limits of [Options].
const (
	defaultTTL        = time.Minute
	maxTTL            = 24 * time.Hour
	defaultMissingTTL = 2 * time.Second
	maxMissingTTL     = 5 * time.Second
)

// Options say how the rows of a table are kept. The zero Options are right for a table
// that only this process writes.
type Options struct {
	// TTL is how long a row is kept at most; up to 15 % less at random, so that what was
	// read together does not end together. It bounds how old a row may be that
	// something has changed which the cache does not see: another process, psql, a
	// trigger. From 1 s to a day. Default: a minute.
	TTL time.Duration

	// MissingTTL is how long it is kept that there is no row with a key. From 1 ms to
	// 5 s; -1 for not at all. Default: 2 s.
	MissingTTL time.Duration

	// StaleUntilTTL is what kinds of writes leave old rows in the cache until their TTL
	// ends. It needs a TTL. Everything that is said of rows that are never old holds
	// only without it. Default: none.
	StaleUntilTTL Writes

	// WrittenBy are tables whose writes change rows of this table too, by triggers or
	// functions of the database. Foreign keys need not be named, nor do views and
	// partitions: the database is asked for those.
	WrittenBy []Named
}

// Writes is a set of kinds of writes.
type Writes uint8

// The kinds of writes.
const (
	Creates Writes = Writes(cached.Create)
	Updates Writes = Writes(cached.Update)
	Deletes Writes = Writes(cached.Delete)
)

// Named is a declared table of any type, a *query.Table.
type Named interface{ Plan() *plan.Table }

// Table is a table whose rows are kept. See [Of].
type Table struct {
	of      *plan.Table
	options Options
}

// Of says that rows of a table are kept. At most one Options is given.
func Of[T any, K comparable](t *query.Table[T, K], options ...Options) Table {
	return of(t.Plan(), options)
}

// of is apart from Of, so that it exists once.
func of(t *plan.Table, options []Options) Table {
	declared := Table{of: t}
	if len(options) > 0 {
		declared.options = options[0]
	}
	if len(options) > 1 {
		declared.of = nil
	}
	return declared
}

// kind is a table that is kept, on all handles.
type kind struct {
	name    string // without its schema
	of      *plan.Table
	table   *table.Table
	number  uint32
	options Options
	counts  counts
	inexact atomic.Bool // a write of a row says nothing of which entries may have it, see keys.go

	all  cached.Word // of all rows
	made cached.Word // of those that do not exist
}

// counts of a table.
type counts struct {
	hits, missing, misses, joined, unkept, passed atomic.Uint64
}

func (t Table) kind() (*kind, error) {
	if t.of == nil {
		return nil, bad("options", "must be given once for a table")
	}
	k := &kind{name: base(t.of.Name), of: t.of, table: table.Of(t.of), options: t.options}
	o := &k.options
	switch {
	case o.StaleUntilTTL != 0 && o.TTL == 0:
		return nil, bad("StaleUntilTTL", "of "+k.name+" needs a TTL, which says how long old rows are returned")
	case o.StaleUntilTTL&^(Creates|Updates|Deletes) != 0:
		return nil, bad("StaleUntilTTL", "of "+k.name+" must consist of Creates, Updates and Deletes")
	case len(k.table.KeyParts) == 0:
		return nil, bad("tables", "must have keys, by which rows are kept: "+k.name+" has none")
	}
	if o.TTL == 0 {
		o.TTL = defaultTTL
	}
	if o.MissingTTL == 0 {
		o.MissingTTL = defaultMissingTTL
	}
	if o.TTL < time.Second || o.TTL > maxTTL {
		return nil, bad("TTL", fmt.Sprintf("of %s must be from 1s to %v, not %v", k.name, maxTTL, o.TTL))
	}
	if o.MissingTTL != -1 && (o.MissingTTL < time.Millisecond || o.MissingTTL > maxMissingTTL) {
		return nil, bad("MissingTTL", fmt.Sprintf("of %s must be from 1ms to %v, or -1, not %v", k.name, maxMissingTTL, o.MissingTTL))
	}
	for _, by := range o.WrittenBy {
		if by == nil {
			return nil, bad("WrittenBy", "of "+k.name+" must not hold nil")
		}
	}
	return k, nil
}

// base is the name of a table without its schema: a program that names it in two ways
// means one table, and if it means two, a write costs one of them a few reads.
func base(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// told is a cache as the rest of the library sees it.
type told struct{ *Cache }

// Cares implements cached.Cache.
func (c told) Cares(name string, does cached.Event) bool {
	r := c.reach.Load()
	return r.anything(base(name), does)
}

// ByKey implements cached.Cache.
func (c told) ByKey(decl any, does cached.Event) bool {
	for _, k := range c.kinds {
		if any(k.of) == decl {
			return !k.inexact.Load() && Writes(does)&^k.options.StaleUntilTTL != 0 && !slices.Contains(c.reach.Load().of(k.name, does), k)
		}
	}
	return false
}

// Touched implements cached.Cache.
func (c told) Touched(words []*cached.Word, w cached.Change) []*cached.Word {
	name := base(w.Table)
	if w.None {
		for _, k := range c.reach.Load().declared(name, w.Does) {
			words = append(words, &k.all)
		}
		return words
	}
	if k := c.tables[name]; k != nil && Writes(w.Does)&^k.options.StaleUntilTTL != 0 {
		words = c.rowsOf(words, k, w)
	}
	for _, k := range c.reach.Load().of(name, w.Does) {
		words = append(words, &k.all)
	}
	return words
}

// rowsOf appends the words of the rows of a change. Keys of another declaration of the
// table may be of other types. A row that was created is not in the cache; only that
// there is none may be.
func (c *Cache) rowsOf(words []*cached.Word, k *kind, w cached.Change) []*cached.Word {
	switch {
	case w.Decl == any(k.of) && w.Keys != nil && !k.inexact.Load():
		for _, key := range w.Keys {
			words = append(words, c.word(k, key))
		}
		if w.Does&cached.Create != 0 && !k.table.ExactKey() {
			words = append(words, &k.made) // a trigger may have made another text of a key
		}
		return words
	case w.Does == cached.Create:
		return append(words, &k.made)
	}
	return append(words, &k.all)
}

// Forget makes void what is kept of rows by their keys, or of all rows of the table if
// no key is given. It is for what the cache cannot see.
func Forget[T any, K comparable](c *Cache, t *query.Table[T, K], keys ...K) {
	of := table.Of(t.Plan())
	rows := of.Keys(unsafe.Pointer(unsafe.SliceData(keys)), len(keys))
	for _, w := range (told{c}).Touched(nil, of.Change(cached.Create|cached.Update|cached.Delete, of.KeyParts, rows)) {
		w.Change()
	}
}
