// Package batch lets calls that are made at the same time travel together,
// without a timer and without a goroutine while nothing waits.
//
// A [Gate] admits a limited number of calls at a time. A call that finds it
// open pays two atomic operations and is otherwise as if there were no gate: it
// is made on its caller's goroutine with its caller's context. A call that
// finds it full joins the batch that waits, and the batch leaves as one as soon
// as a call returns. So a server that keeps up is asked at once, and one that
// does not is asked for more at a time.
//
// A batch accepts nobody once it has left. So no caller is given an answer that
// is older than its question.
package batch
