package main

// It needs an empty database, as the program does.
func Example() {
	main()
	// Output:
	// Eve 300 -2
	// Eve 100 -2
}
