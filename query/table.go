package query

import (
	"fmt"
	"reflect"
	"slices"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/plan"
)

// Table describes a table whose rows are read into T and found by keys of type
// K. It holds no connection: it belongs in a package variable and serves any
// number of databases. It is safe for concurrent use.
type Table[T any, K comparable] struct{ plan *plan.Table }

// NoKey is the key type of tables and views that have none. Operations that
// need a key return smrt.ErrNoKey.
type NoKey struct{ _ struct{} }

// TableOption declares a property of a table that holds for every operation.
type TableOption[T any] struct{ apply setting }

// setting is an option without its type.
type setting func(*definition) error

type definition struct {
	table     *meta.Table
	cacheSize int
	keyBy     string // the option that says who makes the key
}

// NewTable declares a table with a key of one column. The name is taken
// literally, with an optional schema before a dot: "Sales.Order Lines".
//
// Columns are the exported fields of T, named by the tag db:"name" or else by
// the field's name in snake case, in which UserIDs is user_ids and SHA256 sha256;
// those of embedded structs are included. A field that is a struct, or a slice or
// pointer to structs, is a column only if it is tagged; db:"-" leaves a field out.
//
// A zero integer key is left to the database when a row is created, and read
// back. A zero key of another type is refused with smrt.ErrZeroKey, unless
// [KeyByDatabase] is given.
//
// It panics if the declaration contradicts itself or T. A column has one role: it
// is part of the key, or one of [SoftDelete], [CreatedAt], [UpdatedAt], [Version],
// [Computed] and [Default]. [Rules] are for what the columns hold.
func NewTable[T any, K comparable](name string, key func(*T) *K, options ...TableOption[T]) *Table[T, K] {
	return table[T, K](declareSimple(name, (*T)(nil), (*K)(nil), meta.AccessorOf(key), settings(options)))
}

// NewCompositeTable declares a table with a key of two to four columns. K is a
// struct with a field for each, tied to the columns by [Part]:
//
//	query.NewCompositeTable("inventory", query.Key[Inventory, InventoryKey]{
//		query.Part(func(i *Inventory) *int64 { return &i.WarehouseID }, func(k *InventoryKey) *int64 { return &k.WarehouseID }),
//		query.Part(func(i *Inventory) *int64 { return &i.ProductID }, func(k *InventoryKey) *int64 { return &k.ProductID }),
//	})
//
// The parts must cover all of K. Zeros are written like other values, except in
// parts that [KeyByDatabase] names. NewCompositeTable panics if the declaration
// contradicts itself, as [NewTable] does.
func NewCompositeTable[T any, K comparable](name string, key Key[T, K], options ...TableOption[T]) *Table[T, K] {
	if len(key) < 2 || len(key) > 4 {
		panic(fmt.Sprintf("smrt: table %q: a composite key has 2 to 4 parts, not %d", name, len(key)))
	}
	return table[T, K](declare(name, (*T)(nil), (*K)(nil), plan.All(key), settings(options)))
}

// NewKeylessTable declares a table whose rows have no key, such as a log. Rows
// can be created and queried.
func NewKeylessTable[T any](name string, options ...TableOption[T]) *Table[T, NoKey] {
	return table[T, NoKey](declare(name, (*T)(nil), (*NoKey)(nil), nil, settings(options)))
}

// NewView declares a view, or a table that is only read. Writes return
// smrt.ErrReadOnly.
func NewView[T any](name string, options ...TableOption[T]) *Table[T, NoKey] {
	return table[T, NoKey](declareView(name, (*T)(nil), (*NoKey)(nil), settings(options)))
}

// Key lists the parts of a composite key, in the order of the index.
type Key[T any, K comparable] []KeyPart[T, K]

// In matches rows whose columns are those of one of vs, however many those are;
// with no vs, none. A key need not be that of a table:
//
//	seats := query.Key[Booking, Seat]{
//		query.Part(func(b *Booking) *string { return &b.Row }, func(s *Seat) *string { return &s.Row }),
//		query.Part(func(b *Booking) *int32 { return &b.Number }, func(s *Seat) *int32 { return &s.Number }),
//	}
//	query.Where(seats.In(Seat{"A", 1}, Seat{"B", 7}))
//
// A nil in a value matches NULL; a part of a column that can be NULL is a pointer
// then, tied by [Part]. The error is smrt.ErrBadQuery if the parts do not cover
// all of K.
func (k Key[T, K]) In(vs ...K) Predicate[T] {
	vs = slices.Clone(vs)
	return Predicate[T]{plan.InTuples(plan.All(k), reflect.TypeFor[K](), unsafe.Pointer(unsafe.SliceData(vs)), len(vs))}
}

// NotIn matches exactly the rows that In does not match; with no vs, all rows.
func (k Key[T, K]) NotIn(vs ...K) Predicate[T] { return Not(k.In(vs...)) }

// KeyPart is one column of a key.
type KeyPart[T any, K comparable] struct{ part meta.KeyPart }

// Part ties a column of T to the field of K that holds it. The compiler checks
// that they have the same type.
func Part[T any, K comparable, V comparable](column func(*T) *V, field func(*K) *V) KeyPart[T, K] {
	return keyPart[T, K, V](meta.ColumnOf(column), offsetIn(field))
}

func keyPart[T any, K comparable, V comparable](c *meta.Column, offset uintptr) KeyPart[T, K] {
	return KeyPart[T, K]{meta.KeyPart{Column: c, Offset: offset, Value: meta.NewColumn(c.Name, reflect.TypeFor[V](), offset)}}
}

// offsetIn returns the offset of a field in K.
func offsetIn[K, V any](field func(*K) *V) uintptr {
	offset, err := meta.Locate(reflect.TypeFor[K](), meta.AccessorOf(field))
	if err != nil {
		panic(fmt.Sprintf("smrt: %v", err))
	}
	return offset
}

// NullPart ties a column that can be NULL to a field of K, in a foreign key of
// several columns: a row with a NULL in one of them refers to no row. The key of
// a table has no such part.
func NullPart[T any, K comparable, V comparable](column func(*T) **V, field func(*K) *V) KeyPart[T, K] {
	return keyPart[T, K, V](meta.ColumnOf(column), offsetIn(field))
}

// Plan returns what k holds, for the packages of this module.
func (k KeyPart[T, K]) Plan() meta.KeyPart { return k.part }

// table gives a table its types back.
func table[T any, K comparable](t *untyped) *Table[T, K] { return (*Table[T, K])(unsafe.Pointer(t)) }

// untyped is a Table without its type parameters. All Tables have this layout.
type untyped struct{ plan *plan.Table }

// settings returns what the options hold, in the same memory.
func settings[T any](options []TableOption[T]) []setting {
	return *(*[]setting)(unsafe.Pointer(&options))
}

// declareSimple declares a table with a key of one column. Entity and key are
// nil pointers to their types.
func declareSimple(name string, entity, key any, column meta.Accessor, options []setting) *untyped {
	return declare(name, entity, key, []meta.KeyPart{{Column: meta.MustResolve(entity, key, column)}}, options)
}

// declareView declares a table that is only read.
func declareView(name string, entity, key any, options []setting) *untyped {
	readOnly := to(func(t *meta.Table) { t.ReadOnly = true })
	return declare(name, entity, key, nil, append([]setting{readOnly}, options...))
}

// declare makes a table of any type. It is not generic, so that a program has it
// once.
func declare(name string, entity, key any, parts []meta.KeyPart, options []setting) *untyped {
	d := definition{table: &meta.Table{Key: slices.Clone(parts)}}
	fail := func(err error) {
		if err != nil {
			panic(fmt.Sprintf("smrt: table %q: %v", name, err))
		}
	}
	s, err := meta.Of(reflect.TypeOf(entity).Elem())
	fail(err)
	d.table.Struct = s
	fail(d.table.SetName(name))
	d.table.Site = meta.Site("query")
	if len(parts) == 1 {
		d.table.Key[0].ByServer = parts[0].Column.IsInteger()
	}
	for _, apply := range options {
		fail(apply(&d))
	}
	keyType := reflect.TypeOf(key).Elem()
	d.table.KeySize, d.table.KeyType = keyType.Size(), keyType
	fail(d.table.Check(keyType))
	return &untyped{plan.NewTable(d.table, d.cacheSize)}
}

// to returns the setting that makes a change to the table.
func to(change func(*meta.Table)) setting {
	return func(d *definition) error {
		change(d.table)
		return nil
	}
}

// The roles of columns. They are functions of their own, because a closure in a
// generic option would be compiled once for each entity.
func softDelete(c *meta.Column) setting {
	return role("SoftDelete", func(t *meta.Table) **meta.Column { return &t.SoftDelete }, c)
}

func createdAt(c *meta.Column) setting {
	return role("CreatedAt", func(t *meta.Table) **meta.Column { return &t.CreatedAt }, c)
}

func updatedAt(c *meta.Column) setting {
	return role("UpdatedAt", func(t *meta.Table) **meta.Column { return &t.UpdatedAt }, c)
}

func version(c *meta.Column) setting {
	return role("Version", func(t *meta.Table) **meta.Column { return &t.Version }, c)
}

// role returns the setting that gives a column a role, which one column has.
func role(name string, of func(*meta.Table) **meta.Column, c *meta.Column) setting {
	return func(d *definition) error {
		at := of(d.table)
		if *at != nil {
			return fmt.Errorf("%s is given twice, for column %q and for column %q", name, (*at).Name, c.Name)
		}
		*at = c
		return nil
	}
}

func mayLeaveOut() setting { return to(func(t *meta.Table) { t.MayLeaveOut = true }) }

func keyByServer(name string, columns []*meta.Column, made bool) setting {
	return func(d *definition) error {
		switch {
		case len(d.table.Key) == 0:
			return fmt.Errorf("%s: the table has no key", name)
		case d.keyBy == name:
			return fmt.Errorf("%s is given twice: name all parts in one", name)
		case d.keyBy != "":
			return fmt.Errorf("%s contradicts %s", name, d.keyBy)
		}
		d.keyBy = name
		return d.table.LeaveKey(columns, made)
	}
}

func defaultOrder(order []meta.Order) setting {
	return func(d *definition) error {
		for _, o := range order {
			if o.Column == nil || o.Column == plan.Undeclared {
				return plan.ErrUndeclared
			}
		}
		d.table.DefaultOrder = append(d.table.DefaultOrder, order...)
		return nil
	}
}

func computed(cs []*meta.Column) setting {
	return to(func(t *meta.Table) { t.Computed = append(t.Computed, cs...) })
}

func defaults(cs []*meta.Column) setting {
	return to(func(t *meta.Table) { t.Defaults = append(t.Defaults, cs...) })
}

func readBack(cs []*meta.Column) setting {
	return to(func(t *meta.Table) { t.ReadBack = append(t.ReadBack, cs...) })
}

func cacheSize(n int) setting {
	return func(d *definition) error {
		if n < 1 {
			return fmt.Errorf("PlanCacheSize must be at least 1, not %d", n)
		}
		d.cacheSize = n
		return nil
	}
}

// SoftDelete declares the column with the time at which a row was deleted.
// Delete sets it, and from then on operations skip the row, unless the query
// has WithDeleted or OnlyDeleted.
func SoftDelete[T any, V *time.Time | pgtype.Timestamptz | pgtype.Timestamp](field func(*T) *V) TableOption[T] {
	return TableOption[T]{softDelete(meta.ColumnOf(field))}
}

// CreatedAt declares the column with the time at which a row was created. The
// database's clock sets it unless the entity has a time already. Updates never
// change it; those of an entity read it back.
func CreatedAt[T any, V time.Time | pgtype.Timestamptz | pgtype.Timestamp](field func(*T) *V) TableOption[T] {
	return TableOption[T]{createdAt(meta.ColumnOf(field))}
}

// UpdatedAt declares the column with the time of the last change of a row. Every
// write sets it from the database's clock and reads it back.
func UpdatedAt[T any, V time.Time | pgtype.Timestamptz | pgtype.Timestamp](field func(*T) *V) TableOption[T] {
	return TableOption[T]{updatedAt(meta.ColumnOf(field))}
}

// Version declares an integer column that counts the changes of a row. An
// update of a whole row succeeds only if the row still has the entity's
// version (else smrt.ErrStale), and every write increments it.
func Version[T any, V int16 | int32 | int64 | int](field func(*T) *V) TableOption[T] {
	return TableOption[T]{version(meta.ColumnOf(field))}
}

// DefaultOrder declares the order of queries that do not name one.
func DefaultOrder[T any](terms ...Order[T]) TableOption[T] {
	return TableOption[T]{defaultOrder(plan.All(terms))}
}

// AnyColumn is a column of T of any type.
type AnyColumn[T any] interface {
	Name() string
	Plan() *meta.Column
	entity(*T)
}

func (c Column[T, V]) entity(*T) {}

func columnsOf[T any](columns []AnyColumn[T]) []*meta.Column {
	cs := make([]*meta.Column, len(columns))
	for i, c := range columns {
		cs[i] = c.Plan()
	}
	return cs
}

// Computed declares columns that the database computes, such as generated
// columns. They are never written. Every write reads them back.
func Computed[T any](columns ...AnyColumn[T]) TableOption[T] {
	return TableOption[T]{computed(columnsOf(columns))}
}

// Default declares columns with a default in the database. When a row is
// created, a zero value is replaced by the default and read back.
func Default[T any](columns ...AnyColumn[T]) TableOption[T] {
	return TableOption[T]{defaults(columnsOf(columns))}
}

// ReadBack declares columns that the database may change when they are written,
// by a trigger for instance. Every write reads them back.
func ReadBack[T any](columns ...AnyColumn[T]) TableOption[T] {
	return TableOption[T]{readBack(columnsOf(columns))}
}

// MayLeaveOut declares that triggers of the table leave out rows that are
// inserted. Then CreateMany writes the others, and its *smrt.IncompleteError says
// which were left out; so does the outcome of an upsert. Rows are sent in
// statements of their own. Without the option, such a row is an error, see
// smrt.ErrLeftOut, and nothing of the call is written.
func MayLeaveOut[T any]() TableOption[T] {
	return TableOption[T]{mayLeaveOut()}
}

// KeyByDatabase declares that the database assigns the key of a row that is
// created with a zero key, for instance by a default of gen_random_uuid(). For
// integer keys of one column this is the default.
//
// Of a composite key it names the parts that the database assigns where they are
// zero. The others are written as they are:
//
//	query.KeyByDatabase(InvoiceID) // of PRIMARY KEY (tenant_id, id)
func KeyByDatabase[T any](parts ...AnyColumn[T]) TableOption[T] {
	return TableOption[T]{keyByServer("KeyByDatabase", columnsOf(parts), true)}
}

// KeyByClient declares that the program assigns the keys. Then a zero key is
// refused with smrt.ErrZeroKey for integers too.
func KeyByClient[T any]() TableOption[T] {
	return TableOption[T]{keyByServer("KeyByClient", nil, false)}
}

// PlanCacheSize sets how many shapes of queries the table remembers. Default:
// 512.
func PlanCacheSize[T any](n int) TableOption[T] {
	return TableOption[T]{cacheSize(n)}
}

// Name returns the name the table was declared with.
func (t *Table[T, K]) Name() string { return t.Plan().Name }

// CacheStats counts what a plan cache did since the program began.
type CacheStats = plan.Stats

// CacheStats returns how the table's plan cache was used so far.
func (t *Table[T, K]) CacheStats() CacheStats { return t.Plan().CacheStats() }

// Plan returns what t holds, for the packages of this module. It panics if t was
// not declared.
func (t *Table[T, K]) Plan() *plan.Table { return declaredTable((*untyped)(t)) }

func declaredTable(t *untyped) *plan.Table {
	if t == nil || t.plan == nil {
		panic("smrt: a table is nil, or was not made by NewTable and its like: declare it in a package variable, and mind the order of those")
	}
	return t.plan
}
