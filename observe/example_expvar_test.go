package observe_test

import (
	"encoding/json"
	"expvar"
	"fmt"

	"github.com/smrt-go/smrt/observe"
)

// publish lets the program's page of variables, /debug/vars, show what is kept. It is called
// once: expvar panics at a name that is there already.
func publish() {
	expvar.Publish("smrt", expvar.Func(func() any { return observe.Memory() }))
}

// What the library keeps is shown by package expvar if the program says so.
func ExampleMemory_expvar() {
	publish()
	var all []observe.Kept
	if err := json.Unmarshal([]byte(expvar.Get("smrt").String()), &all); err != nil {
		panic(err)
	}
	for _, k := range all {
		if k.Name == "names" {
			fmt.Println("names are told")
		}
	}
	// Output:
	// names are told
}
