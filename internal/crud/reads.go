package crud

import (
	"cmp"
	"context"
	"reflect"
	"slices"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/keyset"
	"github.com/smrt-go/smrt/internal/limit"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/internal/table"
)

// The declared reads of a Bound. What each passes to Read starts from nothing,
// because it may run again on another node.

// Find reads the rows that match, with joined columns unless joined is nil.
func (b *Bound) Find(ctx context.Context, s *plan.Spec, joined JoinedColumns) (vs table.Slice, err error) {
	defer b.Begin(&ctx, "find", table.Work{Does: table.ReadsRows, Spec: s}).End(&err)
	if n := limit.Of(ctx).Cut(); n > 0 && !s.OrEmpty().HasLimit {
		s = s.OrEmpty().WithLimit(int(n))
	}
	err = b.Read(ctx, "find", s, func(on *Bound) (err error) {
		if joined != nil {
			vs, err = on.readJoined(ctx, s, joined)
		} else {
			vs, err = on.collect(ctx, s)
		}
		return on.fail(ctx, "find", err)
	})
	return vs, err
}

// collect reads the rows that match into a slice.
func (b *Bound) collect(ctx context.Context, s *plan.Spec) (table.Slice, error) {
	found := table.List{Of: &b.Rows.Structs} // not made by a function, so that it is on the stack
	start(&found, s)
	if err := b.query(ctx, s, found.Next); err != nil {
		return table.Slice{}, err
	}
	return found.Slice, nil
}

// First reads the first row that matches into a new struct, with joined columns
// unless joined is nil.
func (b *Bound) First(ctx context.Context, s *plan.Spec, joined JoinedColumns) (unsafe.Pointer, error) {
	return b.only(ctx, "first", b.ordered(s.AtMost(1)), joined)
}

// One reads the only row that matches into a new struct, with joined columns
// unless joined is nil.
func (b *Bound) One(ctx context.Context, s *plan.Spec, joined JoinedColumns) (unsafe.Pointer, error) {
	return b.only(ctx, "one", s.AtMost(2), joined)
}

func (b *Bound) only(ctx context.Context, op table.Op, s *plan.Spec, joined JoinedColumns) (p unsafe.Pointer, err error) {
	defer b.Begin(&ctx, op, table.Work{Does: table.ReadsRows, Spec: s}).End(&err)
	err = b.Read(ctx, op, s, func(on *Bound) (err error) {
		if joined != nil {
			p, err = on.onlyJoined(ctx, s, joined)
		} else {
			p, err = on.onlyHere(ctx, s)
		}
		return on.fail(ctx, op, err)
	})
	return p, err
}

// Count counts the rows that match.
func (b *Bound) Count(ctx context.Context, s *plan.Spec) (n int64, err error) {
	defer b.Begin(&ctx, "count", table.Work{Does: table.Computes, N: 1, Spec: s}).End(&err)
	err = b.Read(ctx, "count", s, func(on *Bound) (err error) {
		n, err = on.count(ctx, s)
		return on.fail(ctx, "count", err)
	})
	return n, err
}

// Exists reports whether a row matches.
func (b *Bound) Exists(ctx context.Context, s *plan.Spec) (ok bool, err error) {
	defer b.Begin(&ctx, "exists", table.Work{Does: table.LooksFor, Spec: s}).End(&err)
	err = b.Read(ctx, "exists", s, func(on *Bound) (err error) {
		ok, err = on.exists(ctx, s)
		return on.fail(ctx, "exists", err)
	})
	return ok, err
}

// Group selects values of groups of the rows that match, into structs that the
// outputs say the fields of.
func (b *Bound) Group(ctx context.Context, row reflect.Type, outputs []plan.Output, groups, s *plan.Spec) (vs table.Slice, err error) {
	call := b.Enter(&ctx, "group")
	defer call.End(&err)
	g := &plan.Groups{Spec: groups.OrEmpty()}
	var targets []meta.Target
	for _, o := range outputs {
		g.Outputs, targets = append(g.Outputs, o.Column), append(targets, o.Target)
	}
	if call.Priced() {
		call.Ask(b.priceOfGroups(ctx, call, g, s))
	}
	if err := plan.CheckOutputs(outputs); err != nil {
		return vs, b.fail(ctx, "group", err)
	}
	to := table.StructsOf(row)
	err = b.grouped(ctx, "group", g, s, func(on *Bound, r *plan.Request) error {
		return on.again(func(on *Bound) (err error) {
			vs, err = on.groupOnce(ctx, r, &to, targets)
			return err
		})
	})
	return vs, err
}

// grouped checks what belongs to groups, and runs a request for them.
func (b *Bound) grouped(ctx context.Context, op table.Op, g *plan.Groups, s *plan.Spec, run func(*Bound, *plan.Request) error) error {
	err := cmp.Or(g.Check(), checkAggregate(s))
	if err != nil {
		return b.fail(ctx, op, err)
	}
	routed := s
	if !g.Keyed() {
		routed = nil // there is one group even if no row can match
	}
	return b.Read(ctx, op, routed, func(on *Bound) error {
		return on.fail(ctx, op, run(on, &plan.Request{Verb: plan.GroupBy, Groups: g, Spec: s}))
	})
}

func (b *Bound) groupOnce(ctx context.Context, r *plan.Request, to *table.Structs, targets []meta.Target) (table.Slice, error) {
	rows, err := b.open(ctx, r)
	if rows == nil {
		return table.Slice{}, err
	}
	found := table.List{Of: to}
	found.Start(0)
	if _, err := b.each(rows, targets, found.Next); err != nil {
		return table.Slice{}, err
	}
	return found.Slice, nil
}

func checkAggregate(s *plan.Spec) error {
	s = s.OrEmpty()
	if s.HasLimit || s.HasOffset || s.Lock != plan.NoLock {
		return &smrt.QueryError{Reason: "an aggregate takes no limit, offset or lock"}
	}
	return nil
}

// Stream reads the rows that match one by one, each into the same struct, and
// hands it to yield. An error ends the stream; it comes with a zero struct.
func (b *Bound) Stream(ctx context.Context, s *plan.Spec, yield func(unsafe.Pointer, error) bool) {
	row := reflect.New(b.Rows.Type)
	p := row.UnsafePointer()
	next := func() unsafe.Pointer {
		row.Elem().SetZero()
		return p
	}
	left, seen := false, false
	err := func() (err error) {
		defer b.Begin(&ctx, "stream", table.Work{Does: table.ReadsRows, Spec: s}).End(&err) // also if the loop panics
		return b.route(ctx, "stream", s, func(on *Bound) (final bool, err error) {
			err = on.stream(ctx, s, next, func() bool {
				seen = true
				left = !yield(p, nil)
				return !left
			})
			return seen, on.fail(ctx, "stream", err)
		})
	}()
	if err != nil && !left { // who left the loop has all that was asked for
		yield(next(), err)
	}
}

// Page reads a page.
func (b *Bound) Page(ctx context.Context, s *plan.Spec, size int, after, before string) (page *Page, err error) {
	call := b.Enter(&ctx, "page")
	defer call.End(&err)
	if size == 0 {
		size = int(call.PageSize())
	}
	b.ask(ctx, call, table.Work{Does: table.ReadsRows, N: size, Spec: s})
	w, err := b.window(ctx, s, keyset.Request{Size: size, After: after, Before: before})
	if err != nil {
		return nil, b.fail(ctx, "page", err)
	}
	err = b.Read(ctx, "page", s, func(on *Bound) (err error) {
		page, err = on.page(ctx, w, size)
		return w.FromCursor(on.fail(ctx, "page", err))
	})
	return page, err
}

// window prepares a page.
func (b *Bound) window(ctx context.Context, s *plan.Spec, r keyset.Request) (*keyset.Window, error) {
	if b.Entity == nil {
		return nil, &smrt.QueryError{Reason: "the order of a page is read from whole entities: page the repository, or a View, not a Select"}
	}
	p := &keyset.Pager{Table: b.Table.Table.Table, Secrets: b.Secrets}
	of, err := b.Table.Owner(ctx)
	if err != nil {
		return nil, err
	}
	if of.All || of.Bound() { // a cursor of one tenant is none for another
		p.Within = of.Fingerprint
	}
	return p.Window(ctx, s, r)
}

func (b *Bound) page(ctx context.Context, w *keyset.Window, size int) (*Page, error) {
	items, edge, err := b.readPage(ctx, w)
	if err != nil {
		return nil, err
	}
	page := &Page{}
	if page.Next, page.Prev, err = w.Cursors(&edge, items.Len()); err != nil {
		return nil, err
	}
	page.Items = items.First(size)
	if w.Backwards {
		b.Rows.Reverse(&page.Items)
	}
	return page, nil
}

// readPage reads the rows of a page, and one more if another page follows.
func (b *Bound) readPage(ctx context.Context, w *keyset.Window) (items table.Slice, e keyset.Edge, err error) {
	err = b.again(func(on *Bound) (err error) {
		items, e, err = on.readPageOnce(ctx, w)
		return err
	})
	return items, e, err
}

func (b *Bound) readPageOnce(ctx context.Context, w *keyset.Window) (items table.Slice, e keyset.Edge, err error) {
	found := table.List{Of: &b.Rows.Structs}
	start(&found, w.Spec)
	r := b.request(w.Spec)
	r.Exprs = slices.Concat(r.Exprs, w.Hidden)
	if r.Ranges = w.Ranges(); r.Ranges == nil {
		r.AndThen = w.Following()
	}
	rows, err := b.openBeyond(ctx, r, 1)
	if rows == nil {
		return found.Slice, e, err
	}
	n := 0
	_, err = b.each(rows, b.Rows.Targets, func() unsafe.Pointer {
		w.Note(&e, rows, n)
		n++
		return found.Next()
	})
	if err != nil {
		return items, e, b.Table.ExplainSpec(ctx, b.DB, err, w.Spec)
	}
	return found.Slice, e, nil
}

// OffsetPage is one numbered page of rows. A repo.OffsetPage is the same memory
// with a type.
type OffsetPage struct {
	Items  table.Slice
	Number int
	Size   int
	Total  int64
}

// PageNumber reads a numbered page and counts all rows.
func (b *Bound) PageNumber(ctx context.Context, s *plan.Spec, number, size int) (page *OffsetPage, err error) {
	defer b.Begin(&ctx, "page", NumberedPage(s, number, size)).End(&err)
	err = b.Read(ctx, "page", s, func(on *Bound) (err error) {
		page, err = on.pageNumber(ctx, s, number, size)
		return on.fail(ctx, "page", err)
	})
	return page, err
}

func (b *Bound) pageNumber(ctx context.Context, s *plan.Spec, number, size int) (*OffsetPage, error) {
	numbered, total, err := b.numbered(ctx, s, number, size)
	if err != nil {
		return nil, err
	}
	items, err := b.collect(ctx, numbered)
	if err != nil {
		return nil, err
	}
	return &OffsetPage{Items: items, Number: number, Size: size, Total: total}, nil
}

// numbered prepares a page that is known by its number, and counts all rows.
func (b *Bound) numbered(ctx context.Context, s *plan.Spec, number, size int) (*plan.Spec, int64, error) {
	s = s.OrEmpty()
	if err := keyset.CheckPage(ctx, s, size); err != nil {
		return nil, 0, err
	}
	if err := limit.Of(ctx).Rows(size); err != nil { // before the rows are counted
		return nil, 0, err
	}
	if number < 1 || number > maxPageNumber {
		return nil, 0, &smrt.PageError{What: "number", Min: 1, Max: maxPageNumber}
	}
	total, err := b.count(ctx, s)
	page := s.WithLimit(size).WithOffset((number - 1) * size)
	if page.Order = keyset.TotalOrder(b.Table.Table.Table, s); len(page.Order) > 0 {
		page.Unordered = false
	}
	return page, total, err
}
