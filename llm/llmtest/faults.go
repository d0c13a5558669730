package llmtest

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// FaultKind is a way to fail.
type FaultKind string

// The faults. Those with a status are not billed; the others come after the model has worked, and are.
const (
	None        FaultKind = ""
	Rate        FaultKind = "rate"        // 429 with Retry-After
	Quota       FaultKind = "quota"       // 429, the account has no money left
	Auth        FaultKind = "auth"        // 401
	Internal    FaultKind = "internal"    // 500
	Unavailable FaultKind = "unavailable" // 503
	Overloaded  FaultKind = "overloaded"  // 529
	Policy      FaultKind = "policy"      // 400, the request's content is refused by the filter before the model
	Gone        FaultKind = "gone"        // the connection breaks before anything is done

	Slow       FaultKind = "slow"        // the answer comes after a delay
	Cut        FaultKind = "cut"         // the connection breaks in the middle of the answer
	Garbage    FaultKind = "garbage"     // status 200 and no JSON
	Nothing    FaultKind = "nothing"     // status 200 and no byte
	Empty      FaultKind = "empty"       // an answer without text
	Refusal    FaultKind = "refusal"     // the model will not
	Filter     FaultKind = "filter"      // the content filter took the answer
	Length     FaultKind = "length"      // the answer is cut at the limit of output
	Malformed  FaultKind = "malformed"   // the answer's text is half of its JSON, and says it is whole
	OffSchema  FaultKind = "off_schema"  // the answer's text is JSON of another form
	WrongUsage FaultKind = "wrong_usage" // usage that cannot be: negative, more cached than there was
	NoUsage    FaultKind = "no_usage"    // no usage at all
)

// AllFaults are the faults, None left out.
var AllFaults = []FaultKind{
	Rate, Quota, Auth, Internal, Unavailable, Overloaded, Policy, Gone,
	Slow, Cut, Garbage, Nothing, Empty, Refusal, Filter, Length, Malformed, OffSchema, WrongUsage, NoUsage,
}

// Passing are the faults that go away by trying again, or do not keep the answer from being read.
var Passing = []FaultKind{Rate, Internal, Unavailable, Overloaded, Gone, Slow, Cut, Garbage, Nothing}

func (k FaultKind) billed() bool {
	return k == None || !slices.Contains([]FaultKind{Rate, Quota, Auth, Internal, Unavailable, Overloaded, Policy, Gone}, k)
}

// Fault is one failure.
type Fault struct {
	Kind  FaultKind
	After time.Duration // of Slow: the delay; else what Retry-After says, 0: nothing is said
}

// Faults says how the n-th request (from 0, the lines of batches counted too) fails. It is called from
// many goroutines at once.
type Faults func(r *Request, n int) Fault

// Scripted fails requests in order; those after the script do not fail.
func Scripted(script ...Fault) Faults {
	return func(_ *Request, n int) Fault {
		if n < len(script) {
			return script[n]
		}
		return Fault{}
	}
}

// Always fails every request.
func Always(f Fault) Faults { return func(*Request, int) Fault { return f } }

// Chance fails a share of requests, each in one of the ways; the same seed gives the same failures in
// the same order of requests.
func Chance(seed uint64, share float64, after time.Duration, kinds ...FaultKind) Faults {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, seed))
	return func(*Request, int) Fault {
		mu.Lock()
		defer mu.Unlock()
		if r.Float64() >= share || len(kinds) == 0 {
			return Fault{}
		}
		return Fault{Kind: kinds[r.IntN(len(kinds))], After: after}
	}
}
