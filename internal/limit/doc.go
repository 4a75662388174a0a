// Package limit holds calls to the limits that package guard declares. It is below
// everything that sends statements, and knows no table.
//
// A [Set] is what was declared, of a repository, a handle or a request. [Enter] is
// called where an operation of a repository, a load or a unit begins: it finds the
// sets that hold, of which the strictest wins, and what the context allows beyond
// them. If there is none it returns nil, and every method of a nil *[Call] lets
// everything pass, so that nothing is paid for.
//
// A Call is carried by the context that Enter returns. What an operation consists
// of finds it there with [Of], and asks it before something is sent, or hands rows
// through it. An operation inside of another belongs to that, and does not enter.
//
// Statements that are written by hand are held by [DB] and [Tx], each as an operation
// by itself. Engines take the handle below them with [Below], so that they see the
// pool or the transaction that it is.
package limit
