package main

// It needs an empty database, as the program does.
func Example() {
	main()
	// Output:
	// reachable: 1 overdue: Eve 30 days
	// void: open due: false version 3
}
