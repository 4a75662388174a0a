// Package smrt is the vocabulary of a data-access library for PostgreSQL: the
// [DB] interface that everything runs on, and the errors that callers branch
// on.
package smrt
