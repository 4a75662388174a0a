package crud

import (
	"context"
	"reflect"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// Bound is a table on a handle, with what is read of its rows. Its methods are
// those of a repository whose entities are known by address only; each says
// which operation failed. A generic method that calls one of them is some
// hundred bytes of code, of which a program has one for each entity.
type Bound struct {
	DB   smrt.DB
	Core *Core
	Rows *Projection

	// Entity finds the entity in a row, which the cursors of pages are made
	// of. It is nil where a row does not hold one.
	Entity meta.Accessor
	Secret []byte // of cursors

	sharing Sharing
	shared  *sharer // nil: reads by key go alone
}

func (b *Bound) fail(ctx context.Context, op Op, err error) error {
	if err == nil {
		return nil
	}
	return b.Core.Fail(ctx, b.DB, op, err)
}

// Bind returns a table on a handle, read as its own entities.
func Bind(db smrt.DB, t *plan.Table) *Bound {
	core := Of(t)
	b := &Bound{DB: db, Core: core, Rows: core.Self, Entity: func(p unsafe.Pointer) unsafe.Pointer { return p }}
	b.Share(DefaultSharing)
	return b
}

// Share says how reads by key share statements.
func (b *Bound) Share(s Sharing) {
	b.sharing, b.shared = s, sharerOf(b.DB, b.Core, s)
}

// With is b on another handle.
func (b *Bound) With(db smrt.DB) *Bound {
	with := *b
	with.DB, with.shared = db, sharerOf(db, b.Core, b.sharing)
	return &with
}

// As is b with another projection, whose rows are structs of type row.
func (b *Bound) As(row reflect.Type, list string, targets []meta.Target, entity meta.Accessor) *Bound {
	as := *b
	as.Rows, as.Entity = b.Core.Project(row, list, targets), entity
	as.sharing, as.shared = Sharing{}, nil // only whole entities are shared
	return &as
}

// Get reads the row with the key at key into a new struct.
func (b *Bound) Get(ctx context.Context, key unsafe.Pointer) (unsafe.Pointer, error) {
	p, err := b.get(ctx, key)
	return p, b.fail(ctx, "get", err)
}

func (b *Bound) get(ctx context.Context, key unsafe.Pointer) (unsafe.Pointer, error) {
	found, at, err := b.meet(ctx, b.Core.keys(key, 1), true)
	switch {
	case err != nil:
		return nil, err
	case found == nil:
		defer at.leave()
		return b.Core.Get(ctx, b.DB, b.Rows, key)
	case found[0] == nil:
		return nil, smrt.ErrNotFound
	}
	return found[0], nil
}

// GetMany reads the rows with the n keys at keys. It returns the address of
// each key's struct, in the order of the keys.
func (b *Bound) GetMany(ctx context.Context, keys unsafe.Pointer, n int) ([]unsafe.Pointer, error) {
	found, err := b.getMany(ctx, b.Core.keys(keys, n))
	return found, b.fail(ctx, "get", err)
}

func (b *Bound) getMany(ctx context.Context, keys Rows) ([]unsafe.Pointer, error) {
	if keys.N > 0 {
		found, at, err := b.meet(ctx, keys, false)
		if err != nil || found != nil {
			return found, err
		}
		defer at.leave()
	}
	found := slab{structs: &b.Rows.structs, expect: keys.N}
	if err := b.Core.GetMany(ctx, b.DB, b.Rows, keys, "", found.next); err != nil {
		return nil, err
	}
	return b.Core.match(keys, found.all), nil
}

// LockMany is GetMany that locks the rows, in the order of their keys.
func (b *Bound) LockMany(ctx context.Context, keys unsafe.Pointer, n int) ([]unsafe.Pointer, error) {
	rows := b.Core.keys(keys, n)
	found := slab{structs: &b.Rows.structs, expect: n}
	err := b.Core.NeedKey(ctx, b.DB)
	switch {
	case err != nil:
	case Pooled(b.DB):
		err = &smrt.QueryError{Reason: "locks end with their transaction, and a pool has none: call With(tx)"}
	default:
		err = b.Core.GetMany(ctx, b.DB, b.Rows, rows, b.Core.forUpdate(), found.next)
	}
	if err != nil {
		return nil, b.fail(ctx, "lock", err)
	}
	return b.Core.match(rows, found.all), nil
}

// Find reads the rows that match.
func (b *Bound) Find(ctx context.Context, s *plan.Spec) (Slice, error) {
	return b.collect(ctx, "find", s, nil)
}

func (b *Bound) collect(ctx context.Context, op Op, s *plan.Spec, and *plan.Node) (Slice, error) {
	found := list{structs: &b.Rows.structs} // not made by a function, so that it is on the stack
	found.start(capacity(s))
	if err := b.Core.Query(ctx, b.DB, b.Rows, s, and, found.next); err != nil {
		return Slice{}, b.fail(ctx, op, err)
	}
	return found.Slice, nil
}

// maxPrealloc bounds what is allocated before a row has been seen.
const maxPrealloc = 128

// capacity guesses the number of rows of a query.
func capacity(s *plan.Spec) int {
	if s = s.OrEmpty(); s.HasLimit && s.Limit >= 0 {
		return int(min(s.Limit, maxPrealloc))
	}
	return 0
}

// First reads the first row that matches into a new struct.
func (b *Bound) First(ctx context.Context, s *plan.Spec) (unsafe.Pointer, error) {
	return b.only(ctx, "first", b.Core.Ordered(s.AtMost(1)))
}

// One reads the only row that matches into a new struct.
func (b *Bound) One(ctx context.Context, s *plan.Spec) (unsafe.Pointer, error) {
	return b.only(ctx, "one", s.AtMost(2))
}

func (b *Bound) only(ctx context.Context, op Op, s *plan.Spec) (unsafe.Pointer, error) {
	var p unsafe.Pointer
	n := 0
	err := b.Core.Query(ctx, b.DB, b.Rows, s, nil, func() unsafe.Pointer {
		n++
		p = b.Rows.one()
		return p
	})
	switch {
	case err != nil:
	case n == 0:
		err = smrt.ErrNotFound
	case n > 1:
		err = smrt.ErrTooManyRows
	default:
		return p, nil
	}
	return nil, b.fail(ctx, op, err)
}

// Count counts the rows that match.
func (b *Bound) Count(ctx context.Context, s *plan.Spec) (int64, error) {
	n, err := b.Core.Count(ctx, b.DB, s)
	return n, b.fail(ctx, "count", err)
}

// Exists tells whether a row matches.
func (b *Bound) Exists(ctx context.Context, s *plan.Spec) (bool, error) {
	ok, err := b.Core.Exists(ctx, b.DB, s)
	return ok, b.fail(ctx, "exists", err)
}

// Stream reads the rows that match one by one, each into the same struct, and
// hands it to yield. An error ends the stream; it comes with a zero struct.
func (b *Bound) Stream(ctx context.Context, s *plan.Spec, yield func(unsafe.Pointer, error) bool) {
	row := reflect.New(b.Rows.of)
	p := row.UnsafePointer()
	next := func() unsafe.Pointer {
		row.Elem().SetZero()
		return p
	}
	err := b.Core.Stream(ctx, b.DB, b.Rows, s, next, func() bool { return yield(p, nil) })
	if err != nil {
		yield(next(), b.fail(ctx, "stream", err))
	}
}

// MaxPageSize is the largest page.
const MaxPageSize = 10_000

// Page is one page of rows. A repo.Page is the same memory with a type.
type Page struct {
	Items      Slice
	Next, Prev string
}

// Page reads a page.
func (b *Bound) Page(ctx context.Context, s *plan.Spec, size int, after, before string) (*Page, error) {
	w, err := b.Core.Window(ctx, s, PageRequest{b.Secret, size, MaxPageSize, after, before, b.Entity})
	if err != nil {
		return nil, b.fail(ctx, "page", err)
	}
	items, err := b.collect(ctx, "page", w.Spec, w.Behind)
	if err != nil {
		return nil, err
	}
	page := &Page{}
	page.Next, page.Prev, err = w.Cursors(b.Rows.rows(items))
	if err != nil {
		return nil, b.fail(ctx, "page", err)
	}
	page.Items = items.first(size)
	if w.Backwards {
		b.Rows.reverse(&page.Items)
	}
	return page, nil
}

// OffsetPage is one numbered page of rows. A repo.OffsetPage is the same memory
// with a type.
type OffsetPage struct {
	Items  Slice
	Number int
	Size   int
	Total  int64
}

// PageNumber reads a numbered page and counts all rows.
func (b *Bound) PageNumber(ctx context.Context, s *plan.Spec, number, size int) (*OffsetPage, error) {
	numbered, total, err := b.Core.Numbered(ctx, b.DB, s, number, size, MaxPageSize)
	if err != nil {
		return nil, b.fail(ctx, "page", err)
	}
	items, err := b.collect(ctx, "page", numbered, nil)
	if err != nil {
		return nil, err
	}
	return &OffsetPage{Items: items, Number: number, Size: size, Total: total}, nil
}

// Insert creates the row of the entity at p.
func (b *Bound) Insert(ctx context.Context, p unsafe.Pointer) error {
	return b.fail(ctx, "create", b.Core.Insert(ctx, b.DB, p))
}

// InsertMany creates the rows of the n entities at base.
func (b *Bound) InsertMany(ctx context.Context, base unsafe.Pointer, n int) error {
	return b.fail(ctx, "create", b.Core.InsertMany(ctx, b.DB, b.Core.entities(base, n), nil, nil))
}

// Outcome is what an upsert did with a row.
type Outcome uint8

// The outcomes of an upsert.
const (
	Unchanged Outcome = iota
	Inserted
	Updated
)

func outcomeOf(inserted bool) Outcome {
	if inserted {
		return Inserted
	}
	return Updated
}

// Upsert creates or updates the row of the entity at p.
func (b *Bound) Upsert(ctx context.Context, p unsafe.Pointer, x *plan.Conflict) (Outcome, error) {
	n, inserted, err := b.Core.Upsert(ctx, b.DB, p, (*Conflict)(x.OrEmpty()))
	if err != nil || n == 0 {
		return Unchanged, b.fail(ctx, "upsert", err)
	}
	return outcomeOf(inserted), nil
}

// UpsertMany creates or updates the rows of the n entities at base.
func (b *Bound) UpsertMany(ctx context.Context, base unsafe.Pointer, n int, x *plan.Conflict) ([]Outcome, error) {
	outcomes := make([]Outcome, n)
	err := b.Core.InsertMany(ctx, b.DB, b.Core.entities(base, n), (*Conflict)(x.OrEmpty()), func(i int, inserted bool) { outcomes[i] = outcomeOf(inserted) })
	if err != nil {
		return nil, b.fail(ctx, "upsert", err)
	}
	return outcomes, nil
}

// Update writes the whole row of the entity at p.
func (b *Bound) Update(ctx context.Context, p unsafe.Pointer) error {
	return b.fail(ctx, "update", b.Core.Update(ctx, b.DB, p))
}

// UpdateMany writes the whole rows of the n entities at base.
func (b *Bound) UpdateMany(ctx context.Context, base unsafe.Pointer, n int) (int64, error) {
	written, err := b.Core.UpdateMany(ctx, b.DB, b.Core.entities(base, n))
	return written, b.fail(ctx, "update", err)
}

// Patch assigns columns of the row with the key at key.
func (b *Bound) Patch(ctx context.Context, key unsafe.Pointer, sets []plan.Set) error {
	return b.fail(ctx, "patch", b.Core.Patch(ctx, b.DB, key, sets))
}

// UpdateWhere assigns columns of the rows that match.
func (b *Bound) UpdateWhere(ctx context.Context, s *plan.Spec, sets []plan.Set) (int64, error) {
	n, err := b.Core.UpdateWhere(ctx, b.DB, s, sets)
	return n, b.fail(ctx, "update", err)
}

// Delete deletes the row with the key at key.
func (b *Bound) Delete(ctx context.Context, key unsafe.Pointer, hard bool) error {
	return b.fail(ctx, "delete", b.Core.Delete(ctx, b.DB, key, hard))
}

// Restore takes a soft delete back.
func (b *Bound) Restore(ctx context.Context, key unsafe.Pointer) error {
	return b.fail(ctx, "restore", b.Core.Restore(ctx, b.DB, key))
}

// DeleteMany deletes the rows with the n keys at keys.
func (b *Bound) DeleteMany(ctx context.Context, keys unsafe.Pointer, n int) (int64, error) {
	deleted, err := b.Core.DeleteMany(ctx, b.DB, b.Core.keys(keys, n), false)
	return deleted, b.fail(ctx, "delete", err)
}

// DeleteWhere deletes the rows that match, softly where that is declared.
func (b *Bound) DeleteWhere(ctx context.Context, s *plan.Spec) (int64, error) {
	n, err := b.Core.DeleteWhere(ctx, b.DB, s, false)
	return n, b.fail(ctx, "delete", err)
}

// HardDeleteWhere deletes the rows that match for good.
func (b *Bound) HardDeleteWhere(ctx context.Context, s *plan.Spec) (int64, error) {
	n, err := b.Core.DeleteWhere(ctx, b.DB, s, true)
	return n, b.fail(ctx, "delete", err)
}

// entities describes n entities, keys n keys.
func (c *Core) entities(base unsafe.Pointer, n int) Rows { return Rows{base, c.Self.size, n} }
func (c *Core) keys(base unsafe.Pointer, n int) Rows     { return Rows{base, c.KeySize, n} }

// match returns the entity of each key, nil where there is none.
func (c *Core) match(keys Rows, entities []unsafe.Pointer) []unsafe.Pointer {
	out := make([]unsafe.Pointer, keys.N)
	if col := c.keyParts[0]; len(c.keyParts) == 1 && col.Encode == meta.KindInt64 {
		byKey := make(map[int64]unsafe.Pointer, len(entities))
		for _, p := range entities {
			byKey[c.Key[0].Column.Int(p)] = p
		}
		for i := range keys.N {
			out[i] = byKey[col.Int(keys.at(i))]
		}
		return out
	}
	byKey := make(map[string]unsafe.Pointer, len(entities))
	columns := c.keyColumns()
	for _, p := range entities {
		byKey[targetKey(columns, p)] = p
	}
	for i := range keys.N {
		out[i] = byKey[targetKey(c.keyParts, keys.at(i))]
	}
	return out
}
