package wal

// Existing takes the header of a page off a position.
var Existing = existing
