// Package meta turns a struct and its accessor functions into a column plan,
// once: which fields are columns, where they lie in memory, how a value on the
// wire becomes the field, and how the field becomes an argument.
//
// Nothing here knows about type parameters. The generic packages above pass
// addresses of entities as unsafe.Pointer and the plan resolved here says what
// lies behind them, so that this code is compiled once for a whole program and
// not once for every entity.
package meta
