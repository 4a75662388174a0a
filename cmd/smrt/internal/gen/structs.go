package gen

import (
	"go/types"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"

	"github.com/smrt-go/smrt/internal/meta"
)

// structure is a struct that may be that of a table.
type structure struct {
	name   string
	named  *types.Named
	fields []field
}

// field is a column of a struct.
type field struct {
	column string
	name   string // of the field
	path   string // from the struct, as in Embedded.Name
	typ    types.Type
}

func (s *structure) byColumn(name string) *field {
	for i := range s.fields {
		if s.fields[i].column == name {
			return &s.fields[i]
		}
	}
	return nil
}

// structsOf returns the exported structs of a package whose fields are columns by
// the rule of query.NewTable, in the order of their names. It leaves out what sqlc
// makes of queries.
func structsOf(pkg *packages.Package) (all []*structure) {
	scope := pkg.Types.Scope()
	for _, name := range scope.Names() {
		obj, ok := scope.Lookup(name).(*types.TypeName)
		if !ok || !obj.Exported() || strings.HasSuffix(name, "Row") || strings.HasSuffix(name, "Params") {
			continue
		}
		if file := pkg.Fset.Position(obj.Pos()).Filename; strings.HasSuffix(file, ".sql.go") && !obj.IsAlias() {
			continue
		}
		named, ok := types.Unalias(obj.Type()).(*types.Named)
		if !ok || named.TypeParams().Len() > 0 {
			continue
		}
		if _, ok := named.Underlying().(*types.Struct); !ok {
			continue
		}
		s := &structure{name: name, named: named}
		if addFields(s, named, "") && len(s.fields) > 0 && !twice(s.fields) {
			all = append(all, s)
		}
	}
	return all
}

func twice(fields []field) bool {
	seen := map[string]bool{}
	for _, f := range fields {
		if seen[f.column] {
			return true
		}
		seen[f.column] = true
	}
	return false
}

// addFields adds the columns of a struct, and reports whether all fields can be
// some. It is meta.Struct's rule, for types that are not compiled into this
// program.
func addFields(s *structure, of types.Type, path string) bool {
	st := of.Underlying().(*types.Struct)
	for i := range st.NumFields() {
		f := st.Field(i)
		tag, tagged := reflect.StructTag(st.Tag(i)).Lookup("db")
		tag, _, _ = strings.Cut(tag, ",")
		if tag == "-" {
			continue
		}
		if _, isStruct := f.Type().Underlying().(*types.Struct); f.Embedded() && !tagged && isStruct && !isValue(f.Type()) {
			if !addFields(s, f.Type(), path+f.Name()+".") {
				return false
			}
			continue
		}
		if !f.Exported() {
			continue
		}
		if tag == "" && !isValue(f.Type()) {
			return false
		}
		if tag == "" {
			tag = meta.SnakeCase(f.Name())
		}
		if meta.CheckIdent(tag) != nil {
			return false
		}
		s.fields = append(s.fields, field{tag, f.Name(), path + f.Name(), f.Type()})
	}
	return true
}

// isValue reports whether a field of a type is a column without a tag, as the
// function of that name in package meta does.
func isValue(t types.Type) bool {
	t = types.Unalias(t)
	if isNamed(t, "time", "Time") || isNamed(t, "encoding/json", "RawMessage") || readsItself(t) {
		return true
	}
	switch u := t.Underlying().(type) {
	case *types.Struct:
		return slices.Contains([]string{pgtypePath, "net", "net/netip"}, packageOf(t))
	case *types.Pointer:
		return isValue(u.Elem())
	case *types.Slice:
		return isValue(u.Elem())
	case *types.Array:
		return isValue(u.Elem())
	case *types.Map, *types.Chan, *types.Signature, *types.Interface:
		return packageOf(t) == pgtypePath
	}
	return true
}

// scanMethods are those of the interfaces by which a type reads itself: of
// database/sql and of pgx.
var scanMethods = strings.Fields(`Scan SetDimensions ScanBits ScanBool ScanBox ScanBytes ScanCircle ScanIndex ScanDate ScanFloat64
	ScanHstore ScanInt64 ScanInterval ScanLine ScanLseg ScanNetipPrefix ScanNumeric ScanPath ScanPoint ScanPolygon ScanBounds ScanTID
	ScanTSVector ScanText ScanTime ScanTimestamp ScanTimestamptz ScanUUID ScanUint32 ScanUint64`)

// readsItself reports whether *t has one of those methods.
func readsItself(t types.Type) bool {
	if _, ok := t.(*types.Pointer); ok {
		return false
	}
	set := types.NewMethodSet(types.NewPointer(t))
	for i := range set.Len() {
		m := set.At(i).Obj().(*types.Func)
		if m.Exported() && slices.Contains(scanMethods, m.Name()) && m.Signature().Results().Len() == 1 {
			return true
		}
	}
	return false
}

// isNamed reports whether t is a type of a package.
func isNamed(t types.Type, path, name string) bool {
	n, ok := types.Unalias(t).(*types.Named)
	return ok && n.Obj().Name() == name && packageOf(t) == path
}

// packageOf returns the path of the package that declares a type, "" for none.
func packageOf(t types.Type) string {
	if n, ok := types.Unalias(t).(*types.Named); ok && n.Obj().Pkg() != nil {
		return n.Obj().Pkg().Path()
	}
	return ""
}

// holdsNullType reports whether a field of a type has a place for NULL.
func holdsNullType(t types.Type) bool {
	switch t.Underlying().(type) {
	case *types.Pointer, *types.Slice, *types.Map, *types.Interface:
		return true
	case *types.Struct:
		return !isNamed(t, "time", "Time") && readsItself(t) || isNamed(t, "net/netip", "Addr") || isNamed(t, "net/netip", "Prefix")
	}
	return false
}

// pointed returns what a pointer leads to, nil if t is none.
func pointed(t types.Type) types.Type {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		return p.Elem()
	}
	return nil
}
