package limit

import (
	"context"
	"math"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/handle"
)

// What operations ask before they send something. Each is refused with a
// *smrt.LimitError that is complete.

// Limit returns the LIMIT of a read that asks for so many rows: 0 if it says nothing.
// One more row than is allowed shows that there are too many. It returns 0 for no
// LIMIT.
func (c *Call) Limit(asked int64) (int64, error) {
	if c == nil {
		return asked, nil
	}
	if asked > 0 {
		return asked, c.check(Rows, asked)
	}
	if most, limited := c.most(Rows); limited && most < math.MaxInt64 {
		return most + 1, nil
	}
	return 0, nil
}

// Refused returns why the operation must not begin, or nil.
func (c *Call) Refused() error {
	if c == nil {
		return nil
	}
	return c.refused
}

// Sends begins an operation that sends n statements.
func (c *Call) Sends(n int) *Call {
	if c != nil {
		c.refused = c.Send(n)
	}
	return c
}

// Send refuses n further statements of the request.
func (c *Call) Send(n int) error {
	if c == nil || c.sent == nil || !c.limits(Statements) {
		return nil
	}
	for w := c.within; w != nil; w = w.within {
		if w.limits(Statements) {
			n = 0 // it has counted them
		}
	}
	return c.check(Statements, c.sent.Add(int64(n)))
}

// Cut returns how many rows a list has that does not say how many, or 0. Where more
// are allowed, or nothing is refused, nothing is cut off.
func (c *Call) Cut() int64 {
	if c == nil || c.allow.of(Rows) != nil {
		return 0
	}
	return c.set.cut
}

// PageSize returns the size of a page that does not say it, or 0.
func (c *Call) PageSize() int64 {
	if c == nil {
		return 0
	}
	return c.set.page
}

// Rows refuses a read of n rows.
func (c *Call) Rows(n int) error { return c.check(Rows, int64(n)) }

// Keys refuses a read of the rows with n keys.
func (c *Call) Keys(n int) error {
	if err := c.Refused(); err != nil {
		return err
	}
	if err := c.List(n); err != nil {
		return err
	}
	return c.Rows(n)
}

// Operands refuses a statement with a list or a text among its arguments that is too
// long.
func (c *Call) Operands(args []any) error {
	if c == nil || !c.limits(List) && !c.limits(Text) {
		return nil
	}
	for _, arg := range args {
		if err := c.operand(arg); err != nil {
			return err
		}
	}
	return nil
}

func (c *Call) operand(arg any) error {
	list, ok := arg.(interface{ Len() int })
	if !ok {
		return c.text(arg)
	}
	if err := c.List(list.Len()); err != nil {
		return err
	}
	if values, ok := arg.(interface{ Index(i int) any }); ok && c.limits(Text) {
		for i := range list.Len() {
			if err := c.text(values.Index(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// text refuses an argument that is a text, or bytes, and too long.
func (c *Call) text(arg any) error {
	v := reflect.Indirect(reflect.ValueOf(arg))
	if v.Kind() == reflect.String || v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
		return c.Text(v.Len())
	}
	return nil
}

// Depth refuses loads of n levels.
func (c *Call) Depth(n int) error { return c.check(Depth, int64(n)) }

// List refuses a list of n values.
func (c *Call) List(n int) error { return c.check(List, int64(n)) }

// Text refuses a text of n bytes.
func (c *Call) Text(n int) error { return c.check(Text, int64(n)) }

// Affected refuses a write of n rows, or one that has affected them.
func (c *Call) Affected(n int64) error { return c.check(Affected, n) }

// Undone refuses a write that the server has undone.
func (c *Call) Undone(n int64) error {
	err := c.Affected(n)
	c.Sent()
	return err
}

// Wrote tells of a write of n rows, which ended with err.
func (c *Call) Wrote(n int64, err error) {
	if c == nil || err != nil {
		return
	}
	if most, _ := c.most(Affected); n <= most {
		_ = c.check(Affected, n)
	}
}

// WrittenKeys refuses a write of the rows with n keys.
func (c *Call) WrittenKeys(n int) error {
	if err := c.List(n); err != nil {
		return err
	}
	return c.Affected(int64(n))
}

// Unbounded refuses a write of every row.
func (c *Call) Unbounded() error {
	if c == nil || c.set.max[Enforce][Unbounded]+c.set.max[Report][Unbounded] == 0 {
		return nil
	}
	return c.check(Unbounded, Every)
}

// Every is what a write of every row is checked as, and 1 what is declared.
const Every = 2

// MostAffected returns how many rows a write may affect, and reports whether that is
// limited.
func (c *Call) MostAffected() (int64, bool) {
	if c == nil {
		return 0, false
	}
	return c.most(Affected)
}

func (c *Call) limits(k Kind) bool { return c.set.max[Enforce][k]+c.set.max[Report][k] > 0 }

// Result counts rows of a read as they come. Of a page, one more row comes than it
// has, so that beyond is 1.
func (c *Call) Result(r pgx.Rows, beyond int64) pgx.Rows { return c.counted(r, Rows, beyond) }

// Load counts rows of a load as they come.
func (c *Call) Load(r pgx.Rows) pgx.Rows { return c.counted(r, Loaded, 0) }

func (c *Call) counted(r pgx.Rows, k Kind, beyond int64) pgx.Rows {
	if c == nil || !c.limits(k) && !c.limits(Bytes) && c.bill == nil {
		return r
	}
	counted := &rows{Rows: r, call: c, kind: k, n: -beyond, next: c.next(k, 0), told: c.bill == nil}
	if c.limits(Bytes) {
		counted.nextBytes = c.next(Bytes, 0)
	}
	return counted
}

// Sized counts the size of a result whose rows were counted before, as those of keys.
// If before is such a result, r is a further part of it.
func (c *Call) Sized(before, r pgx.Rows) pgx.Rows {
	if c == nil || !c.limits(Bytes) {
		return r
	}
	if counted, ok := before.(*rows); ok {
		counted.Rows = r
		return counted
	}
	return &rows{Rows: r, call: c, next: math.MaxInt64, nextBytes: c.next(Bytes, 0), told: true}
}

// First runs a query whose first row is wanted, and counts its size.
func (c *Call) First(ctx context.Context, db smrt.DB, sql string, args ...any) pgx.Row {
	if c == nil || !c.limits(Bytes) {
		return db.QueryRow(ctx, sql, args...)
	}
	rows, err := db.Query(ctx, sql, args...)
	return handle.FirstRow(c.Sized(nil, rows), err)
}

// MostBytes returns how large a result may be, 0 if that is not of interest. It is for
// those that count them without the call, which may end meanwhile, for [Call.Bytes].
func (c *Call) MostBytes() int64 {
	if c == nil || !c.limits(Bytes) {
		return 0
	}
	most, _ := c.most(Bytes)
	return most
}

// Bytes refuses a result of n bytes, which has come.
func (c *Call) Bytes(n int64) error {
	err := c.check(Bytes, n)
	c.Sent()
	return err
}

// SizeOf returns how many bytes a row has as it came.
func SizeOf(row pgx.Rows) (n int64) {
	for _, v := range row.RawValues() {
		n += int64(len(v))
	}
	return n
}

// rows are counted as they come.
type rows struct {
	pgx.Rows
	call    *Call
	kind    Kind
	n, next int64
	err     error

	bytes, nextBytes int64 // 0: they are not counted
	columns          int64
	told             bool // what came is on the bill, or there is none
}

// Next goes to the next row, unless that is one too many.
func (r *rows) Next() bool {
	if !r.Rows.Next() {
		r.tell()
		return false
	}
	if !r.told && r.columns == 0 {
		r.columns = int64(len(r.FieldDescriptions()))
	}
	if r.n++; r.n > r.next && !r.goesOn(r.kind, r.n, &r.next) {
		return false
	}
	if r.nextBytes == 0 {
		return true
	}
	r.bytes += SizeOf(r.Rows)
	return r.bytes <= r.nextBytes || r.goesOn(Bytes, r.bytes, &r.nextBytes)
}

// Close ends the result.
func (r *rows) Close() {
	r.Rows.Close()
	r.tell()
}

// tell puts what came on the bill.
func (r *rows) tell() {
	if r.told {
		return
	}
	r.told = true
	if n := max(r.n, 0); r.kind == Loaded {
		r.call.Loaded(n, r.columns)
	} else {
		r.call.Came(n, r.columns)
	}
}

// goesOn reports whether the row may be read though it is beyond a limit.
func (r *rows) goesOn(k Kind, n int64, next *int64) bool {
	if r.err = r.call.check(k, n); r.err == nil {
		*next = r.call.next(k, n)
		return true
	}
	r.call.Sent()
	r.tell()
	handle.Stop(r.call.Context, r.Rows)
	return false
}

// Err is why there are no more rows.
func (r *rows) Err() error {
	if r.err != nil {
		return r.err
	}
	return r.Rows.Err()
}

// OnServer returns how long the server may work on what is sent now, 0 for as long as it
// likes. It is for when nobody can ask the server to stop any more, so it is longer than
// the call has: whoever can, knows which limit it was. Between the rows of a
// stream it is the program that takes time.
func (c *Call) OnServer() time.Duration {
	if c == nil || c.op == "stream" {
		return 0
	}
	around := c.within.OnServer()
	most, limited := c.most(Time)
	if !limited {
		return around
	}
	left := time.Until(c.began.Add(time.Duration(most)))
	if end, ok := c.Context.Deadline(); ok {
		left = min(left, time.Until(end))
	}
	left = min(max(left, 0), mostOnServer) + serverSpare
	if around > 0 {
		left = min(left, around)
	}
	return left
}

// serverSpare is how much longer the server has. It is never 0 for it, which is no limit.
const serverSpare = time.Second

// mostOnServer is what a setting of the server can say, in milliseconds of 31 bits.
const mostOnServer = 24 * 24 * time.Hour
