package gen

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/internal/catalog"
)

const pgtypePath = "github.com/jackc/pgx/v5/pgtype"

// scalars are the types of fields for the types of a database. What is not here is
// a string: pgx reads and writes values of unknown types as texts.
var scalars = map[uint32]string{
	pgtype.BoolOID: "bool", pgtype.Int2OID: "int16", pgtype.Int4OID: "int32", pgtype.Int8OID: "int64",
	pgtype.Float4OID: "float32", pgtype.Float8OID: "float64", pgtype.NumericOID: "pgtype.Numeric",
	pgtype.TextOID: "string", pgtype.VarcharOID: "string", pgtype.BPCharOID: "string", pgtype.NameOID: "string", pgtype.XMLOID: "string",
	pgtype.ByteaOID: "[]byte", pgtype.UUIDOID: "pgtype.UUID", pgtype.JSONOID: "json.RawMessage", pgtype.JSONBOID: "json.RawMessage",
	pgtype.TimestamptzOID: "time.Time", pgtype.TimestampOID: "time.Time", pgtype.DateOID: "time.Time",
	pgtype.TimeOID: "pgtype.Time", pgtype.IntervalOID: "pgtype.Interval",
	pgtype.InetOID: "netip.Prefix", pgtype.CIDROID: "netip.Prefix", pgtype.MacaddrOID: "net.HardwareAddr", pgtype.Macaddr8OID: "net.HardwareAddr",
	pgtype.BitOID: "pgtype.Bits", pgtype.VarbitOID: "pgtype.Bits", pgtype.TSVectorOID: "pgtype.TSVector",
	pgtype.PointOID: "pgtype.Point", pgtype.LineOID: "pgtype.Line", pgtype.LsegOID: "pgtype.Lseg", pgtype.BoxOID: "pgtype.Box",
	pgtype.PathOID: "pgtype.Path", pgtype.PolygonOID: "pgtype.Polygon", pgtype.CircleOID: "pgtype.Circle",
	pgtype.OIDOID: "uint32", pgtype.XIDOID: "uint32", pgtype.CIDOID: "uint32", pgtype.QCharOID: "byte",
	pgtype.Int4rangeOID: "pgtype.Range[int32]", pgtype.Int8rangeOID: "pgtype.Range[int64]", pgtype.NumrangeOID: "pgtype.Range[pgtype.Numeric]",
	pgtype.TsrangeOID: "pgtype.Range[time.Time]", pgtype.TstzrangeOID: "pgtype.Range[time.Time]", pgtype.DaterangeOID: "pgtype.Range[time.Time]",
	pgtype.Int4multirangeOID: "pgtype.Multirange[pgtype.Range[int32]]", pgtype.Int8multirangeOID: "pgtype.Multirange[pgtype.Range[int64]]",
	pgtype.NummultirangeOID: "pgtype.Multirange[pgtype.Range[pgtype.Numeric]]", pgtype.TsmultirangeOID: "pgtype.Multirange[pgtype.Range[time.Time]]",
	pgtype.TstzmultirangeOID: "pgtype.Multirange[pgtype.Range[time.Time]]", pgtype.DatemultirangeOID: "pgtype.Multirange[pgtype.Range[time.Time]]",
}

// texts are types that are searched as texts, by their names where an extension
// has them.
func isText(c *catalog.Column) bool {
	return slices.Contains([]uint32{pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID}, c.Base) || unqualified(c.TypeName) == "citext"
}

// unqualified returns the name of a type without its schema.
func unqualified(typeName string) string { return typeName[strings.LastIndex(typeName, ".")+1:] }

// paths are the import paths of what scalars name.
var paths = map[string]string{
	"pgtype": pgtypePath, "json": "encoding/json", "time": "time", "netip": "net/netip", "net": "net",
}

// moneyOID is that of money.
const moneyOID = 790

// fieldType returns the type of a field for a column, as text, "" for none, and
// reports whether it knew the column's type.
func (w *modelWriter) fieldType(r *catalog.Relation, c *catalog.Column) (text string, known bool) {
	config := w.config.Tables[w.names[r]].Columns[c.Name]
	notNull := c.NotNull || config.NotNull
	custom := config.Type
	for _, name := range []string{c.Type, c.TypeName, unqualified(c.TypeName)} {
		if custom == "" {
			custom = w.config.Types[name]
		}
	}
	switch {
	case custom != "":
		return w.qualify(custom), true
	case c.Base == moneyOID || c.Element == moneyOID:
		return "", false
	case c.Element != 0 && c.Enum != "": // pgx reads values of an enum as texts, but no array of them
		return "[]string", true
	case c.Element != 0:
		text, known = w.scalar(c.Element, c.Enum)
		return "[]" + text, known || text == "string"
	}
	text, known = w.scalar(c.Base, c.Enum)
	known = known || slices.Contains([]string{"citext", "hstore", "ltree", "time with time zone"}, unqualified(c.TypeName))
	if unqualified(c.TypeName) == "hstore" {
		return w.qualify(pgtypePath + ".Hstore"), true
	}
	if notNull || holdsNull(text) {
		return text, known
	}
	return "*" + text, known
}

// holdsNull reports whether a type has a place for NULL.
func holdsNull(text string) bool {
	return strings.HasPrefix(text, "[]") || strings.HasPrefix(text, "pgtype.") || text == "json.RawMessage" || text == "net.HardwareAddr"
}

// scalar returns the type for a type of the database that is no array.
func (w *modelWriter) scalar(oid uint32, enum string) (text string, known bool) {
	if enum != "" {
		return w.enum(enum), true
	}
	text, known = scalars[oid]
	if !known {
		return "string", false
	}
	for name, from := range paths {
		if strings.Contains(text, name+".") {
			w.imports.use(from, name)
		}
	}
	return text, true
}

// qualify returns a type of a package, which is named by its path, as the file
// names it: github.com/shopspring/decimal.Decimal is decimal.Decimal.
func (w *modelWriter) qualify(full string) string {
	prefix := full[:len(full)-len(strings.TrimLeft(full, "*[]"))]
	full = full[len(prefix):]
	slash := strings.LastIndex(full, "/") + 1
	dot := strings.Index(full[slash:], ".")
	if dot < 0 {
		return prefix + full
	}
	from, name := full[:slash+dot], full[slash+dot+1:]
	return prefix + w.imports.use(from, packageName(from)) + "." + name
}

// packageName guesses the name of a package by its path; imports say it where the
// path does not.
func packageName(from string) string {
	base := path.Base(from)
	if len(base) > 1 && base[0] == 'v' && base[1] >= '0' && base[1] <= '9' {
		base = path.Base(path.Dir(from))
	}
	return strings.ReplaceAll(strings.TrimPrefix(strings.TrimSuffix(base, ".go"), "go-"), "-", "")
}

// imports are those of a file that is written.
type imports struct{ names map[string]string } // by path

// use returns the name by which the file knows a package.
func (im *imports) use(from, name string) string {
	if im.names == nil {
		im.names = map[string]string{}
	}
	if known, ok := im.names[from]; ok {
		return known
	}
	unique := name
	for n := 2; im.has(unique); n++ {
		unique = fmt.Sprint(name, n)
	}
	im.names[from] = unique
	return unique
}

// has reports whether a name is taken, as those of parameters are.
func (im *imports) has(name string) bool {
	if name == "r" || name == "k" {
		return true
	}
	for _, known := range im.names {
		if known == name {
			return true
		}
	}
	return false
}

// text returns the import declarations: the standard library first.
func (im *imports) text() string {
	var std, other []string
	for from, name := range im.names {
		line := fmt.Sprintf("\t%q\n", from)
		if name != path.Base(from) {
			line = fmt.Sprintf("\t%s %q\n", name, from)
		}
		if first, _, _ := strings.Cut(from, "/"); strings.Contains(first, ".") {
			other = append(other, line)
		} else {
			std = append(std, line)
		}
	}
	if len(std)+len(other) == 0 {
		return ""
	}
	byPath := func(a, b string) int { return strings.Compare(a[strings.Index(a, `"`):], b[strings.Index(b, `"`):]) }
	slices.SortFunc(std, byPath)
	slices.SortFunc(other, byPath)
	between := ""
	if len(std) > 0 && len(other) > 0 {
		between = "\n"
	}
	return "import (\n" + strings.Join(std, "") + between + strings.Join(other, "") + ")\n"
}
