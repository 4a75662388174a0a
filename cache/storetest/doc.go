// Package storetest tests whether a [cache.Store] keeps to its rules, and has a store in
// memory that does, for tests of what uses one:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Subject{Stores: []cache.Store{mine.New(server), mine.New(server)}})
//	}
//
// The rules are about what must never happen, so that a store that passes can still be
// wrong where it is rarely so: [Rules] run again are other orders of the same steps.
package storetest
