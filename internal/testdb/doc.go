// Package testdb gives tests, examples and the demo a real PostgreSQL without any set-up.
package testdb
