package plan

// SplitRaw is the scanner of fragments.
var SplitRaw = splitRaw
