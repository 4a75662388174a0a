// Package verify compares declared tables with a database, without type parameters.
// Package schema is its face.
//
// A table is looked at from the outside in:
//
//   - does it exist, is it of the declared kind, what may the role do (verify.go)
//   - each column by itself: type (type.go), NULL, who sets it, labels of an enum (column.go),
//     and rules for its values (rule.go)
//   - the key: what makes it unique, who makes its values (key.go)
//   - soft deletion, triggers, rules, row security, broken indexes (table.go)
//   - relations: foreign keys and the indexes that loads need (relation.go)
//   - declared uses: conflicts of upserts, orders of pages (use.go)
//
// All but the conflicts is decided by one answer of the catalog. A finding has a
// statement only where running it keeps the meaning of what is there: a trigger that
// changes rows is no reason to drop it.
package verify
