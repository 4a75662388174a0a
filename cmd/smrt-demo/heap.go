package main

import (
	"runtime"
	"runtime/metrics"
	"time"
)

// watchHeap begins to watch the size of the heap, which was just collected. The
// function that it returns ends that and tells by how much the heap grew at
// most; it is called once.
func watchHeap() (growth func() uint64) {
	runtime.GC()
	base := heapSize()
	peak, quit, done := base, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			peak = max(peak, heapSize())
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	}()
	return func() uint64 {
		close(quit)
		<-done
		return peak - base
	}
}

// heapSize is the memory of all objects, whether in use or not yet collected.
// Reading it does not stop the program.
func heapSize() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
