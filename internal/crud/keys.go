package crud

import (
	"context"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/meta"
)

// KeyTable is how lists of keys travel as the rows of an unnest.
type KeyTable struct {
	From  string   // unnest(?::bigint[], ?::text[])
	Exprs []string // what a key's columns are equal to: "c0", "c1::citext"

	carriers []carrier
}

// KeyTable finds out how keys made of columns travel. It asks the catalog only
// for types that the Go type leaves open, and remembers the answer.
func (c *Core) KeyTable(ctx context.Context, db smrt.DB, columns []*meta.Column) (*KeyTable, error) {
	ks := make([]carrier, len(columns))
	for i, col := range columns {
		switch col.Encode {
		case meta.KindInt16:
			ks[i].param = "smallint[]"
		case meta.KindInt32:
			ks[i].param = "integer[]"
		case meta.KindInt64:
			ks[i].param = "bigint[]"
		case meta.KindUUID:
			ks[i].param = "uuid[]"
		default:
			types, err := c.columnTypes(ctx, db)
			if err != nil {
				return nil, err
			}
			known, ok := c.keyCarriers(types, columns)
			if !ok {
				return nil, &smrt.QueryError{Reason: "the key column " + c.Name + "." + col.Name + " has a type that arrays cannot carry"}
			}
			ks[i] = known[i]
			if strings.Contains(ks[i].param+ks[i].cast, "?") { // it would be taken for an argument
				return nil, &smrt.QueryError{Reason: "the type of the key column " + c.Name + "." + col.Name + " has a question mark in its name"}
			}
		}
	}
	t := &KeyTable{carriers: ks}
	params := make([]string, len(ks))
	for i, k := range ks {
		params[i] = "?::" + k.param
		t.Exprs = append(t.Exprs, "c"+strconv.Itoa(i)+k.cast)
	}
	t.From = "unnest(" + strings.Join(params, ", ") + ")"
	return t, nil
}

// keyCarriers is carriers for columns that are compared with the elements of
// the arrays.
func (c *Core) keyCarriers(types map[string]columnType, columns []*meta.Column) ([]carrier, bool) {
	ks, ok := c.carried(types, columns)
	for i := range ks {
		if types[columns[i].Name].base == pgtype.BPCharOID {
			ks[i].cast = "::pg_catalog.bpchar" // as text, the blanks at its end would count
		}
	}
	return ks, ok
}

// Arg is the list of the values of column i as an argument.
func (t *KeyTable) Arg(i int, a *meta.Array) (any, error) {
	switch {
	case t.carriers[i].asText:
		return meta.AsText{Array: a}, nil
	case t.carriers[i].asJSON:
		return meta.NewAsJSON(a)
	}
	return a, nil
}

// Names are the names of the unnest's columns.
func (t *KeyTable) Names() string {
	names := make([]string, len(t.carriers))
	for i := range names {
		names[i] = "c" + strconv.Itoa(i)
	}
	return strings.Join(names, ", ")
}
