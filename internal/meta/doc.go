// Package meta turns a struct and its accessor functions into a column plan,
// once: which fields are columns, where they lie in memory, how a value on the
// wire becomes the field, and how the field becomes an argument.
//
// Nothing here knows about type parameters. The generic packages above pass
// addresses of entities as unsafe.Pointer and the plan resolved here says what
// lies behind them, so that this code is compiled once for a whole program and
// not once for every entity.
//
// # The way of a value
//
// What is known of a type is worked out once: Of (struct.go) lists the fields
// that are columns, and NewColumn gives each two kinds (kind.go), one for
// reading and one for writing. A type that reads or writes itself has KindOther
// on that side, so that its own methods are used.
//
// From a field to the wire (arg.go):
//
//  1. Column.Arg takes the address of the entity and adds the field's offset.
//  2. It checks what the server would refuse (check.go): invalid UTF-8, NUL
//     bytes, times out of range, broken JSON. A bad value never costs a round
//     trip.
//  3. It returns the address under a type such as int64Arg. pgx asks that type
//     for the value when it encodes the statement. KindOther is boxed.
//  4. Many rows become one argument: Array (array.go) walks the entities and
//     returns each field to pgx as an element.
//  5. If pgx does not know the type of the parameter, it asks for text: the
//     TextValue methods and literal.go write PostgreSQL's literals.
//
// From the wire to a field (decode.go):
//
//  1. Decoder.Init compares each column of the result with its field, and
//     chooses a step (step.go). opScan, for everything not certain, leaves it
//     to pgx.
//  2. Decoder.Values runs the steps on the bytes of a row and stores into the
//     entity. Strings come from an arena, targets of pointers from a slab.
//  3. Records (binary.go) splits an array of records into the values of rows,
//     for relations that are loaded in their parents' statement.
package meta
