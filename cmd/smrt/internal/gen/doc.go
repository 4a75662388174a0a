// Package gen writes declarations of tables, columns and relations from what a
// database says of its tables and from the Go structs that hold their rows.
//
// The way of a run (gen.go):
//
//  1. Where there is no Go package with structs, models.go writes them.
//  2. structs.go finds the structs of the package, and the columns of each by the
//     rule of query.NewTable; match.go decides which is whose.
//  3. table.go and role.go decide what is declared of a table, relation.go what
//     is declared of foreign keys. name.go has the rules for names.
//  4. emit.go writes the file. It is compiled in memory (load.go) before one on
//     disk is replaced (write.go).
//
// A name depends on one table or one foreign key, and on the names of what that
// touches, never on what else there is: so what is added to a database renames
// nothing. Where two things would have one name nothing is written, and the finding
// has the lines of configuration that give one of them another.
package gen
