// SPDX-License-Identifier: ISC

// Package load measures an operation with a fixed number of them in flight, as raft-bench does.
package load

import (
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// Operation does the number-th operation in one of the workers, both counted from 0.
type Operation func(worker, number int) error

// Run does count operations, inFlight at a time, and prints raft-bench's line.  The first error ends it.
func Run(count, inFlight int, do Operation) error {
	took := make([]time.Duration, count)
	failed := make(chan error, inFlight)
	var next int64 = -1
	var all sync.WaitGroup
	began := time.Now()
	for w := 0; w < inFlight; w++ {
		all.Add(1)
		go func(worker int) {
			defer all.Done()
			for n := int(atomic.AddInt64(&next, 1)); n < count; n = int(atomic.AddInt64(&next, 1)) {
				sent := time.Now()
				if err := do(worker, n); err != nil {
					failed <- err
					return
				}
				took[n] = time.Since(sent)
			}
		}(w)
	}
	all.Wait()
	seconds := time.Since(began).Seconds()
	select {
	case err := <-failed:
		return err
	default:
	}
	report(took, seconds)
	return nil
}

func report(took []time.Duration, seconds float64) {
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	quantile := func(percent int) int64 { return took[(len(took)-1)*percent/100].Microseconds() }
	fmt.Printf("ops=%d seconds=%.3f ops_per_s=%.0f p50_us=%d p99_us=%d max_us=%d\n", len(took), seconds,
		float64(len(took))/seconds, quantile(50), quantile(99), quantile(100))
}
