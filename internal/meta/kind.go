package meta

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"reflect"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// Kind is the shape of a field whose values are decoded and encoded here.
// Everything else is KindOther and left to pgx's codecs.
type Kind uint8

// The kinds with a plan of their own.
const (
	KindOther Kind = iota
	KindBool
	KindInt16
	KindInt32
	KindInt64
	KindFloat32
	KindFloat64
	KindString
	KindBytes
	KindTime
	KindUUID
	KindJSON
	KindStrings
	KindTSVector // decoded only
)

var (
	scannerType  = reflect.TypeFor[sql.Scanner]()
	valuerType   = reflect.TypeFor[driver.Valuer]()
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	rawJSONType  = reflect.TypeFor[json.RawMessage]()
	tsvectorType = reflect.TypeFor[pgtype.TSVector]()
)

// kindOf returns the kind of a type by what lies below its name, so that type
// Cents int64 is read like an int64.
func kindOf(t reflect.Type) Kind {
	switch {
	case t == timeType:
		return KindTime
	case t == rawJSONType:
		return KindJSON
	case t == durationType, t.PkgPath() == "net":
		return KindOther // an interval and addresses to pgx, whatever lies below
	}
	switch t.Kind() {
	case reflect.Bool:
		return KindBool
	case reflect.Int16:
		return KindInt16
	case reflect.Int32:
		return KindInt32
	case reflect.Int64:
		return KindInt64
	case reflect.Int:
		if t.Size() == 8 {
			return KindInt64
		}
		return KindInt32
	case reflect.Float32:
		return KindFloat32
	case reflect.Float64:
		return KindFloat64
	case reflect.String:
		return KindString
	case reflect.Slice:
		switch {
		case t.Elem().Kind() == reflect.Uint8 && t.Elem().PkgPath() == "":
			return KindBytes
		case t.Elem() == reflect.TypeFor[string]():
			return KindStrings
		}
	case reflect.Array:
		if t.Len() == 16 && t.Elem().Kind() == reflect.Uint8 {
			return KindUUID
		}
	}
	return KindOther
}

// implementsScan reports whether *t reads itself: as a Scanner of database/sql,
// or by one of the many interfaces of pgx.
func implementsScan(t reflect.Type) bool {
	return implementsAny(t, scanners)
}

// implementsValue reports whether t writes itself by the method of
// driver.Valuer. Where *t has it alone, it reads and writes values that lie in a
// row: a type whose Scan decrypts has a Value that encrypts, and both are often
// methods of the pointer.
func implementsValue(t reflect.Type) bool { return reflect.PointerTo(t).Implements(valuerType) }

// hasPgxValue reports whether t has one of pgx's value methods (TextValue,
// Int64Value, ...), or is an array or range of its own.
func hasPgxValue(t reflect.Type) bool {
	return implementsAny(t, valuers)
}

func implementsAny(t reflect.Type, interfaces []reflect.Type) bool {
	p := reflect.PointerTo(t)
	return slices.ContainsFunc(interfaces, p.Implements)
}

// The interfaces by which a type reads and writes itself. They are named one by
// one: looking methods up with reflect.Type.Method would make the linker keep
// every method of every type of a program, 124 KB for each repository.
var (
	scanners = []reflect.Type{
		scannerType,
		reflect.TypeFor[pgtype.ArraySetter](), reflect.TypeFor[pgtype.BitsScanner](), reflect.TypeFor[pgtype.BoolScanner](),
		reflect.TypeFor[pgtype.BoxScanner](), reflect.TypeFor[pgtype.BytesScanner](), reflect.TypeFor[pgtype.CircleScanner](),
		reflect.TypeFor[pgtype.CompositeIndexScanner](), reflect.TypeFor[pgtype.DateScanner](), reflect.TypeFor[pgtype.Float64Scanner](),
		reflect.TypeFor[pgtype.HstoreScanner](), reflect.TypeFor[pgtype.Int64Scanner](), reflect.TypeFor[pgtype.IntervalScanner](),
		reflect.TypeFor[pgtype.LineScanner](), reflect.TypeFor[pgtype.LsegScanner](), reflect.TypeFor[pgtype.NetipPrefixScanner](),
		reflect.TypeFor[pgtype.NumericScanner](), reflect.TypeFor[pgtype.PathScanner](), reflect.TypeFor[pgtype.PointScanner](),
		reflect.TypeFor[pgtype.PolygonScanner](), reflect.TypeFor[pgtype.RangeScanner](), reflect.TypeFor[pgtype.TIDScanner](),
		reflect.TypeFor[pgtype.TSVectorScanner](), reflect.TypeFor[pgtype.TextScanner](), reflect.TypeFor[pgtype.TimeScanner](),
		reflect.TypeFor[pgtype.TimestampScanner](), reflect.TypeFor[pgtype.TimestamptzScanner](), reflect.TypeFor[pgtype.UUIDScanner](),
		reflect.TypeFor[pgtype.Uint32Scanner](), reflect.TypeFor[pgtype.Uint64Scanner](),
	}
	valuers = []reflect.Type{
		reflect.TypeFor[pgtype.ArrayGetter](), reflect.TypeFor[pgtype.BitsValuer](), reflect.TypeFor[pgtype.BoolValuer](),
		reflect.TypeFor[pgtype.BoxValuer](), reflect.TypeFor[pgtype.BytesValuer](), reflect.TypeFor[pgtype.CircleValuer](),
		reflect.TypeFor[pgtype.CompositeIndexGetter](), reflect.TypeFor[pgtype.DateValuer](), reflect.TypeFor[pgtype.Float64Valuer](),
		reflect.TypeFor[pgtype.HstoreValuer](), reflect.TypeFor[pgtype.Int64Valuer](), reflect.TypeFor[pgtype.IntervalValuer](),
		reflect.TypeFor[pgtype.LineValuer](), reflect.TypeFor[pgtype.LsegValuer](), reflect.TypeFor[pgtype.NetipPrefixValuer](),
		reflect.TypeFor[pgtype.NumericValuer](), reflect.TypeFor[pgtype.PathValuer](), reflect.TypeFor[pgtype.PointValuer](),
		reflect.TypeFor[pgtype.PolygonValuer](), reflect.TypeFor[pgtype.RangeValuer](), reflect.TypeFor[pgtype.TIDValuer](),
		reflect.TypeFor[pgtype.TSVectorValuer](), reflect.TypeFor[pgtype.TextValuer](), reflect.TypeFor[pgtype.TimeValuer](),
		reflect.TypeFor[pgtype.TimestampValuer](), reflect.TypeFor[pgtype.TimestamptzValuer](), reflect.TypeFor[pgtype.UUIDValuer](),
		reflect.TypeFor[pgtype.Uint32Valuer](), reflect.TypeFor[pgtype.Uint64Valuer](),
	}
)

// isValue reports whether a field of type t is a column without being told so by
// a tag: everything but the shapes that relations have (a struct, a pointer to
// one, a slice or map of them), unless the type reads itself.
func isValue(t reflect.Type) bool {
	if t == timeType || t == rawJSONType || implementsScan(t) {
		return true
	}
	switch t.Kind() {
	case reflect.Struct:
		return t.PkgPath() == "github.com/jackc/pgx/v5/pgtype" || t.PkgPath() == "net" || t.PkgPath() == "net/netip"
	case reflect.Pointer:
		return isValue(t.Elem())
	case reflect.Slice, reflect.Array:
		return isValue(t.Elem())
	case reflect.Map, reflect.Chan, reflect.Func, reflect.Interface:
		return t.PkgPath() == "github.com/jackc/pgx/v5/pgtype"
	}
	return true
}

// holdsNull reports whether a value of type t can represent NULL.
func holdsNull(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return true
	case reflect.Struct:
		return t != timeType && implementsScan(t)
	}
	return implementsScan(t) && takesNull(t)
}

// takesNull reports whether a type that scans itself, such as an enum of sqlc,
// takes NULL for a value. A number or text has no place for it, but a type may
// choose one, such as the empty text. It is asked, because a comparison with <>
// leaves out rows with NULL.
func takesNull(t reflect.Type) (takes bool) {
	scanner, ok := reflect.New(t).Interface().(sql.Scanner)
	if !ok {
		return true
	}
	defer func() {
		if recover() != nil {
			takes = true
		}
	}()
	if v, ok := reflect.New(t).Interface().(driver.Valuer); ok {
		if zero, err := v.Value(); zero == nil && err == nil {
			return true
		}
	}
	return scanner.Scan(nil) == nil
}
