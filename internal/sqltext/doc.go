// Package sqltext splits SQL into tokens as PostgreSQL's own scanner does, so
// that nobody in this module has to search for words in text: a word in a
// literal, in a comment or inside a longer name is not that word.
//
// It knows nested comments, line comments, quoted names (also U&"..."), literals
// ('...', E'...', B'...', X'...', N'...', U&'...', $tag$...$tag$, and those that
// go on behind a line break), numbers, operators, parameters and words. It does
// not parse: whether the tokens make a statement is the server's business.
//
// Literals are read as with standard_conforming_strings, PostgreSQL's default,
// unless [Lexer].Escapes says otherwise.
package sqltext
