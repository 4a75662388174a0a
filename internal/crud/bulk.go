package crud

import (
	"context"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
	"github.com/smrt-go/smrt/internal/pgerr"
)

// Rows are the entities of a bulk call: n structs, size bytes apart.
type Rows struct {
	Base unsafe.Pointer
	Size uintptr
	N    int
}

func (r Rows) at(i int) unsafe.Pointer { return unsafe.Add(r.Base, uintptr(i)*r.Size) }

// chunkRows is how many rows one statement carries. More would not be faster
// and an array may not exceed 1 GB; the statements of a larger call travel in
// one batch, which is one implicit transaction.
const chunkRows = 20_000

// carrier is how the values of a column travel in an array.
type carrier struct {
	param  string // type of the array parameter
	cast   string // cast of an element, may be empty
	asText bool
	asJSON bool
}

// carriers finds the carrier of each column. It reports false if one of them
// has none: its type can be encoded by a codec of the connection only.
func (c *Core) carriers(types map[string]columnType, columns []*meta.Column) ([]carrier, bool) {
	out := make([]carrier, len(columns))
	for i, col := range columns {
		t := types[col.Name]
		switch {
		case t.json && col.IsDocument():
			out[i] = carrier{param: "text[]", cast: "::" + t.name, asJSON: true}
		case t.text && col.Encode == meta.KindString:
			out[i] = carrier{param: "text[]"}
		case col.Encode != meta.KindString && col.Encode != meta.KindJSON && col.Encode != meta.KindStrings && encodable(col, t.base):
			out[i] = carrier{param: t.name + "[]"}
		case col.HasText() && col.Encode != meta.KindBytes:
			out[i] = carrier{param: "text[]", cast: "::" + t.name, asText: col.Encode != meta.KindString}
		default:
			return nil, false
		}
	}
	return out, true
}

// encodable tells whether pgx itself knows how to encode an array of the
// column's values for a column of type oid.
func encodable(col *meta.Column, oid uint32) bool {
	m := pgtype.NewMap()
	t, ok := m.TypeForOID(oid)
	if !ok {
		return false
	}
	array, ok := m.TypeForName("_" + t.Name)
	if !ok {
		return false
	}
	empty, err := meta.NewArray(col, nil, 0, 0, nil)
	return err == nil && m.PlanEncode(array.OID, pgtype.BinaryFormatCode, empty) != nil
}

// arrays are the columns of the chosen rows as arguments.
func arrays(columns []*meta.Column, carriers []carrier, rows Rows, chosen []int) ([]any, error) {
	args := make([]any, len(columns))
	for i, col := range columns {
		a, err := meta.NewArray(col, rows.Base, rows.Size, rows.N, chosen)
		if err != nil {
			return nil, err
		}
		args[i] = a
		switch {
		case carriers[i].asText:
			args[i] = meta.AsText{Array: a}
		case carriers[i].asJSON:
			if args[i], err = meta.NewAsJSON(a); err != nil {
				return nil, err
			}
		}
	}
	return args, nil
}

// unnest is the FROM item that turns the arrays into rows u(c0, c1, ...), and
// the expressions that are their columns.
func unnest(carriers []carrier, ordinality bool) (from string, exprs []string) {
	params := make([]string, len(carriers))
	names := make([]string, len(carriers))
	for i, k := range carriers {
		params[i] = "$" + strconv.Itoa(i+1) + "::" + k.param
		names[i] = "c" + strconv.Itoa(i)
		exprs = append(exprs, "u."+names[i]+k.cast)
	}
	from = "unnest(" + strings.Join(params, ", ") + ")"
	if ordinality {
		from += " WITH ORDINALITY"
		names = append(names, "ord")
	}
	return from + " AS u(" + strings.Join(names, ", ") + ")", exprs
}

// group is rows of one shape.
type group struct {
	shape []byte
	rows  []int // nil: all rows
}

// groupRows splits rows by the shape of their insert. Mostly there is one.
func (c *Core) groupRows(rows Rows) ([]group, error) {
	var first, buffer [64]byte
	shape, err := c.insertShape(first[:0], rows.at(0))
	if err != nil {
		return nil, meta.AtRow(err, 0)
	}
	groups := []group{{shape: slices.Clone(shape)}}
	for i := 1; i < rows.N; i++ {
		shape, err := c.insertShape(buffer[:0], rows.at(i))
		if err != nil {
			return nil, meta.AtRow(err, i)
		}
		if len(groups) == 1 && groups[0].rows == nil {
			if string(shape) == string(groups[0].shape) {
				continue
			}
			groups[0].rows = upTo(i)
		}
		g := slices.IndexFunc(groups, func(g group) bool { return string(g.shape) == string(shape) })
		if g < 0 {
			groups = append(groups, group{shape: slices.Clone(shape)})
			g = len(groups) - 1
		}
		groups[g].rows = append(groups[g].rows, i)
	}
	return groups, nil
}

func upTo(n int) []int {
	is := make([]int, n)
	for i := range is {
		is[i] = i
	}
	return is
}

// part is one statement of a bulk write: which rows it carries.
type part struct {
	st   *statement
	args []any
	rows []int // nil: all of them
}

// row is the entity that row i of the statement belongs to.
func (p *part) row(i int) int {
	if p.rows != nil {
		return p.rows[i]
	}
	return i
}

// InsertMany creates the rows of all entities and reads back what the server
// decided. With x it is an upsert, and outcome is told of each row.
func (c *Core) InsertMany(ctx context.Context, db smrt.DB, rows Rows, x *Conflict, outcome func(i int, inserted bool)) error {
	if err := c.writableTable(ctx, db); err != nil || rows.N == 0 {
		return err
	}
	if x != nil {
		if err := c.checkUpsert(rows, x); err != nil {
			return err
		}
	}
	groups, err := c.groupRows(rows)
	if err != nil {
		return err
	}
	if err := c.checkAllFinite(ctx, db, rows); err != nil {
		return err
	}
	copied := false
	if x == nil {
		if copied, err = c.copies(ctx, db, groups, rows.N); err != nil {
			return err
		}
	}
	types, err := c.columnTypes(ctx, db)
	if err != nil {
		return err
	}
	if err := c.checkAllFit(types, rows); err != nil {
		return err
	}
	if copied {
		err = c.copyIn(ctx, db, rows)
	}
	if !copied || mistyped(err) {
		if again := c.insertGroups(ctx, db, types, rows, groups, x, outcome); !pgerr.IsTxAborted(again) || !copied {
			err = again
		}
	}
	if err != nil {
		c.forgetTypes(err)
		return c.explainRows(err, types, rows)
	}
	return nil
}

// insertGroups sends the statements for the rows of all shapes.
func (c *Core) insertGroups(ctx context.Context, db smrt.DB, types map[string]columnType, rows Rows, groups []group,
	x *Conflict, outcome func(int, bool),
) error {
	var parts []part
	for _, g := range groups {
		more, err := c.insertGroup(types, rows, g, x)
		if err != nil {
			return c.named(err)
		}
		parts = append(parts, more...)
	}
	return c.send(ctx, db, rows, parts, x, outcome)
}

// insertGroup makes the statements for the rows of one shape.
func (c *Core) insertGroup(types map[string]columnType, rows Rows, g group, x *Conflict) ([]part, error) {
	ip := c.insertParts(g.shape)
	ks, ok := c.carriers(types, ip.args)
	if !ok || len(ip.args) == 0 {
		return c.insertSingly(types, rows, g, x)
	}
	// The carriers depend on the types, so they are part of the shape.
	shape := append([]byte{'b'}, g.shape...)
	for _, k := range ks {
		shape = append(append(shape, k.param...), k.cast...)
	}
	if x != nil {
		shape = x.shape(append(shape, 'x'))
	}
	st := c.shapes.get(shape, func() *statement { return c.bulkInsertSQL(ip, ks, x) })
	var parts []part
	for _, chosen := range chunks(rows.N, g.rows) {
		args, err := arrays(st.columns, ks, rows, chosen)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{st: st, args: args, rows: chosen})
	}
	return parts, nil
}

func (c *Core) bulkInsertSQL(p insertParts, ks []carrier, x *Conflict) *statement {
	from, exprs := unnest(ks, false)
	n := 0
	for i, v := range p.values {
		if v == "" {
			p.values[i] = exprs[n]
			n++
		}
	}
	var b strings.Builder
	b.WriteString("INSERT INTO " + c.Quoted + " (" + strings.Join(p.names, ", ") + ") SELECT " + strings.Join(p.values, ", ") + " FROM " + from)
	return c.finishInsert(&b, p, x)
}

// insertSingly is for tables with a column whose type no array can carry.
func (c *Core) insertSingly(types map[string]columnType, rows Rows, g group, x *Conflict) ([]part, error) {
	shape := append([]byte{'i'}, g.shape...)
	if x != nil {
		shape = x.shape(append(shape, 'x'))
	}
	st := c.shapes.get(shape, func() *statement { return c.insertSQL(g.shape, x) })
	chosen := g.rows
	if chosen == nil {
		chosen = upTo(rows.N)
	}
	parts := make([]part, len(chosen))
	for j, i := range chosen {
		args := make([]any, len(st.columns))
		for k, col := range st.columns {
			v, err := col.Arg(rows.at(i))
			if err != nil {
				return nil, meta.AtRow(err, i)
			}
			args[k] = spell(types[col.Name], col, v)
		}
		parts[j] = part{st: st, args: args, rows: chosen[j : j+1]}
	}
	return parts, nil
}

// chunks splits the chosen rows, all n if nil.
func chunks(n int, chosen []int) [][]int {
	if chosen == nil && n <= chunkRows {
		return [][]int{nil}
	}
	if chosen == nil {
		chosen = upTo(n)
	}
	return slices.Collect(slices.Chunk(chosen, chunkRows))
}

// send runs the statements of an insert.
func (c *Core) send(ctx context.Context, db smrt.DB, rows Rows, parts []part, x *Conflict, outcome func(int, bool)) error {
	return c.sendEach(ctx, db, parts, func(i int, r *result, _ int64) error {
		if r == nil {
			return nil
		}
		return c.receive(r.rows, rows, parts[i], x, outcome)
	})
}

// sendEach runs statements, one by itself, several in one batch, and calls
// receive for each in turn: with its result, or with nil and the rows affected
// if it returns nothing.
func (c *Core) sendEach(ctx context.Context, db smrt.DB, parts []part, receive func(int, *result, int64) error) error {
	if len(parts) == 1 {
		return c.receiveOne(parts, 0, receive,
			func() (pgconn.CommandTag, error) { return db.Exec(ctx, parts[0].st.sql, parts[0].args...) },
			func() (pgx.Rows, error) { return db.Query(ctx, parts[0].st.sql, parts[0].args...) })
	}
	var batch pgx.Batch
	for _, p := range parts {
		batch.Queue(p.st.sql, p.args...)
	}
	results := db.SendBatch(ctx, &batch)
	for i := range parts {
		if err := c.receiveOne(parts, i, receive, results.Exec, results.Query); err != nil {
			_ = results.Close() // the first error is the one that counts
			return err
		}
	}
	return results.Close()
}

func (c *Core) receiveOne(parts []part, i int, receive func(int, *result, int64) error,
	exec func() (pgconn.CommandTag, error), query func() (pgx.Rows, error),
) error {
	st := parts[i].st
	if !st.hasResult() {
		tag, err := exec()
		if err != nil {
			return err
		}
		return receive(i, nil, tag.RowsAffected())
	}
	rs, err := query()
	if err != nil {
		return err
	}
	return receive(i, &result{core: c, rows: rs, targets: st.returned}, 0)
}

// receive reads the rows of one statement back into the entities. An insert
// returns them in the order of the arrays; those that an upsert left alone are
// missing among them.
func (c *Core) receive(rs pgx.Rows, rows Rows, p part, x *Conflict, outcome func(int, bool)) error {
	if x == nil {
		r := result{core: c, rows: rs, targets: p.st.returned}
		_, err := r.read(func(i int) unsafe.Pointer { return rows.at(p.row(i)) })
		return err
	}
	if x.Nothing {
		return c.receiveSome(rs, rows, p, x, outcome)
	}
	var inserted bool
	r := result{core: c, rows: rs, targets: p.st.returned, head: &inserted}
	_, err := r.read(func(i int) unsafe.Pointer {
		outcome(p.row(i), inserted)
		return rows.at(p.row(i))
	})
	return err
}

// receiveSome matches the rows that were inserted to their entities by the
// columns of the conflict target. Both are in the same order.
func (c *Core) receiveSome(rs pgx.Rows, rows Rows, p part, x *Conflict, outcome func(int, bool)) error {
	byTarget := map[string]int{}
	count := len(p.rows)
	if p.rows == nil {
		count = rows.N
	}
	for j := count - 1; j >= 0; j-- { // the first of several equal ones is the one inserted
		i := p.row(j)
		byTarget[targetKey(x.Target, rows.at(i))] = i
	}
	var inserted bool
	var arrived []unsafe.Pointer
	r := result{core: c, rows: rs, targets: p.st.returned, head: &inserted}
	_, err := r.read(func(int) unsafe.Pointer {
		arrived = append(arrived, c.newEntity())
		return arrived[len(arrived)-1]
	})
	for _, entity := range arrived {
		if i, ok := byTarget[targetKey(x.Target, entity)]; ok {
			c.copyEntity(rows.at(i), entity)
			outcome(i, true)
		}
	}
	return err
}

func (c *Core) newEntity() unsafe.Pointer { return reflect.New(c.Struct.Type).UnsafePointer() }

func (c *Core) copyEntity(dst, src unsafe.Pointer) {
	reflect.NewAt(c.Struct.Type, dst).Elem().Set(reflect.NewAt(c.Struct.Type, src).Elem())
}

// targetKey encodes the values of columns, so that equal rows have equal keys.
func targetKey(columns []*meta.Column, p unsafe.Pointer) string {
	var b []byte
	for _, col := range columns {
		b = AppendKey(b, col, p)
	}
	return string(b)
}

// AppendKey encodes the value of a column of the entity at p, so that equal
// values, and only those, are equal.
func AppendKey(b []byte, col *meta.Column, p unsafe.Pointer) []byte {
	v, _ := col.Arg(p) // checked before
	if col.Encode == meta.KindTime && v != nil {
		v = col.Moment(p) // whatever its location
	}
	s, null, err := meta.Text(v)
	if err != nil {
		s = fmt.Sprint(v)
	}
	if null {
		return append(b, 0)
	}
	return append(binary.AppendUvarint(append(b, 1), uint64(len(s))), s...)
}

// checkUpsert refuses two rows with the same conflict target, which PostgreSQL
// would refuse after work was done. NULLs are never equal.
func (c *Core) checkUpsert(rows Rows, x *Conflict) error {
	if err := x.check(c); err != nil || rows.N == 1 || x.Nothing {
		return err
	}
	return c.Distinct(rows, x.Target)
}

// Distinct refuses two rows with equal values in columns.
func (c *Core) Distinct(rows Rows, columns []*meta.Column) error {
	if len(columns) == 1 && columns[0].Kind == meta.KindInt64 && columns[0].Encode == meta.KindInt64 && !columns[0].Ptr {
		return c.distinctInts(rows, columns[0])
	}
	seen := make(map[string]int, rows.N)
	for i := range rows.N {
		p := rows.at(i)
		if slices.ContainsFunc(columns, func(col *meta.Column) bool {
			return (col.Nullable || len(c.Key) == 1 && c.IsKey(col) && c.KeyByServer) && col.Zero(p)
		}) {
			continue
		}
		key := targetKey(columns, p)
		if first, ok := seen[key]; ok {
			return &smrt.DuplicateError{Table: c.Name, Rows: [2]int{first, i}}
		}
		seen[key] = i
	}
	return nil
}

// distinctInts is Distinct for the most common key. Numbers need no encoding:
// 3 allocations instead of 3 for each row.
func (c *Core) distinctInts(rows Rows, col *meta.Column) error {
	zeroes := c.KeyByServer && len(c.Key) == 1 && c.IsKey(col) // the server will make them differ
	seen := make(map[int64]int, rows.N)
	for i := range rows.N {
		n := col.Int(rows.at(i))
		if n == 0 && zeroes {
			continue
		}
		if first, ok := seen[n]; ok {
			return &smrt.DuplicateError{Table: c.Name, Rows: [2]int{first, i}}
		}
		seen[n] = i
	}
	return nil
}

// Upsert creates or updates the row of one entity.
func (c *Core) Upsert(ctx context.Context, db smrt.DB, p unsafe.Pointer, x *Conflict) (n int64, inserted bool, err error) {
	if err := c.writableEntity(ctx, db, p); err != nil {
		return 0, false, err
	}
	if err := x.check(c); err != nil {
		return 0, false, err
	}
	if _, err := c.columnTypes(ctx, db); err != nil { // the statement depends on whether the table is partitioned
		return 0, false, err
	}
	var buffer [96]byte
	shape, err := c.insertShape(append(buffer[:0], 'i'), p)
	if err != nil {
		return 0, false, err
	}
	columns := len(shape)
	shape = x.shape(append(shape, 'x'))
	st := c.shapes.get(shape, func() *statement { return c.insertSQL(shape[1:columns], x) })
	n, err = c.run(ctx, db, st, p, &inserted)
	return n, inserted, err
}

// checkAllFinite is checkFinite for all rows.
func (c *Core) checkAllFinite(ctx context.Context, db smrt.DB, rows Rows) error {
	for _, col := range c.writable {
		if col.Encode != meta.KindFloat32 && col.Encode != meta.KindFloat64 {
			continue
		}
		for i := range rows.N {
			if col.NotFinite(rows.at(i)) {
				if err := c.checkFinite(ctx, db, col); err != nil {
					return meta.AtRow(err, i)
				}
				break // the column takes them
			}
		}
	}
	return nil
}

// checkAllFit refuses integers that their column cannot hold. pgx would refuse
// them too, but in a batch at the price of the connection.
func (c *Core) checkAllFit(types map[string]columnType, rows Rows) error {
	for _, col := range c.writable {
		bounds, ok := ranges[types[col.Name].base]
		if !ok || !col.WiderThan(bounds[1]) {
			continue
		}
		for i := range rows.N {
			if n := col.Int(rows.at(i)); n < bounds[0] || n > bounds[1] {
				return &smrt.ValueError{
					Table: c.Name, Column: col.Name, Row: i, Offset: -1, Err: smrt.ErrOutOfRange,
					Min: fmt.Sprint(bounds[0]), Max: fmt.Sprint(bounds[1]),
				}
			}
		}
	}
	return nil
}

// explainRows finds the row and column whose value does not fit.
func (c *Core) explainRows(err error, types map[string]columnType, rows Rows) error {
	if !suspectsValue(err) {
		return err
	}
	for _, col := range c.writable {
		for i := range rows.N {
			v, argErr := col.Arg(rows.at(i))
			if argErr != nil || v == nil {
				continue
			}
			if e := c.misfit(col, types[col.Name], v, err); e != nil {
				return meta.AtRow(e, i)
			}
		}
	}
	return err
}
