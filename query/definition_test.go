package query_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/smrt-go/smrt/query"
)

type (
	plain struct {
		ID   int64
		Name string
		At   time.Time
		Rev  int32

		Gone, Gone2 *time.Time
	}
	other  struct{ ID int64 }
	tagged struct {
		ID    int64
		Other *other
	}
	ptrKey   struct{ ID *int64 }
	twice    struct{ A, ID int64 }
	sameName struct {
		ID int64
		B  int64 `db:"id"`
	}
	noColumns struct{ hidden int } //nolint:unused // that is the point
	badTag    struct {
		ID int64 `db:"a_name_that_is_longer_than_the_sixty_three_bytes_which_postgresql_keeps"`
	}
	quotedTag struct {
		ID int64 `db:"\"id\""`
	}
	pair  struct{ A, B int64 }
	short struct{ A int64 }
)

var global int64

func TestBadDefinitionsPanic(t *testing.T) {
	t.Parallel()
	id := func(p *plain) *int64 { return &p.ID }
	part := query.Part(func(t *twice) *int64 { return &t.A }, func(k *pair) *int64 { return &k.A })
	rev := query.Col(func(p *plain) *int32 { return &p.Rev })
	for name, c := range map[string]struct {
		define func()
		want   string
	}{
		"nil accessor result":  {func() { query.Col(func(*plain) *int64 { return nil }) }, "returned nil"},
		"a global":             {func() { query.Col(func(*plain) *int64 { return &global }) }, "address of a field of its argument"},
		"another entity":       {func() { query.Col(func(*plain) *int64 { return &new(other).ID }) }, "address of a field of its argument"},
		"behind a pointer":     {func() { query.Col(func(t *ptrKey) *int64 { return &(*twice)(nil).ID }) }, "address of a field of its argument"},
		"not a column":         {func() { query.Col(func(p *plain) *plain { return p }) }, "not a column"},
		"nil function":         {func() { query.Col[plain, int64](nil) }, "panicked"},
		"not a struct":         {func() { query.Col(func(i *int64) *int64 { return i }) }, "not a struct"},
		"relation without tag": {func() { query.Col(func(t *tagged) *int64 { return &t.ID }) }, `a column only with a tag db:"name"`},
		"no columns":           {func() { query.NewKeylessTable[noColumns]("x") }, "no exported field"},
		"one column twice":     {func() { query.NewTable("x", func(s *sameName) *int64 { return &s.ID }) }, `two fields for column "id"`},
		"column name too long": {func() { query.NewKeylessTable[badTag]("x") }, "longer than 63 bytes"},
		"no name":              {func() { query.NewTable("", id) }, "empty"},
		"no name after schema": {func() { query.NewTable("a.", id) }, "empty"},
		"three names":          {func() { query.NewTable("a.b.c", id) }, "more than two parts"},
		"NUL in name":          {func() { query.NewTable("a\x00", id) }, "NUL"},
		"long name":            {func() { query.NewTable(strings.Repeat("ü", 32), id) }, "longer than 63 bytes"},
		"pointer key":          {func() { query.NewTable("x", func(p *ptrKey) **int64 { return &p.ID }) }, "must not be a pointer"},
		"cache size":           {func() { query.NewTable("x", id, query.PlanCacheSize[plain](0)) }, "PlanCacheSize"},
		"key is created at": {func() {
			query.NewTable("x", func(p *plain) *time.Time { return &p.At }, query.CreatedAt(func(p *plain) *time.Time { return &p.At }))
		}, "part of the key"},
		"key is version":      {func() { query.NewTable("x", id, query.Version(id)) }, "part of the key"},
		"version without key": {func() { query.NewKeylessTable("x", query.Version(func(p *plain) *int32 { return &p.Rev })) }, "needs a key"},
		"one part":            {func() { query.NewCompositeTable("x", query.Key[twice, pair]{part}) }, "2 to 4 parts"},
		"five parts":          {func() { query.NewCompositeTable("x", query.Key[twice, pair]{part, part, part, part, part}) }, "2 to 4 parts"},
		"the same part twice": {func() { query.NewCompositeTable("x", query.Key[twice, pair]{part, part}) }, "named twice"},
		"parts share a field": {func() {
			query.NewCompositeTable("x", query.Key[twice, pair]{part, query.Part(func(t *twice) *int64 { return &t.ID }, func(k *pair) *int64 { return &k.A })})
		}, "named twice"},
		"key too small": {func() {
			query.NewCompositeTable("x", query.Key[twice, short]{query.Part(func(t *twice) *int64 { return &t.A }, func(k *short) *int64 { return &k.A }), query.Part(func(t *twice) *int64 { return &t.ID }, func(k *short) *int64 { return &k.A })})
		}, ""},
		"parts not named": {func() {
			query.NewCompositeTable("x", pairKey(), query.KeyByDatabase[twice]())
		}, "name the parts that the database makes"},
		"part that is none": {func() {
			query.NewTable("x", id, query.KeyByDatabase(query.Col(func(p *plain) *string { return &p.Name })))
		}, "not part of the key"},
		"key as a default": {func() {
			query.NewCompositeTable("x", pairKey(), query.Default(query.Col(func(t *twice) *int64 { return &t.ID })))
		}, "declare it with KeyByDatabase"},
		"two columns of one role": {func() {
			query.NewTable("x", id, query.SoftDelete(func(p *plain) **time.Time { return &p.Gone }), query.SoftDelete(func(p *plain) **time.Time { return &p.Gone2 }))
		}, `SoftDelete is given twice, for column "gone" and for column "gone2"`},
		"one role twice": {func() {
			query.NewTable("x", id, query.Version(func(p *plain) *int32 { return &p.Rev }), query.Version(func(p *plain) *int32 { return &p.Rev }))
		}, "Version is given twice"},
		"created and updated at": {func() {
			query.NewTable("x", id, query.CreatedAt(func(p *plain) *time.Time { return &p.At }), query.UpdatedAt(func(p *plain) *time.Time { return &p.At }))
		}, `"at" cannot be both CreatedAt and UpdatedAt`},
		"a version that is computed": {func() {
			query.NewTable("x", id, query.Version(func(p *plain) *int32 { return &p.Rev }), query.Computed(rev))
		}, `"rev" cannot be both Computed and Version`},
		"a version with a default": {func() {
			query.NewTable("x", id, query.Default(rev), query.Version(func(p *plain) *int32 { return &p.Rev }))
		}, `"rev" cannot be both Default and Version`},
		"a default that is computed": {func() { query.NewTable("x", id, query.Computed(rev), query.Default(rev)) }, `"rev" cannot be both Computed and Default`},
		"a time with a default": {func() {
			query.NewTable("x", id, query.CreatedAt(func(p *plain) *time.Time { return &p.At }), query.Default(query.Col(func(p *plain) *time.Time { return &p.At })))
		}, `"at" cannot be both Default and CreatedAt`},
		"a deletion that is computed": {func() {
			query.NewTable("x", id, query.SoftDelete(func(p *plain) **time.Time { return &p.Gone }), query.Computed(query.NullCol(func(p *plain) **time.Time { return &p.Gone })))
		}, `"gone" cannot be both Computed and SoftDelete`},
		"a computed key":            {func() { query.NewTable("x", id, query.Computed(query.Col(id))) }, `"id" is part of the key and cannot be Computed`},
		"a default twice":           {func() { query.NewTable("x", id, query.Default(rev), query.Default(rev)) }, `"rev" is named twice in Default`},
		"keys by both":              {func() { query.NewTable("x", id, query.KeyByClient[plain](), query.KeyByDatabase[plain]()) }, "KeyByDatabase contradicts KeyByClient"},
		"keys by the program twice": {func() { query.NewTable("x", id, query.KeyByClient[plain](), query.KeyByClient[plain]()) }, "KeyByClient is given twice"},
		"no key by the database":    {func() { query.NewKeylessTable("x", query.KeyByDatabase[plain]()) }, "KeyByDatabase: the table has no key"},
		"a view with a default":     {func() { query.NewView("x", query.Default(rev)) }, "a view is only read, and Default is about writes"},
		"a view with a version":     {func() { query.NewView("x", query.Version(func(p *plain) *int32 { return &p.Rev })) }, "a view is only read, and Version is about writes"},
		"a view that is read back":  {func() { query.NewView("x", query.ReadBack(rev)) }, "a view is only read, and ReadBack is about writes"},
		"a view that leaves out":    {func() { query.NewView("x", query.MayLeaveOut[plain]()) }, "a view is only read, and MayLeaveOut is about writes"},
		"a name in quotes":          {func() { query.NewTable(`"x"`, id) }, "brings its own quotes"},
		"a schema in quotes":        {func() { query.NewTable(`"a".x`, id) }, "brings its own quotes"},
		"two names in quotes":       {func() { query.NewTable(`"a.x"`, id) }, "brings its own quotes"},
		"a column in quotes":        {func() { query.NewKeylessTable[quotedTag]("x") }, "brings its own quotes"},
		"part outside the key":      {func() { query.Part(func(t *twice) *int64 { return &t.A }, func(*pair) *int64 { return &global }) }, "address of a field of its argument"},
		"part of nothing":           {func() { query.Part(func(t *twice) *int64 { return &t.A }, func(*pair) *int64 { return nil }) }, "returned nil"},
		"column outside entity":     {func() { query.Part(func(*twice) *int64 { return &global }, func(k *pair) *int64 { return &k.A }) }, "address of a field of its argument"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				text := fmt.Sprint(recover())
				if !strings.HasPrefix(text, "smrt: ") || !strings.Contains(text, c.want) {
					t.Errorf("panic %q, want %q", text, c.want)
				}
			}()
			c.define()
		})
	}
}

func pairKey() query.Key[twice, pair] {
	return query.Key[twice, pair]{
		query.Part(func(t *twice) *int64 { return &t.A }, func(k *pair) *int64 { return &k.A }),
		query.Part(func(t *twice) *int64 { return &t.ID }, func(k *pair) *int64 { return &k.B }),
	}
}

func TestCompositeKeyMustBeCovered(t *testing.T) {
	t.Parallel()
	type triple struct{ A, B, C int64 }
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, "does not cover") {
			t.Errorf("panic %q", text)
		}
	}()
	query.NewCompositeTable("x", query.Key[twice, triple]{
		query.Part(func(t *twice) *int64 { return &t.A }, func(k *triple) *int64 { return &k.A }),
		query.Part(func(t *twice) *int64 { return &t.ID }, func(k *triple) *int64 { return &k.B }),
	})
}

func TestDefinitions(t *testing.T) {
	table := query.NewTable("Sales.Order Lines", func(p *plain) *int64 { return &p.ID })
	if table.Name() != "Sales.Order Lines" || table.Plan().Quoted != `"Sales"."Order Lines"` || table.CacheStats().Capacity != 512 {
		t.Errorf("%q %q %+v", table.Name(), table.Plan().Quoted, table.CacheStats())
	}
	if !table.Plan().Key[0].ByServer || query.NewTable("x", func(p *plain) *string { return &p.Name }).Plan().Key[0].ByServer {
		t.Error("integer keys are the database's, others are not")
	}
	if query.NewTable("x", func(p *plain) *int64 { return &p.ID }, query.KeyByClient[plain]()).Plan().Key[0].ByServer {
		t.Error("KeyByClient")
	}
	if !query.NewTable("x", func(p *plain) *string { return &p.Name }, query.KeyByDatabase[plain]()).Plan().Key[0].ByServer {
		t.Error("KeyByDatabase")
	}
	if view := query.NewView[plain]("x"); !view.Plan().ReadOnly || len(view.Plan().Key) > 0 {
		t.Error("NewView")
	}
	type embedded struct {
		plain
		Extra string `db:"more"`
	}
	if c := query.Col(func(e *embedded) *string { return &e.Name }); c.Name() != "name" {
		t.Error(c.Name())
	}
	if c := query.Col(func(e *embedded) *string { return &e.Extra }); c.Name() != "more" {
		t.Error(c.Name())
	}
}
