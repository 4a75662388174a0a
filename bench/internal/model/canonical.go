package model

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Canonical returns an answer as text that is the same for all structs with the same values: fields by their names,
// relations in the place where they belong, nothing of what is nil or empty.
func Canonical(answer any) string {
	var b strings.Builder
	write(&b, reflect.ValueOf(answer))
	return b.String()
}

func write(b *strings.Builder, v reflect.Value) {
	switch v.Kind() {
	case reflect.Invalid:
	case reflect.Pointer, reflect.Interface:
		write(b, v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			b.Write(v.Bytes())
			return
		}
		b.WriteByte('[')
		for i := range v.Len() {
			write(b, v.Index(i))
			b.WriteByte('\n')
		}
		b.WriteByte(']')
	case reflect.Struct:
		if t, ok := v.Interface().(time.Time); ok {
			b.WriteString(t.UTC().Format(time.RFC3339Nano))
			return
		}
		fields := fieldsOf(v)
		slices.SortFunc(fields, func(x, y field) int { return cmp.Compare(x.name, y.name) })
		b.WriteByte('{')
		for _, f := range fields {
			b.WriteString(f.name + "=")
			write(b, f.value)
			b.WriteByte(';')
		}
		b.WriteByte('}')
	default:
		fmt.Fprint(b, v.Interface())
	}
}

type field struct {
	name  string
	value reflect.Value
}

// inside are fields that hold others which belong to the struct around them: relations of ent and bob, what sqlc embeds.
var inside = map[string]bool{"Edges": true, "R": true, "Order": true}

func fieldsOf(v reflect.Value) (fields []field) {
	for i := range v.NumField() {
		f, value := v.Type().Field(i), v.Field(i)
		switch value.Kind() {
		case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map:
			if value.IsZero() || value.Kind() == reflect.Slice && value.Len() == 0 {
				continue
			}
		}
		switch {
		case f.Anonymous && value.Kind() == reflect.Struct || inside[f.Name]:
			fields = append(fields, fieldsOf(value)...)
		case f.IsExported():
			fields = append(fields, field{strings.ToUpper(f.Name), value}) // ID or Id, SKU or Sku
		}
	}
	return fields
}
