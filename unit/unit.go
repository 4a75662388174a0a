package unit

import (
	"context"
	"unsafe"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/plan"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/txn"
)

// Unit collects writes until [Unit.Flush] sends them together. It holds no
// connection and may be kept for any time. The zero Unit is empty and ready to
// use. A Unit must not be copied once it has writes.
//
// A Unit is not safe for concurrent use, and neither are the entities that were
// given to it: while it is flushed, no other goroutine may read or write them.
//
// The functions that add writes return no error. If a call can never succeed,
// for instance because the table is read-only, Flush returns the error of the
// first such call and sends nothing.
type Unit struct{ work }

// New returns an empty unit.
func New() *Unit { return &Unit{} }

// Key stands for the key of a row that a unit creates. It is used with [Refer]
// and [ReferKey], in the unit that made it: before the flush, when the database
// has yet to make the key, and in later flushes of the same Unit. The zero Key
// stands for no row.
type Key[K any] struct{ row *op }

// Reference gives a column of rows of T the key of another row, or several
// columns its parts. It is made by [Refer] or [ReferKey].
type Reference[T any] struct{ ref reference }

// Refer sets a column to the key of a row that the unit creates, or that an
// earlier flush of it has created. The column may be one that can be NULL.
//
//	order := unit.Create(u, shop.Orders, &shop.Order{CustomerID: 7})
//	unit.CreateMany(u, shop.OrderItems, items, unit.Refer(shop.ItemOrder, order))
func Refer[T, K any](column query.Column[T, K], key Key[K]) Reference[T] {
	return Reference[T]{reference{column: column.Plan(), to: key.row}}
}

// Create schedules an insert of the entity, with the values it has when the
// unit is flushed. Afterwards the entity holds what the database decided. Until
// then the unit refers to the struct, so do not move it, as append does with a
// slice that is full.
//
// Create returns the key of the row, for [Refer] and [ReferKey]. It is also in
// the entity after the flush. A key that the entity has already is used as it is.
// If the table's key is not made by the database, the entity must have one, and
// Flush returns smrt.ErrZeroKey otherwise.
func Create[T any, K comparable](u *Unit, table *query.Table[T, K], v *T, refs ...Reference[T]) Key[K] {
	return Key[K]{u.create(table.Plan(), unsafe.Pointer(v), references(refs))}
}

// CreateMany is [Create] for all entities of a slice. It returns their keys, in
// the order of the entities. There is no limit to their number: rows that are
// written alike are one statement for each 20,000.
func CreateMany[T any, K comparable](u *Unit, table *query.Table[T, K], vs []T, refs ...Reference[T]) []Key[K] {
	return keys[K](u.createMany(table.Plan(), unsafe.Pointer(unsafe.SliceData(vs)), len(vs), references(refs)))
}

// Link adds references to an entity that the unit creates already. It is for
// rows that refer to each other in a ring, one of which must be added first.
// For any other entity the flush returns smrt.ErrBadQuery.
//
//	team := unit.Create(u, Teams, &t)
//	player := unit.Create(u, Players, &p, unit.Refer(PlayerTeam, team))
//	unit.Link(u, &t, unit.Refer(TeamCaptain, player))
func Link[T any](u *Unit, v *T, refs ...Reference[T]) {
	u.link(unsafe.Pointer(v), references(refs))
}

// ReferKey is [Refer] for a composite key: it sets the columns of a foreign key,
// tied to the parts of the key as in query.NewCompositeTable. Parts that the
// program makes are set too, and may be in several foreign keys of a row; the first
// one counts. They are not set in the key of a row that exists.
//
//	var LineInvoice = query.Key[Line, InvoiceKey]{
//		query.Part(func(l *Line) *int64 { return &l.TenantID }, func(k *InvoiceKey) *int64 { return &k.TenantID }),
//		query.Part(func(l *Line) *int64 { return &l.InvoiceID }, func(k *InvoiceKey) *int64 { return &k.ID }),
//	}
//
//	invoice := unit.Create(u, Invoices, &Invoice{TenantID: 7})
//	unit.CreateMany(u, Lines, lines, unit.ReferKey(LineInvoice, invoice))
func ReferKey[T any, K comparable](columns query.Key[T, K], key Key[K]) Reference[T] {
	return Reference[T]{partsOf(plan.All(columns), key.row)}
}

// references returns what references hold, without copying.
func references[T any](refs []Reference[T]) []reference {
	return *(*[]reference)(unsafe.Pointer(&refs))
}

// keys gives keys their type.
func keys[K any](rows []*op) []Key[K] { return *(*[]Key[K])(unsafe.Pointer(&rows)) }

// Update schedules an update of the whole row of the entity: of every column
// but the key and the time of creation, with the values that the entity has
// when the unit is flushed. If there is no such row, the unit fails with
// smrt.ErrNotFound and nothing is written. If the table has a version column
// and the row was changed since the entity was read, it fails with
// smrt.ErrStale.
//
// Columns other than the key can be given keys of rows that the unit creates.
// An entity that the unit already creates or updates is written once.
func Update[T any, K comparable](u *Unit, table *query.Table[T, K], v *T, refs ...Reference[T]) {
	u.update(table.Plan(), unsafe.Pointer(v), references(refs))
}

// Patch schedules an update of some columns of the row with the key. If there
// is no such row, the unit fails with smrt.ErrNotFound and nothing is written.
// The columns must differ, and none may be computed by the database.
func Patch[T any, K comparable](u *Unit, table *query.Table[T, K], key K, sets ...query.Assignment[T]) {
	u.patch(table.Plan(), unsafe.Pointer(&key), plan.All(sets))
}

// Delete schedules a delete of the row with the key. It is a soft delete if the
// table was declared with SoftDelete. If there is no such row, or it was
// deleted softly before, the unit fails with smrt.ErrNotFound and nothing is
// written.
func Delete[T any, K comparable](u *Unit, table *query.Table[T, K], key K) {
	u.remove(table.Plan(), unsafe.Pointer(&key), nil, false)
}

// HardDelete schedules a permanent delete of the row with the key, whether or
// not the row was deleted softly before.
func HardDelete[T any, K comparable](u *Unit, table *query.Table[T, K], key K) {
	u.remove(table.Plan(), unsafe.Pointer(&key), nil, true)
}

// Remove is [Delete] for the row of an entity. If the table has a version
// column and the row was changed since the entity was read, the unit fails with
// smrt.ErrStale and nothing is written.
func Remove[T any, K comparable](u *Unit, table *query.Table[T, K], v *T) {
	u.remove(table.Plan(), nil, unsafe.Pointer(v), false)
}

// UpdateWhere schedules an update of some columns of all rows that match. It is
// one statement, sent after everything that was added to the unit before it, and
// before everything that is added after it, in the same round trip: the rows that
// it finds are those that there are then. How many there were is in the [Summary];
// none is no error.
//
// As in a repository, a query that matches every row fails the unit with
// smrt.ErrUnboundedWrite unless it is marked Unbounded, the version and the time of
// the update are set too, and rows that were deleted softly do not match. Entities
// in memory are not changed: one whose row was found is stale then, if the table
// has a version column.
//
//	unit.UpdateWhere(u, shop.Products, query.Where(shop.Stock.Eq(0)), shop.Active.Set(false))
func UpdateWhere[T any, K comparable](u *Unit, table *query.Table[T, K], q query.Query[T], sets ...query.Assignment[T]) {
	u.updateWhere(table.Plan(), q.Plan(), plan.All(sets))
}

// DeleteWhere is [UpdateWhere] for a delete of all rows that match, softly where
// that is declared.
func DeleteWhere[T any, K comparable](u *Unit, table *query.Table[T, K], q query.Query[T]) {
	u.deleteWhere(table.Plan(), q.Plan(), false)
}

// HardDeleteWhere is [DeleteWhere] that deletes permanently. To purge rows that
// were deleted softly, add OnlyDeleted to the query.
func HardDeleteWhere[T any, K comparable](u *Unit, table *query.Table[T, K], q query.Query[T]) {
	u.deleteWhere(table.Plan(), q.Plan(), true)
}

// WithoutRules makes u leave unchecked the rules of tables, which query.Rules
// declares, for the writes that are added to it from now on. It returns u. What the
// database checks it checks all the same.
//
//	u := unit.New().WithoutRules()
func (u *Unit) WithoutRules() *Unit {
	u.free = true
	return u
}

// Then separates the writes added before the call from those added after it.
// The former are sent first, in the same round trip. Call it where neither the
// foreign keys nor the order of creating, changing and deleting say what comes
// first.
func (u *Unit) Then() { u.phase++ }

// Do adds a function, which runs in the transaction after everything that was added
// to the unit before it was sent, and before the rest is. So it finds those rows in
// the database, and in the entities the keys that the database made. tx is for
// repositories, for queries of sqlc, and for units of their own:
//
//	unit.Create(u, shop.Orders, &order)
//	u.Do(func(ctx context.Context, tx pgx.Tx) error {
//		return shopdb.New(tx).ReserveStock(ctx, order.ID)
//	})
//
// The writes before and after it, and the function itself, cost a round trip each or
// more, besides BEGIN and COMMIT. What is added after it is written with the values
// that the entities have when it has returned; an entity that was written before it
// may be written again. If it fails, nothing of the unit is written, and Flush
// returns its error.
//
// The function is one that txn.Run runs: it is run again with everything else if the
// transaction is repeated, and its tx takes no COMMIT. It can neither flush the unit
// that it is part of nor add to it, which is smrt.ErrBadQuery.
func (u *Unit) Do(fn txn.Func) { u.do(fn) }

// Append moves the writes of another unit behind those of u, and empties the
// other one: each part of a program collects its own, and all are flushed together.
// Keys of the other unit are keys of u from then on. Its calls of Then separate
// its own writes; call u.Then before Append where its first ones must come after
// those of u. An entity that both update is written once.
//
//	u.Append(stock.Reserve(order))
func (u *Unit) Append(other *Unit) {
	if other != nil && other != u && !u.refuses() && !other.refuses() {
		u.append(&other.work)
	}
}

// String returns what the unit would write, without values: "create orders, create
// order_items (10), then a function, then delete carts". Rows of one table that
// follow each other are counted.
func (u *Unit) String() string { return u.describe() }

// Len returns how many writes and functions the unit has. It is 0 after a
// successful flush.
func (u *Unit) Len() int { return len(u.ops) }

// Discard removes all writes from the unit, and forgets calls that were
// refused. It does not change the entities.
func (u *Unit) Discard() {
	if !u.refuses() {
		u.reset()
	}
}

// Flush writes everything that was collected, or nothing. At most one Options
// may be given. They are those of txn.Run, which also documents what is retried
// and how often.
//
// On a pool or a connection BEGIN, the statements and COMMIT are one round
// trip. On a transaction, or on a handle on which txn.Run has one open under
// ctx, the statements become part of that transaction, in one round trip too. For
// functions see [Unit.Do].
//
// If the error is nil the unit is empty again and the entities hold what the
// database decided. Otherwise unit and entities are as they were before,
// nothing was written, and the same call can be made again. There are two
// exceptions: after smrt.ErrCommitUnknown it may have been written, and after
// [CommittedError] it has been. Other errors are *[RowError], *[CycleError],
// *smrt.RuleError, which has the violations of all writes, and those of txn.Run.
func (u *Unit) Flush(ctx context.Context, db smrt.DB, options ...txn.Options) (Summary, error) {
	return u.flush(ctx, db, options)
}

// Plan returns the statements that Flush would send, in order, without sending
// them. It leaves out those that set timeouts, write a key or ask for the
// position, as options may. It may query the catalog of the database for
// foreign keys and types. It returns the errors that Flush returns before
// anything is sent. The first function is the last that it returns, with an empty
// SQL: what follows depends on what the function does.
func (u *Unit) Plan(ctx context.Context, db smrt.DB, options ...txn.Options) ([]Statement, error) {
	return u.plan(ctx, db, options)
}
