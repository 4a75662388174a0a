// Package house has the tests of the project as a whole: that the code in its
// documents works, and that its source keeps to the budgets of CONTRIBUTING.md.
// It exports nothing.
package house
