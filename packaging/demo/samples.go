package demo

import "time"

// Samples returns a few alerts of every search, for trying `winnow triage` on a file: the
// content of samples/alerts.ndjson.
func Samples() []Dispatch {
	const drops, passes, attacks = 2, 1, 1
	room := map[string]map[Expected]int{}
	var out []Dispatch
	for _, d := range Dispatches(1, time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)) {
		left := room[d.SearchName]
		if left == nil {
			left = map[Expected]int{ExpectDrop: drops, ExpectPass: passes, ExpectEscalate: attacks}
			room[d.SearchName] = left
		}
		for i, r := range d.Rows {
			if left[r.Expected]--; left[r.Expected] < 0 {
				continue
			}
			one := d
			one.Rows, one.ResultID = d.Rows[i:i+1], d.ResultID+i
			out = append(out, one)
		}
	}
	return out
}
